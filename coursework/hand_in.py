"""The notebook as it is handed in, and what it still lacks."""

from __future__ import annotations

from copy import deepcopy

import nbformat
from nbformat import NotebookNode

from coursework.own_notebook import CHANGED, grade_id, is_locked, is_test, released_notebook


def hand_in_text(notebook: NotebookNode) -> str:
    """Return the file to hand in: a notebook from `read_notebook`, as it was before it ran."""
    notebook = deepcopy(notebook)
    notebook.metadata = deepcopy(released_notebook().metadata)
    for cell in notebook.cells:
        cell.metadata.pop(CHANGED, None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def what_is_missing(notebook: NotebookNode) -> dict[str, str]:
    """Return what is missing in which cell, by the cells' grade_ids, in their order."""
    written = {grade_id(cell): cell.source for cell in notebook.cells}
    missing = {}
    for cell in released_notebook().cells:
        name = grade_id(cell)
        if not name or is_locked(cell):
            continue
        if name not in written:
            missing[name] = "this cell is missing"
        elif "raise NotImplementedError()" in written[name]:
            missing[name] = "not done yet"
        elif written[name].strip() in ("", cell.source.strip()):
            missing[name] = "nothing is written yet"
    return missing


def points_of_tests(notebook: NotebookNode, passed: set[str]) -> tuple[float, float]:
    """Return the points of the passed tests, and of all that the notebook has."""
    points = {
        grade_id(cell): cell.metadata.nbgrader.points for cell in notebook.cells if is_test(cell)
    }
    return sum(points[name] for name in passed), sum(points.values())


def points_of_answers() -> float:
    """Return the points that somebody gives for answers in words."""
    cells = (cell for cell in released_notebook().cells if cell.cell_type == "markdown")
    return sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in cells)
