"""Marks for Canvas, Moodle and Blackboard: ``python -m coursework.platforms MARKS CLASS OUTPUT``.

Each file is as the platform's own documentation, or where that is silent its source, says it is
imported; the functions cite them. A student without a mark is in no file: an empty cell erases what
the platform has. All of them, and marks of nobody on the list, are in ``not_exported.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from coursework.class_list import COLUMNS, Student, read_class_list
from coursework.escaping import printable, spreadsheet_cell
from coursework.tables import Row, TableError, read_table, refuse, write_table

MARKS_COLUMNS = ("student", "status", "points", "max_points")
MOODLE_FIELDS = {
    "username": ("Username", "moodle_username"),
    "email": ("Email address", "email"),
    "id-number": ("ID number", "moodle_id_number"),
}
CANVAS_OWN_COLUMNS = re.compile(
    "(Current|Final) (Score|Points|Grade)|Override (Score|Grade|Status)"
)
BLACKBOARD_COLUMN = re.compile(r".+ \[Total Pts: ([\d.]+)( \w+)?\] ?\|\d+")

Table = list[list[str]]


class PlatformError(Exception):
    """A file for a platform cannot be written; the message says why."""


@dataclass(frozen=True)
class Mark:
    """The points of a student of the class list."""

    student: Student
    points: float


@dataclass(frozen=True)
class Marks:
    """What a class got.

    Attributes
    ----------
    max_points : float
    marks : list of Mark
        In the order of the class list.
    missing : list of (str, str, str)
        Id, name and reason of who is on one side only, or has no points.
    unread : list of str
        Who has a mark without some answers, because nobody has read them yet.
    """

    max_points: float
    marks: list[Mark]
    missing: list[tuple[str, str, str]]
    unread: list[str]


def read_marks(file: Path, students: dict[str, Student]) -> Marks:
    """Put the marks of ``marks.csv`` beside the students of the class list.

    Raises
    ------
    TableError
        The message lists all that is wrong.
    """
    rows = {row.cells["student"]: row for row in _checked(file)}
    marks, missing, unread = [], [], []
    for one in students.values():
        row = rows.get(one.student)
        points = row.cells["points"] if row else ""
        if row is None:
            missing.append((one.student, one.name, "no submission was graded"))
        elif not points:
            missing.append((one.student, one.name, row.cells["status"]))
        else:
            marks.append(Mark(one, float(points)))
            if _has_unread(row):
                unread.append(one.student)
    strangers = [student for student in rows if student not in students]
    missing += [(student, "", "not on the class list") for student in strangers]
    max_points = {row.cells["max_points"] for row in rows.values()}
    return Marks(float(max_points.pop()), marks, missing, unread)


def _checked(file: Path) -> list[Row]:
    """Read the marks, and refuse points that are none."""
    rows = read_table(file, MARKS_COLUMNS)
    problems, lines = [], {}
    for row in rows:
        student, points = row.cells["student"], row.cells["points"]
        most = _number(row.cells["max_points"])
        if most is None:
            problems.append(f"line {row.line}: max_points {row.cells['max_points']!r} is no number")
        elif points and not 0 <= _number(points, -1) <= most:
            problems.append(f"line {row.line}: points {points!r} are not from 0 to {most:g}")
        if lines.setdefault(student, row.line) != row.line:
            problems.append(f"line {row.line}: {student!r} is on line {lines[student]} too")
    if not rows:
        problems.append("it has no marks")
    elif len({row.cells["max_points"] for row in rows}) > 1:
        problems.append("max_points differ: the marks are not of one assignment")
    refuse(file, problems)
    return rows


def _number(text: str, other: float | None = None) -> float | None:
    """Return a number, or `other` if it is none."""
    try:
        number = float(text)
    except ValueError:
        return other
    return number if isfinite(number) else other


def _has_unread(row: Row) -> bool:
    return any(not text for name, text in row.cells.items() if name.startswith("written_"))


def points_text(points: float) -> str:
    """Return points with at most two decimals, as Canvas shows them."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def canvas_table(marks: Marks, assignment: str) -> Table:
    """Return the file for Canvas: a header, the row of points possible, and the students.

    Canvas finds the columns before the assignment by their places, a student by ``ID``, then
    ``SIS User ID``, then ``SIS Login ID``, and the assignment by the number in brackets at the end
    of its header: canvas-lms, lib/gradebook_importer.rb, and
    https://teaching.resources.osu.edu/toolsets/carmencanvas/guides/calculating-final-grades/import-csv-file-carmen-grades

    Parameters
    ----------
    marks : Marks
    assignment : str
        As in a gradebook that Canvas exported: ``KV caching (4711)``.

    Raises
    ------
    PlatformError
        If Canvas would pass the column over, or cannot tell who a student is.
    """
    _check_name(assignment)
    if CANVAS_OWN_COLUMNS.search(assignment):
        raise PlatformError(f"Canvas passes over a column named {assignment!r}: it has one itself")
    fields = ("canvas_id", "canvas_sis_id", "canvas_login")
    _require(marks, "Canvas", fields)
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment]
    possible = ["    Points Possible", "", "", "", "", points_text(marks.max_points)]
    rows = [
        [
            spreadsheet_cell(mark.student.name),
            *(getattr(mark.student, field) for field in fields),
            spreadsheet_cell(mark.student.section),
            points_text(mark.points),
        ]
        for mark in marks.marks
    ]
    return [header, possible, *rows]


def moodle_table(marks: Marks, item: str, identify_by: str) -> Table:
    """Return the file for Moodle: who it is, and the grade item.

    Moodle asks on upload which column is which; it takes ``userid``, ``useridnumber``,
    ``useremail`` and ``username``, refuses the whole file where one of them is unknown, and
    compares addresses letter by letter: https://docs.moodle.org/en/Grade_import and moodle,
    grade/import/csv/classes/load_data.php.

    Parameters
    ----------
    marks : Marks
    item : str
        The grade item's name.
    identify_by : {"username", "email", "id-number"}

    Raises
    ------
    PlatformError
    """
    _check_name(item)
    heading, field = MOODLE_FIELDS[identify_by]
    _require(marks, "Moodle", [field])
    rows = [[getattr(mark.student, field), points_text(mark.points)] for mark in marks.marks]
    return [[heading, item], *rows]


def blackboard_table(marks: Marks, column: str) -> Table:
    """Return the file for Blackboard: the user name, and the column.

    Blackboard finds a student by ``Username`` and a column by the number at the end of its header;
    without one it makes a new column, whose points it sets itself:
    https://help.blackboard.com/Learn/Instructor/Ultra/Grade/Grading_Tasks/Work_Offline_With_Grade_Data

    Parameters
    ----------
    marks : Marks
    column : str
        As in a gradebook that Blackboard exported: ``KV caching [Total Pts: 70 Score] |12345``.

    Raises
    ------
    PlatformError
    """
    _check_name(column)
    found = BLACKBOARD_COLUMN.fullmatch(column)
    if not found:
        raise PlatformError(
            f"{column!r} is no header that Blackboard exports: expected "
            "'NAME [Total Pts: 70 Score] |12345', copied from a download of the gradebook"
        )
    if _number(found[1]) != marks.max_points:
        raise PlatformError(
            f"Blackboard's column is of {found[1]} points, the marks are of "
            f"{points_text(marks.max_points)}: set the column's points first"
        )
    _require(marks, "Blackboard", ["blackboard_username"])
    rows = [[mark.student.blackboard_username, points_text(mark.points)] for mark in marks.marks]
    return [["Username", column], *rows]


def _check_name(name: str) -> None:
    if not name.strip() or spreadsheet_cell(name) != name or not name.isprintable():
        raise PlatformError(f"{name!r} cannot be the name of a column")


def _require(marks: Marks, platform: str, fields: Iterable[str]) -> None:
    """Refuse marks of a student who has none of the identifiers."""
    fields = list(fields)
    lost = [
        mark.student.student
        for mark in marks.marks
        if not any(getattr(mark.student, field) for field in fields)
    ]
    if lost:
        raise PlatformError(
            f"{platform} cannot tell who {', '.join(lost)} is: the class list needs the column "
            f"{' or '.join(fields)} (all of them: {', '.join(COLUMNS)})"
        )


def main(
    marks: Annotated[Path, typer.Argument(help="marks.csv, as `make grade` writes it.")],
    class_list: Annotated[Path, typer.Argument(help="CSV with student, name and identifiers.")],
    output: Annotated[Path, typer.Argument(help="A folder for the files.")],
    canvas: Annotated[str, typer.Option(help='The assignment: "KV caching (4711)".')] = "",
    moodle: Annotated[str, typer.Option(help='The grade item: "KV caching".')] = "",
    moodle_by: Annotated[str, typer.Option(help=" or ".join(MOODLE_FIELDS))] = "username",
    blackboard: Annotated[
        str, typer.Option(help='The column: "KV caching [Total Pts: 70 Score] |12345".')
    ] = "",
) -> None:
    """Write marks as the platforms import them. The exit code is 1 if somebody is left out."""
    try:
        if moodle_by not in MOODLE_FIELDS:
            raise PlatformError(f"--moodle-by {moodle_by}: expected {' or '.join(MOODLE_FIELDS)}")
        found = read_marks(marks, read_class_list(class_list))
        # Blackboard's own tab-delimited files are UTF-16 and end in .xls.
        tables = {
            "canvas.csv": (canvas and canvas_table(found, canvas), ",", "utf-8"),
            "moodle.csv": (moodle and moodle_table(found, moodle, moodle_by), ",", "utf-8"),
            "blackboard.xls": (blackboard and blackboard_table(found, blackboard), "\t", "utf-16"),
        }
        if not any(table for table, _, _ in tables.values()):
            raise PlatformError("say for which: --canvas, --moodle, --blackboard")
        for name, (table, delimiter, encoding) in tables.items():
            if table:
                write_table(output / name, table, delimiter=delimiter, encoding=encoding)
                typer.echo(f"{output / name}: {len(found.marks)} marks")
        missing = [[spreadsheet_cell(cell) for cell in row] for row in found.missing]
        write_table(output / "not_exported.csv", [("student", "name", "reason"), *missing])
    except (TableError, PlatformError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    if found.unread:
        typer.echo(f"written answers are not read yet, and not in: {', '.join(found.unread)}")
    for row in found.missing:
        student, name, reason = map(printable, row)
        typer.echo(f"left out: {student} {name}: {reason}")
    raise typer.Exit(1 if found.missing else 0)


if __name__ == "__main__":
    typer.run(main)
