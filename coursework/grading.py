"""Grade a folder of submissions: ``python -m coursework.grading SUBMISSIONS``.

Workers of Dask grade, on this machine or on others; this process alone writes the gradebook. What a
submission breaks is its own: the others go on. A run that was interrupted goes on where it ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coursework.bounds import CELL_SECONDS, Limits
from coursework.cluster import ClusterError, check_workers, hand_out, open_cluster
from coursework.course import CourseError, make_course, version
from coursework.escaping import printable
from coursework.judge import points_of_tests
from coursework.marks import Outcome, class_marks, write_marks
from coursework.received import RefusedError, digest_of, read_bytes
from coursework.records import Progress, Records, open_records
from coursework.room import RISK, RoomError, check_room
from coursework.submissions import Submission, SubmissionError, find_submissions
from coursework.summary import said, write_summary
from coursework.work import Answer, Task

ERRORS = (SubmissionError, CourseError, RoomError, ClusterError)
CHANGED = "not graded: its file changed while others were graded; run again"
INTERRUPTED = "stopped: the same command goes on from here"

Submissions = Annotated[Path, typer.Argument(help="A folder with STUDENT/module15.ipynb")]
Output = Annotated[
    Path | None, typer.Option(help="The course folder. Default: SUBMISSIONS-graded.")
]
CellSeconds = Annotated[int, typer.Option(min=1, help="Limit for a cell.")]
StudentSeconds = Annotated[int, typer.Option(min=1, help="Limit for a submission.")]
MemoryGib = Annotated[float, typer.Option(min=1, help="Limit for a submission.")]
Jobs = Annotated[int, typer.Option(min=1, help="Submissions at a time, on this machine.")]
Scheduler = Annotated[
    str | None, typer.Option(help="A scheduler of Dask whose workers grade: tcp://HOST:PORT.")
]
WithoutSandbox = Annotated[bool, typer.Option("--without-sandbox", help=RISK)]


@dataclass(frozen=True)
class Workers:
    """Who grades: so many processes here, or the workers of a scheduler."""

    jobs: int = 2
    scheduler: str | None = None

    def check(self, limits: Limits, console: Console) -> None:
        """Say what is risked without rooms, or check that this machine has them, if it grades.

        Raises
        ------
        RoomError
        """
        if not limits.sandbox:
            console.print(f"warning: {RISK}", style="yellow", markup=False, soft_wrap=True)
        elif self.scheduler is None:
            check_room()

    def answers(
        self, tasks: Iterator[Task], limits: Limits, console: Console
    ) -> Iterator[tuple[Task, Answer]]:
        """Yield tasks with their answers, as they come.

        Raises
        ------
        ClusterError
        """
        with open_cluster(self.jobs, self.scheduler) as client:
            check_workers(client, version(), limits.sandbox)
            yield from hand_out(client, tasks, lambda text: say(text, console))


@dataclass(frozen=True)
class Sorted:
    """Submissions before anything runs: outcomes that are known, and what waits, with digests."""

    refused: list[Outcome]
    before: list[Outcome]
    waiting: dict[str, tuple[Path, str]]


def sort_out(submissions: list[Submission], progress: Progress, console: Console) -> Sorted:
    """Return what is refused, what was graded before, and what is still to be graded."""
    found = Sorted([], [], {})
    for submission in submissions:
        student, refusal, digest = submission.student, submission.refusal, ""
        if submission.note:
            say(f"{student}: {submission.note}", console)
        try:
            if submission.file:
                digest = digest_of(read_bytes(submission.file))
        except RefusedError as reason:
            refusal = str(reason)
        outcome = progress.outcome(student, digest)
        if refusal:
            found.refused.append(Outcome(student, f"not graded: {refusal}"))
            say(f"{student}: {found.refused[-1].status}", console)
        elif outcome:
            found.before.append(outcome)
        else:
            found.waiting[student] = (submission.file, digest)
    return found


def grade_all(
    folder: Path, root: Path, limits: Limits, workers: Workers, console: Console
) -> list[Outcome]:
    """Grade every submission that is new or has changed; return what became of each.

    Raises
    ------
    SubmissionError, CourseError, ClusterError
    """
    submissions = find_submissions(folder)
    root.mkdir(parents=True, exist_ok=True)
    make_course(root)
    with open_records(root) as records:
        found = sort_out(submissions, records.progress, console)
        if found.before:
            console.print(f"{len(found.before)} submissions were graded before")
        outcomes = found.refused + found.before
        if found.waiting:
            outcomes += _graded(found.waiting, records, limits, workers, console)
    return outcomes


def _graded(
    waiting: dict[str, tuple[Path, str]],
    records: Records,
    limits: Limits,
    workers: Workers,
    console: Console,
) -> list[Outcome]:
    """Let workers grade what waits, write each down as it comes, and say so on a line."""
    outcomes: list[Outcome] = []
    number = count(1)

    def note(outcome: Outcome, text: str) -> None:
        outcomes.append(outcome)
        say(f"{next(number)}/{len(waiting)} {outcome.student}: {text}", console)

    def tasks() -> Iterator[Task]:
        for student, (file, digest) in waiting.items():
            task = task_of(student, file, digest, records, limits)
            if task:
                yield task
            else:
                note(Outcome(student, CHANGED, is_final=False), CHANGED)

    most = sum(points_of_tests().values())
    with closing(workers.answers(tasks(), limits, console)) as answers:
        for task, answer in answers:
            outcome = records.write(task.student, digest_of(task.data), answer)
            points = f"{sum(answer.points.values()):g} of {most:g} points, {answer.seconds:.1f} s"
            note(outcome, points if outcome.is_graded else outcome.status)
    return outcomes


def task_of(
    student: str,
    file: Path,
    digest: str,
    records: Records,
    limits: Limits,
    only: tuple[str, ...] = (),
) -> Task | None:
    """Return what a worker needs to grade a file, or None if it is not the one it was."""
    try:
        data = read_bytes(file)
    except RefusedError:
        return None
    if digest_of(data) != digest:
        return None
    by_hand = records.by_hand(student)
    return Task(student, data, records.seed_of(digest), limits, version(), only, by_hand)


def say(text: str, console: Console) -> None:
    """Print a text that may hold a student's words."""
    console.print(printable(text, 1_000), markup=False, highlight=False, soft_wrap=True)


def course_folder(submissions: Path, output: Path | None) -> Path:
    """Return the course folder of a folder of submissions."""
    return output or submissions.with_name(f"{submissions.resolve().name}-graded")


def finish(root: Path, outcomes: list[Outcome], console: Console) -> None:
    """Write marks and summary, and say what the class did.

    Raises
    ------
    CourseError
    """
    marks = write_marks(root, outcomes)
    of_class = class_marks(root, outcomes)
    written = write_summary(root, of_class)
    console.print(f"\n{said(of_class)}\n", markup=False, highlight=False, soft_wrap=True)
    graded = sum(outcome.is_graded for outcome in outcomes)
    console.print(f"{graded} of {len(outcomes)} submissions graded", markup=False)
    names = " and ".join(map(str, written))
    text = f"marks: {marks}\nfeedback: {root / 'feedback'}\nsummary: {names}"
    console.print(text, markup=False, soft_wrap=True)


@contextmanager
def ends_in_a_line(console: Console, when_stopped: str) -> Iterator[None]:
    """Say in a line why a command ends, after an error or when it is stopped, and end it."""
    try:
        yield
    except ERRORS as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        console.print(when_stopped, markup=False)
        raise typer.Exit(130) from None


def main(
    submissions: Submissions,
    output: Output = None,
    cell_seconds: CellSeconds = CELL_SECONDS,
    student_seconds: StudentSeconds = 600,
    memory_gib: MemoryGib = 6.0,
    jobs: Jobs = 2,
    scheduler: Scheduler = None,
    without_sandbox: WithoutSandbox = False,
) -> None:
    """Grade submissions, write feedback and marks.csv; go on where an earlier run ended."""
    console = Console()
    root = course_folder(submissions, output)
    limits = Limits(cell_seconds, student_seconds, memory_gib, not without_sandbox)
    workers = Workers(jobs, scheduler)
    with ends_in_a_line(console, INTERRUPTED):
        workers.check(limits, console)
        outcomes = grade_all(submissions, root, limits, workers, console)
        finish(root, outcomes, console)
    console.print("Written answers are read in nbgrader's formgrader: see the instructor's page.")
    raise typer.Exit(0 if all(outcome.is_graded for outcome in outcomes) else 1)


if __name__ == "__main__":
    typer.run(main)
