"""Late days: ``python -m coursework.late_days CLASS.csv --deadline TIME --times TIMES.csv``.

The rule: what comes up to `grace` after the deadline is on time. After that, each begun span of 24
hours since the deadline is a day late. A student's late days pay for as many of them as are left;
the others are over, and what they cost is the instructor's to say. Of several submissions of one
student the last counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from coursework.class_list import Student, read_class_list
from coursework.escaping import spreadsheet_cell
from coursework.submissions import SubmissionError, find_submissions
from coursework.tables import TableError, read_table, refuse, write_table

DAY = timedelta(days=1)
HEADER = (
    "student",
    "name",
    "submitted",
    "late",
    "days_late",
    "days_used",
    "days_left",
    "days_over",
)


@dataclass(frozen=True)
class Lateness:
    """How late a submission is, in days, and what late days pay for.

    ``days_late == days_used + days_over``; `days_left` are for the next assignment.
    """

    days_late: int
    days_used: int
    days_left: int
    days_over: int


def lateness(
    submitted: datetime, deadline: datetime, late_days: int, grace: timedelta = timedelta(0)
) -> Lateness:
    """Return how late a submission is, by the rule of this module.

    Parameters
    ----------
    submitted, deadline : datetime
        With an offset from UTC: a clock that is put back does not count.
    late_days : int
        How many the student has left.
    grace : timedelta
    """
    after = submitted.astimezone(UTC) - deadline.astimezone(UTC)
    late = -(-after // DAY) if after > grace else 0
    used = min(late, late_days)
    return Lateness(late, used, late_days - used, late - used)


def parse_time(text: str, default: datetime | None = None) -> datetime:
    """Read a time such as ``2026-12-01T23:59+01:00``.

    Parameters
    ----------
    text : str
    default : datetime, optional
        Whose offset from UTC counts where the text gives none.

    Raises
    ------
    ValueError
        If it is no time of a day, or has no offset and there is no default.
    """
    expected = "expected a day and a time as in 2026-12-01T23:59+01:00"
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: {expected}") from None
    if ":" not in text:
        raise ValueError(f"{text!r} has no time of the day: {expected}")
    if time.tzinfo is None:
        if default is None:
            raise ValueError(f"{text!r} does not say its offset from UTC: {expected}")
        time = time.replace(tzinfo=default.tzinfo)
    return time


def read_times(file: Path, deadline: datetime) -> dict[str, datetime]:
    """Read when each student submitted: a table with the columns ``student`` and ``submitted``.

    Raises
    ------
    TableError
        The message lists all that is wrong.
    """
    times: dict[str, datetime] = {}
    problems = []
    for row in read_table(file, ("student", "submitted")):
        student = row.cells["student"]
        try:
            time = parse_time(row.cells["submitted"], deadline)
        except ValueError as error:
            problems.append(f"line {row.line}: {error}")
            continue
        times[student] = max(times.get(student, time), time)
    refuse(file, problems)
    return times


def file_times(folder: Path) -> dict[str, datetime]:
    """Return when the file of each student was last changed, of those that can be graded.

    Raises
    ------
    SubmissionError
        As `find_submissions`.
    """
    return {
        found.student: datetime.fromtimestamp(found.file.lstat().st_mtime, UTC)
        for found in find_submissions(folder)
        if found.file
    }


def late_rows(
    students: dict[str, Student],
    times: dict[str, datetime],
    deadline: datetime,
    grace: timedelta = timedelta(0),
) -> list[list[object]]:
    """Return a row of `HEADER` for each student of the list.

    Who has not submitted has no times and keeps the late days.
    """
    rows: list[list[object]] = []
    for one in students.values():
        begin = [one.student, spreadsheet_cell(one.name)]
        if one.student not in times:
            rows.append([*begin, "", "", "", "", one.late_days, ""])
            continue
        time = times[one.student]
        found = lateness(time, deadline, one.late_days, grace)
        after = time.astimezone(UTC) - deadline.astimezone(UTC)
        shown = time.astimezone(deadline.tzinfo).isoformat(" ", "seconds")
        late = _hours(after) if found.days_late else ""
        days = (found.days_late, found.days_used, found.days_left, found.days_over)
        rows.append([*begin, shown, late, *days])
    return rows


def _hours(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60:02} min"


def main(
    class_list: Annotated[Path, typer.Argument(help="CSV with student, name, late_days.")],
    deadline: Annotated[str, typer.Option(help="As in 2026-12-01T23:59+01:00.")],
    times: Annotated[Path | None, typer.Option(help="CSV with student, submitted.")] = None,
    submissions: Annotated[
        Path | None, typer.Option(help="Or a folder: when its files were last changed.")
    ] = None,
    grace_minutes: Annotated[int, typer.Option(min=0, help="Late, but not counted.")] = 0,
    output: Annotated[Path, typer.Option(help="Where to write the table.")] = Path("late.csv"),
) -> None:
    """Say which submissions are late, by how much, and what late days pay for."""
    try:
        if (times is None) == (submissions is None):
            raise TableError("give one of --times and --submissions")
        end = parse_time(deadline)
        students = read_class_list(class_list)
        found = read_times(times, end) if times else file_times(submissions)
        rows = late_rows(students, found, end, timedelta(minutes=grace_minutes))
        write_table(output, [HEADER, *rows])
    except (TableError, SubmissionError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    _report(rows, sorted(set(found) - set(students)))
    typer.echo(f"table: {output}")


def _report(rows: list[list[object]], strangers: list[str]) -> None:
    """Print who is late, who has not submitted, and who is not on the list."""
    for row in rows:
        student, late, days, used, left, over = row[0], *row[3:]
        if days:
            counts = f"{used} used, {left} left, {over} over"
            typer.echo(f"{student}: {late} late, late days: {counts}")
    missing = [str(row[0]) for row in rows if not row[2]]
    late = sum(bool(row[4]) for row in rows)
    typer.echo(f"{len(rows) - len(missing)} of {len(rows)} have submitted, {late} of them late")
    if missing:
        typer.echo(f"not submitted: {', '.join(missing)}")
    if strangers:
        typer.echo(f"not on the class list: {', '.join(strangers)}")


if __name__ == "__main__":
    typer.run(main)
