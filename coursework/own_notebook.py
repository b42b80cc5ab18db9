"""The student's notebook: fresh, and as it is run, with the locked cells as they were released."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from warnings import catch_warnings, simplefilter

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbformat.warnings import DuplicateCellId, MissingIDFieldWarning

from coursework.course import student_notebook
from coursework.workspace import WorkError

CHANGED = "not_as_released"
"""Marks a locked cell whose text the student's notebook has not."""


def release_text() -> str:
    """Return the file that a student starts from."""
    return nbformat.writes(released_notebook()) + "\n"


@cache
def released_notebook() -> NotebookNode:
    """Return the file that a student starts from as a notebook, made once: do not change it."""
    return student_notebook()


def read_notebook(file: Path) -> NotebookNode:
    """Read a student's notebook, with the locked cells as they were released.

    Raises
    ------
    WorkError
        If the file is not a notebook.
    """
    text = file.read_bytes()
    try:
        with catch_warnings():
            simplefilter("ignore", MissingIDFieldWarning)  # other editors write no ids
            simplefilter("ignore", DuplicateCellId)
            notebook = restore(nbformat.reads(text.decode(), as_version=4))
    except (
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        RecursionError,  # nested without end
        nbformat.ValidationError,
    ):
        raise WorkError(
            f"{file} is not a notebook any more: `tito module reset 15` keeps it as a backup "
            "and writes a fresh one"
        ) from None
    _require_characters(notebook, file)
    return notebook


def _require_characters(notebook: NotebookNode, file: Path) -> None:
    """Refuse halves of characters, which no kernel takes and no file holds."""
    for number, cell in enumerate(notebook.cells, start=1):
        half = re.search("[\ud800-\udfff]", cell.source)
        if half:
            line = cell.source.count("\n", 0, half.start()) + 1
            name = grade_id(cell) or f"{number} (your own)"
            raise WorkError(
                f"{file}: cell {name}, line {line} holds half a character ({half[0]!a}): delete it"
            )


def restore(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with every locked cell as it was released, missing ones added.

    Of a cell that is there twice the last counts, as when nbgrader grades.
    """
    released = {grade_id(cell): cell for cell in released_notebook().cells if grade_id(cell)}
    last = {grade_id(cell): index for index, cell in enumerate(notebook.cells)}
    cells = []
    for index, cell in enumerate(notebook.cells):
        original = released.get(grade_id(cell))
        counts = original is not None and last[grade_id(cell)] == index
        cells.append(_restored(cell, original) if counts else _without_role(cell))
    _add_missing(cells, released)
    return new_notebook(cells=cells)


def _restored(cell: NotebookNode, original: NotebookNode) -> NotebookNode:
    restored = deepcopy(original)
    if not is_locked(original):
        restored.source = cell.source
        if original.cell_type == "markdown" and "attachments" in cell:
            restored["attachments"] = cell.attachments
    elif cell.source.strip() != original.source.strip():
        restored.metadata[CHANGED] = True
    return restored


def _without_role(cell: NotebookNode) -> NotebookNode:
    """Return a cell of the student's own, not yet run."""
    if cell.cell_type == "code":
        return new_code_cell(cell.source)
    return new_markdown_cell(cell.source)


def _add_missing(cells: list[NotebookNode], released: dict[str, NotebookNode]) -> None:
    """Put each locked cell that is missing behind the one it was released behind."""
    names = [grade_id(cell) for cell in cells]
    place = 0
    for name, original in released.items():
        if name in names:
            place = names.index(name) + 1
        elif is_locked(original):
            cells.insert(place, deepcopy(original))
            cells[place].metadata[CHANGED] = True
            names.insert(place, name)
            place += 1


def changed_cells(notebook: NotebookNode) -> list[str]:
    """Return the grade_ids of the cells that `restore` gave another text, or added."""
    return [grade_id(cell) for cell in notebook.cells if CHANGED in cell.metadata]


def task_source(notebook: NotebookNode, name: str) -> str:
    """Return what the student wrote in the cell `name`; the empty text if it is missing."""
    return next((cell.source for cell in notebook.cells if grade_id(cell) == name), "")


def missing_tasks(notebook: NotebookNode) -> list[str]:
    """Return the grade_ids of the tasks that the notebook no longer has."""
    present = {grade_id(cell) for cell in notebook.cells}
    tasks = (grade_id(cell) for cell in released_notebook().cells if is_task(cell))
    return [task for task in tasks if task not in present]


def home_of(name: str) -> str:
    """Return the task in which a function or class of this name is to be written, or nothing."""
    definition = re.compile(rf"^(def|class) {name}\b", re.MULTILINE)
    tasks = (cell for cell in released_notebook().cells if is_task(cell))
    return next((grade_id(cell) for cell in tasks if definition.search(cell.source)), "")


def grade_id(cell: NotebookNode) -> str:
    """Return the name that nbgrader knows a cell by, or the empty text."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_test(cell: NotebookNode) -> bool:
    """Whether a cell is code that is graded."""
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade", False)


def is_task(cell: NotebookNode) -> bool:
    """Whether a cell is code that the student writes."""
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution", False)


def is_locked(cell: NotebookNode) -> bool:
    """Whether a cell is restored before it is graded."""
    return cell.metadata.get("nbgrader", {}).get("locked", False)
