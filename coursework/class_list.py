"""The list of a class: ``python -m coursework.class_list CLASS.csv`` checks it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from coursework.escaping import spreadsheet_cell
from coursework.submissions import ID
from coursework.tables import Row, TableError, read_table, refuse

REQUIRED = ("student", "name")


@dataclass(frozen=True)
class Student:
    """A student of the class list; what the list has no column for is empty.

    Attributes
    ----------
    student : str
        The id that names the student's submission.
    name : str
    email, section : str
    late_days : int
        How many are left.
    canvas_id, canvas_sis_id, canvas_login : str
        The columns ``ID``, ``SIS User ID`` and ``SIS Login ID`` of a gradebook that Canvas
        exported.
    moodle_username, moodle_id_number : str
    blackboard_username : str
    """

    student: str
    name: str
    email: str = ""
    section: str = ""
    late_days: int = 0
    canvas_id: str = ""
    canvas_sis_id: str = ""
    canvas_login: str = ""
    moodle_username: str = ""
    moodle_id_number: str = ""
    blackboard_username: str = ""


COLUMNS = tuple(field.name for field in fields(Student))
IDENTIFIERS = tuple(name for name in COLUMNS if name not in ("name", "section", "late_days"))
"""Columns in which no two students may have the same entry."""


def read_class_list(file: Path) -> dict[str, Student]:
    """Read a class list; return its students by their ids.

    Parameters
    ----------
    file : Path
        A table as `read_table` takes it, with the columns ``student`` and ``name``, and any of
        the other attributes of `Student`. Other columns are passed over.

    Returns
    -------
    dict of str to Student
        In the order of the list.

    Raises
    ------
    TableError
        The message lists all that is wrong.
    """
    rows = read_table(file, REQUIRED)
    problems = _misspelt(rows)
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        problems += _problems(row)
        problems += _taken(row, seen)
    if not rows:
        problems.append("it lists no student")
    refuse(file, problems)
    students = (_student(row) for row in rows)
    return {student.student: student for student in students}


def _student(row: Row) -> Student:
    known = {name: text for name, text in row.cells.items() if name in COLUMNS}
    return Student(**known | {"late_days": int(row.cells.get("late_days") or 0)})


def _misspelt(rows: list[Row]) -> list[str]:
    """Return which unknown columns are nearly known ones: they were meant to count."""
    problems = []
    for name in rows[0].cells if rows else ():
        close = get_close_matches(name, COLUMNS, n=1, cutoff=0.85)
        if name not in COLUMNS and close:
            problems.append(f"unknown column {name}: is it {close[0]}?")
    return problems


def _problems(row: Row) -> list[str]:
    """Return what is wrong with the cells of a row."""
    found, cells = [], row.cells
    if not ID.fullmatch(cells["student"]):
        found.append(
            f"student {cells['student']!r} must be an id of letters, digits and . _ @ -, "
            "the name of the student's submission"
        )
    if not cells["name"]:
        found.append("the name is empty")
    late_days = cells.get("late_days") or "0"
    if not (late_days.isascii() and late_days.isdigit()):
        found.append(f"late_days {late_days!r} must be a whole number, 0 or more")
    canvas_id = cells.get("canvas_id", "")
    if canvas_id and not (canvas_id.isascii() and canvas_id.isdigit()):
        found.append(f"canvas_id {canvas_id!r} must be the number that Canvas exports as ID")
    for name in COLUMNS:
        text = cells.get(name, "")
        if any(ord(character) < 32 for character in text):
            found.append(f"{name} {text!r} has a line break or another control character")
        elif name in IDENTIFIERS and spreadsheet_cell(text) != text:
            found.append(f"{name} {text!r} begins as a formula does, which a spreadsheet would run")
    return [f"line {row.line}: {problem}" for problem in found]


def _taken(row: Row, seen: dict[tuple[str, str], int]) -> list[str]:
    """Return which identifiers an earlier row has too, in any case, and note this row's."""
    problems = []
    for name in IDENTIFIERS:
        text = row.cells.get(name, "")
        if not text:
            continue
        earlier = seen.setdefault((name, text.casefold()), row.line)
        if earlier != row.line:
            problems.append(f"line {row.line}: {name} {text!r} is on line {earlier} too")
    return problems


def main(
    class_list: Annotated[Path, typer.Argument(help="CSV with student, name and more columns.")],
) -> None:
    """Check a class list, and say for whom which column is empty."""
    try:
        students = read_class_list(class_list)
    except (TableError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{len(students)} students")
    for name in COLUMNS:
        empty = [one.student for one in students.values() if getattr(one, name) == ""]
        if len(empty) == len(students):
            typer.echo(f"{name}: no column, or empty")
        elif empty:
            typer.echo(f"{name}: empty for {', '.join(empty)}")


if __name__ == "__main__":
    typer.run(main)
