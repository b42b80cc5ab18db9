"""Marks: what became of each submission, and marks.csv with a row for each student."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import (
    Assignment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy.exc import SQLAlchemyError

from coursework.course import ASSIGNMENT, NOTEBOOK, CourseError, open_gradebook
from coursework.escaping import printable, spreadsheet_cell

GRADED = "graded"
COLUMNS = ("student", "status", "points", "max_points", "missing_cells")


@dataclass(frozen=True)
class Outcome:
    """What became of a submission.

    Attributes
    ----------
    student : str
        The student's id, or what was found in its place.
    status : str
        "graded", or why not.
    missing_cells : tuple of str
        The grade_ids that the student's file lacked.
    is_final : bool
        Whether another run over the same file would say the same.
    """

    student: str
    status: str
    missing_cells: tuple[str, ...] = ()
    is_final: bool = True

    @property
    def is_graded(self) -> bool:
        """Whether there are marks."""
        return self.status == GRADED


@dataclass(frozen=True)
class ClassMarks:
    """The points of a class.

    Attributes
    ----------
    tasks : dict of str to float
        What has points, in the order of the notebook, and how many there are.
    points : dict of str to (dict of str to float)
        Of each graded student and each task. Written answers have none until they are read.
    """

    tasks: dict[str, float]
    points: dict[str, dict[str, float]]


def class_marks(root: Path, outcomes: Sequence[Outcome]) -> ClassMarks:
    """Read the points of those who are graded from the gradebook.

    Raises
    ------
    CourseError
        If it cannot be read.
    """
    try:
        with open_gradebook(root) as book:
            found = _points(book)
            points = {o.student: found.get(o.student, {}) for o in outcomes if o.is_graded}
            return ClassMarks(_tasks(book.find_notebook(NOTEBOOK, ASSIGNMENT)), points)
    except (SQLAlchemyError, MissingEntry) as error:
        raise CourseError(
            f"cannot read {root / 'gradebook.db'} ({printable(str(error), 100)}): if another "
            "program holds it, end that one; then run again, nothing is graded twice"
        ) from None


def write_marks(root: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write marks.csv: for each student the status, the points, and the points of each task.

    Parameters
    ----------
    root : Path
        The course folder.
    outcomes : sequence of Outcome
        One for each row.

    Returns
    -------
    Path
        The file, with text that a spreadsheet does not run.

    Raises
    ------
    CourseError
        If the gradebook cannot be read. An earlier marks.csv stays as it is.
    """
    marks = class_marks(root, outcomes)
    rows = [
        _row(outcome, marks.points.get(outcome.student, {}), marks.tasks)
        for outcome in sorted(outcomes, key=lambda outcome: outcome.student)
    ]
    file = root / "marks.csv"
    new = file.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*COLUMNS, *marks.tasks])
        writer.writeheader()
        writer.writerows(rows)
    new.replace(file)
    return file


def _tasks(notebook) -> dict[str, float]:
    """Return what has points, in the order of the notebook."""
    order = [cell.name for cell in notebook.source_cells]
    cells = sorted(notebook.grade_cells, key=lambda cell: order.index(cell.name))
    return {cell.name: cell.max_score for cell in cells}


def _points(book: Gradebook) -> dict[str, dict[str, float]]:
    """Return the points of each student and task, without those that wait for a reader."""
    query = (
        book.db.query(SubmittedAssignment.student_id, GradeCell.name, Grade.score)
        .select_from(SubmittedAssignment)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .join(GradeCell, GradeCell.id == Grade.cell_id)
        .filter(Assignment.name == ASSIGNMENT, Grade.needs_manual_grade.is_(False))
    )
    points: dict[str, dict[str, float]] = {}
    for student, task, score in query:
        points.setdefault(student, {})[task] = score
    return points


def _row(outcome: Outcome, points: dict[str, float], tasks: dict[str, float]) -> dict[str, object]:
    row: dict[str, object] = {
        "student": spreadsheet_cell(printable(outcome.student)),
        "status": spreadsheet_cell(printable(outcome.status, 500)),
        "points": sum(points.values()) if points else "",
        "max_points": sum(tasks.values()),
        "missing_cells": " ".join(outcome.missing_cells) if outcome.is_graded else "",
    }
    return row | {task: points.get(task, "") for task in tasks}
