"""nbgrader's step that notes points: they are the judge's, and no output has a say in them."""

from __future__ import annotations

import time
from dataclasses import replace

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import SaveAutoGrades
from traitlets import Dict

from coursework.bounds import Limits
from coursework.judge import Verdict, judge
from coursework.own_notebook import grade_id, is_locked, is_test, released_notebook
from coursework.picture import run_cells

JUDGE_SHARE, PICTURE_SHARE = 0.5, 0.75
"""When the judge and the picture of the work must be done, of the seconds of a submission."""


class Judged(SaveAutoGrades):
    """Judge a submission, run it as a picture for the feedback, note the judge's points."""

    limits = Dict(help="What a submission may take, as `coursework.bounds.Limits`.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Fill in outputs and points."""
        self.verdicts = judge_and_run(nb, Limits(**self.limits))
        return super().preprocess(nb, resources)

    def _add_score(self, cell: NotebookNode, resources: dict) -> None:
        """Note the judge's points for a test; written answers are nbgrader's as ever."""
        if not is_test(cell):
            super()._add_score(cell, resources)
            return
        names = (self.notebook_id, self.assignment_id, self.student_id)
        grade = self.gradebook.find_grade(grade_id(cell), *names)
        grade.auto_score = self.verdicts[grade_id(cell)].points
        grade.needs_manual_grade = grade.manual_score is not None
        self.gradebook.db.commit()


def judge_and_run(
    notebook: NotebookNode, limits: Limits, seed: int | None = None
) -> dict[str, Verdict]:
    """Judge a submission, and run it as a picture of the work.

    Parameters
    ----------
    notebook : NotebookNode
        Its outputs become what the cells showed, and locked cells what students have.
    limits : Limits
    seed : int, optional
        Of the judge's questions. Default: one that nobody could know.

    Returns
    -------
    dict of str to Verdict
        By the names of the tests.
    """
    start = time.monotonic()
    verdicts = judge(notebook, judge_limits(limits), seed)
    _hide_tests(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    deadline = start + limits.student_seconds * PICTURE_SHARE
    outputs = run_cells([cell.source for cell in code], limits, deadline)
    for index, cell in enumerate(code):
        cell.outputs = outputs[index] if index < len(outputs) else []
        cell.execution_count = index + 1 if index < len(outputs) else None
        if is_test(cell):
            cell.outputs.insert(0, shown(verdicts[grade_id(cell)]))
    return verdicts


def judge_limits(limits: Limits) -> Limits:
    """Return the judge's share of what a submission may take."""
    return replace(limits, student_seconds=int(limits.student_seconds * JUDGE_SHARE))


def _hide_tests(notebook: NotebookNode) -> None:
    """Give locked cells the text that students have: hidden tests stay with the grader."""
    released = {grade_id(cell): cell.source for cell in released_notebook().cells}
    for cell in notebook.cells:
        if is_locked(cell) and grade_id(cell) in released:
            cell.source = released[grade_id(cell)]


def shown(verdict: Verdict) -> NotebookNode:
    """Return what a student reads above what a test's cell showed."""
    lines = [f"Graded: {verdict.points:g} of {verdict.max_points:g} points."]
    if verdict.message:
        lines.append(verdict.message)
    return new_output("stream", name="stdout", text="\n".join([*lines, ""]))
