"""Judge old submissions again: ``python -m coursework.regrade SUBMISSIONS --task test_padding``.

Nothing but the judge runs, and only the tests that are named. What would change is listed, and
written to ``regrade.csv``; marks stay as they are until ``--accept``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import nbformat
import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from coursework.bounds import CELL_SECONDS, Limits
from coursework.course import (
    CourseError,
    release_version,
    stamp_of,
    version,
    write_source,
    write_stamp,
)
from coursework.escaping import printable
from coursework.grading import (
    CellSeconds,
    Jobs,
    MemoryGib,
    Output,
    Scheduler,
    StudentSeconds,
    Submissions,
    WithoutSandbox,
    Workers,
    course_folder,
    ends_in_a_line,
    finish,
    say,
    sort_out,
    task_of,
)
from coursework.judge import Verdict, points_of_tests
from coursework.judged import shown
from coursework.marks import Outcome
from coursework.own_notebook import grade_id
from coursework.proposal import Change, Proposal, listed
from coursework.records import LOCKED, Records, open_records
from coursework.submissions import find_submissions
from coursework.work import Answer, Task, page_for_student
from coursework.workspace import write_whole


def propose(
    folder: Path,
    root: Path,
    tasks: tuple[str, ...],
    limits: Limits,
    workers: Workers,
    console: Console,
) -> Proposal:
    """Judge all submissions that are graded by some tests again; return what would change.

    Raises
    ------
    SubmissionError, CourseError, ClusterError
    """
    check_tasks(tasks)
    check_course(root)
    submissions = find_submissions(folder)
    with open_records(root) as records:
        found = sort_out(submissions, records.progress, console)
        for student in found.waiting:
            say(f"{student}: new or changed, so `make grade` grades it whole", console)
        graded = {outcome.student for outcome in found.before if outcome.is_graded}
        files = {s.student: s.file for s in submissions if s.student in graded}
        digests = {student: records.progress.entries[student]["digest"] for student in files}

        def waiting() -> Iterator[Task]:
            for student, file in files.items():
                task = task_of(student, file, digests[student], records, limits, tasks)
                if task:
                    yield task

        proposal = Proposal(version(), list(tasks), {}, [])
        with closing(workers.answers(waiting(), limits, console)) as answers:
            for number, (task, answer) in enumerate(answers, 1):
                text = f"not judged: {answer.refused or answer.failed}"
                if not (answer.refused or answer.failed):
                    for name in task.by_hand.scores.keys() & answer.points.keys():
                        say(f"{task.student}: {name} was given by hand, and stays", console)
                    changes = changes_of(task, answer, records.judged(task.student))
                    proposal.digests[task.student] = digests[task.student]
                    proposal.changes.extend(changes)
                    text = f"{len(changes)} would change" if changes else "as before"
                say(
                    f"{number}/{len(files)} {task.student}: {text}, {answer.seconds:.1f} s", console
                )
    proposal.changes.sort(key=lambda change: (change.student, change.task))
    return proposal


def changes_of(task: Task, answer: Answer, old: dict[str, float]) -> list[Change]:
    """Return the points of an answer that are not the old ones; points given by hand stay."""
    return [
        Change(task.student, name, old.get(name), new, answer.messages.get(name, ""))
        for name, new in answer.points.items()
        if old.get(name) != new and name not in task.by_hand.scores
    ]


def check_tasks(tasks: tuple[str, ...]) -> None:
    """Check that each is a test that the judge knows.

    Raises
    ------
    CourseError
    """
    known = points_of_tests()
    unknown = ", ".join(printable(task) for task in tasks if task not in known)
    if unknown:
        raise CourseError(f"no test {unknown}: there are {', '.join(known)}")


def check_course(root: Path) -> None:
    """Check that a course folder holds marks for the assignment as students have it today.

    Raises
    ------
    CourseError
    """
    if not (root / "gradebook.db").exists():
        raise CourseError(f"there are no marks in {root}: `make grade` comes first")
    if stamp_of(root)[:1] != (release_version(),):
        raise CourseError(
            f"{root} holds marks for another version of the assignment: only tests can change "
            "between marks that are compared, not what students got or how many points it has"
        )


def accept(folder: Path, root: Path, console: Console) -> list[Outcome]:
    """Write a proposal into gradebook, notebooks and feedback; return the outcomes of all.

    Raises
    ------
    SubmissionError, CourseError
        Nothing is written if marks, files or tests are not those of the proposal any more.
    """
    proposal = Proposal.load(root)
    check_course(root)
    if proposal.version != version():
        raise CourseError("the tests have changed since: regrade again without --accept")
    with open_records(root) as records:
        _check_state(proposal, records)
        try:
            records.change(proposal.changes)
        except SQLAlchemyError as error:
            text = printable(str(error), 100)
            raise CourseError(f"{LOCKED} ({text}): no mark is changed, try again") from None
        for student in dict.fromkeys(change.student for change in proposal.changes):
            changes = [change for change in proposal.changes if change.student == student]
            _show(student, changes, records)
        write_source(root)
        write_stamp(root)
        found = sort_out(find_submissions(folder), records.progress, console)
    kept = proposal.keep(root)
    console.print(f"{len(proposal.changes)} marks changed: {kept}", markup=False, soft_wrap=True)
    unknown = "not graded: new or changed, run `make grade`"
    return found.refused + found.before + [Outcome(name, unknown) for name in found.waiting]


def _check_state(proposal: Proposal, records: Records) -> None:
    """Check that files and marks are those of the proposal, or already what it makes them."""
    entries = records.progress.entries
    for student, digest in proposal.digests.items():
        if entries.get(student, {}).get("digest") != digest:
            raise CourseError(f"{student} was graded since: regrade again without --accept")
    for change in proposal.changes:
        if records.judged(change.student).get(change.task) not in (change.old, change.new):
            raise CourseError(
                f"the mark of {change.student} for {change.task} has changed since: regrade "
                "again without --accept"
            )


def _show(student: str, changes: list[Change], records: Records) -> None:
    """Write the notebook and the page that show new points."""
    file, most = records.file("autograded", student), points_of_tests()
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        for change in changes:
            if grade_id(cell) == change.task:
                verdict = Verdict(change.task, change.new, most[change.task], change.message)
                cell.outputs[:1] = [shown(verdict)]
    write_whole(file, nbformat.writes(notebook))
    page = page_for_student(notebook, records.judged(student), records.by_hand(student))
    write_whole(records.file("feedback", student), page)


def main(
    submissions: Submissions,
    task: Annotated[list[str] | None, typer.Option(help="A test. Default: all.")] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept", help="Write the changes that were listed last.")
    ] = False,
    output: Output = None,
    cell_seconds: CellSeconds = CELL_SECONDS,
    student_seconds: StudentSeconds = 600,
    memory_gib: MemoryGib = 6.0,
    jobs: Jobs = 2,
    scheduler: Scheduler = None,
    without_sandbox: WithoutSandbox = False,
) -> None:
    """List what other tests, or a test of old, would change in the marks; change nothing yet."""
    console = Console()
    root = course_folder(submissions, output)
    limits = Limits(cell_seconds, student_seconds, memory_gib, not without_sandbox)
    workers = Workers(jobs, scheduler)
    with ends_in_a_line(console, "stopped: no mark has changed"):
        if accept_changes:
            finish(root, accept(submissions, root, console), console)
            return
        workers.check(limits, console)
        tasks = tuple(task or points_of_tests())
        proposal = propose(submissions, root, tasks, limits, workers, console)
        proposal.save(root)
    changes = proposal.changes
    if changes:
        console.print(f"\n{listed(changes)}", markup=False, highlight=False, soft_wrap=True)
    students = len({change.student for change in changes})
    console.print(
        f"{len(changes)} marks of {students} students would change, of "
        f"{len(proposal.digests)} judged; `--accept` writes them",
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    typer.run(main)
