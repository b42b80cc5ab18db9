"""Grade a folder of submissions: ``python -m coursework.grading SUBMISSIONS``.

Each submission runs in a process of its own, with limits on time and memory. What it breaks is its
own: the others go on. A run that was interrupted goes on where it ended.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import nbformat
import psutil
import typer
from nbgrader.api import Gradebook, MissingEntry
from rich.console import Console
from rich.progress import track

from coursework.course import (
    ASSIGNMENT,
    CELL_SECONDS,
    NOTEBOOK,
    CourseError,
    make_course,
    open_gradebook,
)

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*")
EXCEPTION = re.compile(r"[\w.]+(Error|Exception)\b")
GRADED = "graded"
COLUMNS = ("student", "status", "points", "max_points", "missing_cells")


class SubmissionError(Exception):
    """The folder of submissions cannot be used; the message says why."""


@dataclass(frozen=True)
class Limits:
    """What one submission may take: seconds a cell, seconds in all, GiB of memory.

    `jobs` submissions run at a time.
    """

    cell_seconds: int = CELL_SECONDS
    student_seconds: int = 600
    memory_gib: float = 6.0
    jobs: int = 2


def find_submissions(folder: Path) -> dict[str, Path]:
    """Return each student's notebook: ``STUDENT/module15.ipynb`` or ``STUDENT.ipynb``.

    Raises
    ------
    SubmissionError
        If there is none, a name cannot be a student's, or a student has two.
    """
    if not folder.is_dir():
        raise SubmissionError(f"{folder} is not a folder")
    files = [*folder.glob("*.ipynb"), *folder.glob(f"*/{NOTEBOOK}.ipynb")]
    found: dict[str, Path] = {}
    for file in sorted(files):
        student = file.stem if file.parent == folder else file.parent.name
        if not ID.fullmatch(student):
            raise SubmissionError(
                f"{file}: {student!r} must be a student's id of letters, digits and . _ @ -"
            )
        if student in found:
            raise SubmissionError(f"{student} has two submissions: {found[student]} and {file}")
        found[student] = file
    if not found:
        raise SubmissionError(
            f"no submissions in {folder}: expected STUDENT/{NOTEBOOK}.ipynb or STUDENT.ipynb"
        )
    return found


class Progress:
    """Which submission was graded from which file, kept in the course folder."""

    def __init__(self, root: Path):
        self.file = root / "progress.json"
        self.entries: dict[str, dict[str, str]] = {}
        if self.file.exists():
            self.entries = json.loads(self.file.read_text(encoding="utf-8"))

    def is_done(self, student: str, digest: str) -> bool:
        """Whether this file of the student has been graded, or could not be."""
        return self.entries.get(student, {}).get("digest") == digest

    def note(self, student: str, digest: str, status: str) -> None:
        """Write the result down at once: the next submission may be interrupted."""
        self.entries[student] = {"digest": digest, "status": status}
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.entries, indent=1), encoding="utf-8")
        new.replace(self.file)


def grade_one(root: Path, student: str, file: Path, limits: Limits) -> str:
    """Grade a submission; return "graded", or why it could not be."""
    for part in ("submitted", "autograded", "feedback"):
        shutil.rmtree(root / part / student, ignore_errors=True)
    target = root / "submitted" / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    target.parent.mkdir(parents=True)
    shutil.copyfile(file, target)
    command = [sys.executable, "-m", "coursework.worker", root, student]
    command += [limits.cell_seconds, limits.memory_gib]
    worker = subprocess.Popen(
        [str(part) for part in command],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        _, log = worker.communicate(timeout=limits.student_seconds)
    except subprocess.TimeoutExpired:
        return f"not graded: it ran longer than {limits.student_seconds} s"
    finally:
        end(worker)
    if worker.returncode == 0:
        return GRADED
    return f"not graded: {last_reason(log)}"


def end(worker: subprocess.Popen) -> None:
    """End a process and all that it started, kernels included."""
    if worker.poll() is not None:
        return
    process = psutil.Process(worker.pid)
    family = [*process.children(recursive=True), process]
    for member in family:
        member.kill()
    psutil.wait_procs(family)
    worker.wait()


def last_reason(log: str) -> str:
    """Return the last exception that a log tells of, or else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    raised = [line for line in lines if EXCEPTION.match(line)]
    return (raised or lines or ["the grader ended without a word"])[-1][:300]


def missing_cells(root: Path, student: str) -> list[str]:
    """Return which cells of the assignment a submission lacks, by their ids."""
    submitted = root / "submitted" / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    released = root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    ids = [
        [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in read(file).cells]
        for file in (released, submitted)
    ]
    return [name for name in ids[0] if name and name not in ids[1]]


def read(file: Path) -> nbformat.NotebookNode:
    """Read a notebook of any version."""
    return nbformat.read(file, as_version=4)


def write_marks(root: Path, statuses: dict[str, str]) -> Path:
    """Write marks.csv: for each student the status, the points, and the points of each task."""
    rows = []
    with open_gradebook(root) as book:
        notebook = book.find_notebook(NOTEBOOK, ASSIGNMENT)
        cells = sorted(notebook.grade_cells, key=lambda cell: cell.id)
        order = [cell.name for cell in notebook.source_cells]
        tasks = sorted((cell.name for cell in cells), key=order.index)
        for student, status in sorted(statuses.items()):
            points = points_of(book, student) if status == GRADED else {}
            row = {"student": student, "status": status, "max_points": notebook.max_score}
            row["points"] = sum(points.values()) if points else ""
            row["missing_cells"] = " ".join(missing_cells(root, student)) if points else ""
            rows.append(row | {task: points.get(task, "") for task in tasks})
    file = root / "marks.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*COLUMNS, *tasks])
        writer.writeheader()
        writer.writerows(rows)
    return file


def points_of(book: Gradebook, student: str) -> dict[str, float]:
    """Return the points of each task; written answers have none until they are read."""
    try:
        submission = book.find_submission_notebook(NOTEBOOK, ASSIGNMENT, student)
    except MissingEntry:
        return {}
    return {grade.name: grade.score for grade in submission.grades if not grade.needs_manual_grade}


def grade_all(folder: Path, root: Path, limits: Limits, console: Console) -> dict[str, str]:
    """Grade every submission that is new or has changed; return each student's status.

    Raises
    ------
    SubmissionError, CourseError
    """
    submissions = find_submissions(folder)
    root.mkdir(parents=True, exist_ok=True)
    make_course(root)
    progress = Progress(root)
    digests = {
        student: hashlib.sha256(file.read_bytes()).hexdigest()
        for student, file in submissions.items()
    }
    waiting = [s for s in submissions if not progress.is_done(s, digests[s])]
    if len(waiting) < len(submissions):
        console.print(f"{len(submissions) - len(waiting)} submissions were graded before")
    pool = ThreadPoolExecutor(limits.jobs)
    try:
        running = {
            pool.submit(grade_one, root, student, submissions[student], limits): student
            for student in waiting
        }
        steps = track(as_completed(running), "grading", len(waiting), console=console)
        for done in steps if waiting else ():
            student, status = running[done], done.result()
            progress.note(student, digests[student], status)
            if status != GRADED:
                console.print(f"{student}: {status}", markup=False, soft_wrap=True)
    finally:
        pool.shutdown(cancel_futures=True)
    return {student: progress.entries[student]["status"] for student in submissions}


def main(
    submissions: Annotated[Path, typer.Argument(help="A folder with STUDENT/module15.ipynb")],
    output: Annotated[
        Path | None, typer.Option(help="The course folder. Default: SUBMISSIONS-graded.")
    ] = None,
    cell_seconds: Annotated[int, typer.Option(min=1, help="Limit for a cell.")] = CELL_SECONDS,
    student_seconds: Annotated[int, typer.Option(min=1, help="Limit for a submission.")] = 600,
    memory_gib: Annotated[float, typer.Option(min=1, help="Limit for a submission.")] = 6.0,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions at a time.")] = 2,
) -> None:
    """Grade submissions, write feedback and marks.csv; go on where an earlier run ended."""
    console = Console()
    root = output or submissions.with_name(f"{submissions.resolve().name}-graded")
    try:
        limits = Limits(cell_seconds, student_seconds, memory_gib, jobs)
        statuses = grade_all(submissions, root, limits, console)
        marks = write_marks(root, statuses)
    except (SubmissionError, CourseError) as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    graded = sum(status == GRADED for status in statuses.values())
    console.print(f"{graded} of {len(statuses)} submissions graded", markup=False)
    console.print(f"marks: {marks}\nfeedback: {root / 'feedback'}", markup=False, soft_wrap=True)
    console.print("Written answers are read in nbgrader's formgrader: see the instructor's page.")
    raise typer.Exit(0 if graded == len(statuses) else 1)


if __name__ == "__main__":
    typer.run(main)
