"""nbgrader's exchange: ``python -m coursework.exchange collect``, and ``return`` after grading.

The exchange is a folder that every student may write to. What a student put there may be a link to
a file of the instructor's, lie under another student's name, or bear an earlier time. nbgrader's
own ``collect`` copies what links lead to and takes names and times as they are; this one does not.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from nbgrader.utils import notebook_hash

from coursework.course import ASSIGNMENT, NOTEBOOK, CourseError
from coursework.escaping import printable, spreadsheet_cell
from coursework.grading import Progress
from coursework.received import RefusedError, digest_of, read_bytes
from coursework.submissions import ID
from coursework.tables import write_table

COURSE = Path("/usr/local/share/nbgrader/exchange/tinytorch")
"""The course's folder in nbgrader's exchange, with nbgrader's own settings."""

ENTRY = re.compile(rf"(?P<student>.+)\+{ASSIGNMENT}\+(?P<time>[^+]+)(\+[^+]*)?", re.DOTALL)
TIME = "%Y-%m-%d %H:%M:%S.%f UTC"
"""How nbgrader writes the time of a submission, unless another format is set."""

SECRET = re.compile(rb"[0-9a-f]{128}")
"""What only the student and the instructor know: it names the student's feedback."""

SECRET_FILE = "submission_secret.txt"
SLACK = timedelta(minutes=1)
"""A submission is written within this time of the one that it bears."""


@dataclass(frozen=True)
class Collected:
    """A submission from the exchange.

    Attributes
    ----------
    student : str
        Whom its folder belongs to.
    submitted : datetime
        The time that it bears, or when its notebook was last changed if that is later.
    notebook : bytes
    secret : bytes
        Empty if there is none: then no feedback can be returned through the exchange.
    note : str
        What the instructor should know; mostly empty.
    """

    student: str
    submitted: datetime
    notebook: bytes
    secret: bytes
    note: str = ""


def read_inbound(inbound: Path) -> tuple[dict[str, Collected], list[str]]:
    """Read what students submitted to the exchange.

    Parameters
    ----------
    inbound : Path
        The folder ``inbound`` of the course in the exchange.

    Returns
    -------
    dict of str to Collected
        The newest submission of each student that can be taken.
    list of str
        What was refused, with the reason.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    newest: dict[str, Collected] = {}
    refused = []
    for name in sorted(os.listdir(inbound)):
        match = ENTRY.fullmatch(name)
        if not match:
            continue
        try:
            found = _read_entry(inbound / name, **match.groupdict())
        except RefusedError as reason:
            refused.append(f"{printable(name)}: {reason}")
            continue
        known = newest.get(found.student)
        if known is None or found.submitted > known.submitted:
            newest[found.student] = found
    return newest, refused


def _read_entry(place: Path, student: str, time: str) -> Collected:
    """Read one submission, every file through its open folder, and only the student's own."""
    try:
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise RefusedError(f"it is no folder that can be read ({error.strerror})") from None
    try:
        owner = os.fstat(folder).st_uid
        _check_name(student, owner)
        notebook = read_bytes(f"{NOTEBOOK}.ipynb", folder, owner)
        about = os.stat(f"{NOTEBOOK}.ipynb", dir_fd=folder, follow_symlinks=False)
        secret = _secret(folder, owner)
    finally:
        os.close(folder)
    submitted, note = _time(time, about.st_ctime)
    return Collected(student, submitted, notebook, secret, note)


def _check_name(student: str, owner: int) -> None:
    if not ID.fullmatch(student):
        raise RefusedError("it does not begin with a student's id")
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"user {owner}"
    if name != student:
        raise RefusedError(f"it belongs to {printable(name)}, not to {student}")


def _secret(folder: int, owner: int) -> bytes:
    try:
        secret = read_bytes(SECRET_FILE, folder, owner)
    except RefusedError:
        return b""
    return secret if SECRET.fullmatch(secret) else b""


def _time(text: str, changed: float) -> tuple[datetime, str]:
    """Return when a submission came, and a note if its file is younger than it says.

    The time of the last change is the system's own: a user can make it newer, but not older.
    """
    try:
        time = datetime.strptime(text, TIME).replace(tzinfo=UTC)
    except ValueError:
        raise RefusedError(
            f"its time is {printable(text)!r}: expected nbgrader's, in UTC"
        ) from None
    last = datetime.fromtimestamp(changed, UTC)
    if last - time <= SLACK:
        return time, ""
    return last, f"says {time:%Y-%m-%d %H:%M:%S} UTC, but was changed later: the change counts"


def write_submissions(collected: dict[str, Collected], submissions: Path) -> Path:
    """Write ``STUDENT/module15.ipynb`` for each student, as `make grade` takes them.

    Returns
    -------
    Path
        The table with the times, as ``coursework.late_days --times`` takes it.
    """
    for student, one in collected.items():
        folder = submissions / student
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / SECRET_FILE, one.secret)
        _write(folder / f"{NOTEBOOK}.ipynb", one.notebook)
    times = submissions.with_name(f"{submissions.resolve().name}-times.csv")
    rows = [
        [student, one.submitted.isoformat(" ", "seconds"), spreadsheet_cell(one.note)]
        for student, one in sorted(collected.items())
    ]
    write_table(times, [("student", "submitted", "note"), *rows])
    return times


def _write(file: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file in one step; whoever reads it finds the old content or the new one."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_bytes(data)
    new.chmod(mode)
    new.replace(file)


def return_feedback(
    submissions: Path, graded: Path, course: Path
) -> tuple[list[str], dict[str, str]]:
    """Put feedback pages where each student's ``nbgrader fetch_feedback`` looks for them.

    A page is returned only for the very file that was graded.

    Parameters
    ----------
    submissions : Path
        What `write_submissions` wrote.
    graded : Path
        What ``make grade`` made of it.
    course : Path
        The course's folder in the exchange.

    Returns
    -------
    list of str
        To whom feedback was returned.
    dict of str to str
        For the other students, why not.

    Raises
    ------
    CourseError, OSError
    """
    progress = Progress(graded)
    target = course / "feedback"
    if not target.is_dir():
        target.mkdir()
        target.chmod(0o711)  # nobody can list it: a page is found by its secret name
    returned, others = [], {}
    for student, notebook, secret in _written(submissions):
        page = graded / "feedback" / student / ASSIGNMENT / f"{NOTEBOOK}.html"
        outcome = progress.outcome(student, digest_of(notebook))
        if outcome is None:
            others[student] = "this file is not graded yet"
        elif not outcome.is_graded or not page.exists():
            others[student] = outcome.status
        elif not secret:
            others[student] = f"the submission has no {SECRET_FILE}: hand the page back yourself"
        else:
            name = notebook_hash(secret=secret.decode(), notebook_id=NOTEBOOK)
            _write(target / f"{name}.html", page.read_bytes(), mode=0o644)
            returned.append(student)
    return returned, others


def _written(submissions: Path) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield student, notebook and secret of what `write_submissions` wrote."""
    for file in sorted(submissions.glob(f"*/{NOTEBOOK}.ipynb")):
        secret = file.with_name(SECRET_FILE)
        yield file.parent.name, file.read_bytes(), secret.read_bytes() if secret.exists() else b""


app = typer.Typer(help=__doc__.splitlines()[0], add_completion=False, no_args_is_help=True)
Submissions = Annotated[Path, typer.Argument(help="A folder with STUDENT/module15.ipynb.")]
Course = Annotated[Path, typer.Option(help="The course's folder in the exchange.")]


@app.command()
def collect(submissions: Submissions, course: Course = COURSE) -> None:
    """Take the newest submission of each student out of the exchange."""
    try:
        collected, refused = read_inbound(course / "inbound")
        times = write_submissions(collected, submissions)
    except OSError as error:
        _fail(error)
    for reason in refused:
        typer.echo(f"refused: {reason}")
    for student, one in sorted(collected.items()):
        if one.note:
            typer.echo(f"{student}: {one.note}")
    typer.echo(f"{len(collected)} students, {len(refused)} entries refused\ntimes: {times}")
    raise typer.Exit(1 if refused else 0)


@app.command(name="return")
def give_back(
    submissions: Submissions,
    course: Course = COURSE,
    graded: Annotated[
        Path | None, typer.Option(help="The graded folder. Default: SUBMISSIONS-graded.")
    ] = None,
) -> None:
    """Return the feedback of what was graded, each page to its student."""
    root = graded or submissions.with_name(f"{submissions.resolve().name}-graded")
    try:
        returned, others = return_feedback(submissions, root, course)
    except (CourseError, OSError) as error:
        _fail(error)
    for student, reason in others.items():
        typer.echo(f"{student}: not returned: {reason}")
    typer.echo(f"{len(returned)} of {len(returned) + len(others)} feedback pages returned")
    raise typer.Exit(1 if others else 0)


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"error: {printable(str(error))}", err=True)
    raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
