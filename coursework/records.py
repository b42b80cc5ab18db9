"""The course folder: gradebook, notebooks, feedback and progress, written by one process alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from warnings import catch_warnings, simplefilter

from filelock import FileLock, Timeout
from nbgrader.api import Gradebook, InvalidEntry, MissingEntry
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from coursework.course import ASSIGNMENT, NOTEBOOK, CourseError, open_gradebook
from coursework.escaping import printable
from coursework.marks import GRADED, Outcome
from coursework.proposal import Change
from coursework.work import NO_RESPONSE, Answer, ByHand
from coursework.workspace import write_whole

LOCKED = "the gradebook was locked by another program"


class Progress:
    """Which submission was graded from which file, kept in the course folder.

    Raises
    ------
    CourseError
        If the file is there and is not what `note` writes.
    """

    def __init__(self, root: Path):
        self.file = root / "progress.json"
        self.entries: dict[str, dict] = {}
        if not self.file.exists():
            return
        try:
            entries = json.loads(self.file.read_text(encoding="utf-8"))
            for name, entry in entries.items():
                self.entries[name] = {
                    "digest": str(entry["digest"]),
                    "status": str(entry["status"]),
                    "missing_cells": list(map(str, entry.get("missing_cells", []))),
                }
        except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
            raise CourseError(
                f"cannot read {self.file}: remove it, and every submission is graded again"
            ) from None

    def outcome(self, student: str, digest: str) -> Outcome | None:
        """Return what became of this file of the student, or None if it is still to be graded."""
        entry = self.entries.get(student)
        if entry is None or entry["digest"] != digest:
            return None
        return Outcome(student, entry["status"], tuple(entry["missing_cells"]))

    def note(self, digest: str, outcome: Outcome) -> None:
        """Write the outcome down at once: the next submission may be interrupted."""
        self.entries[outcome.student] = {
            "digest": digest,
            "status": outcome.status,
            "missing_cells": outcome.missing_cells,
        }
        write_whole(self.file, json.dumps(self.entries, indent=1))


class Records:
    """What is written down of submissions. Make one with `open_records`.

    Attributes
    ----------
    root : Path
        The course folder.
    progress : Progress
    book : Gradebook
    """

    def __init__(self, root: Path, book: Gradebook):
        self.root, self.book = root, book
        self.progress = Progress(root)
        self._secret = _secret(root / "secret.txt")

    def seed_of(self, digest: str) -> int:
        """Return what the judge draws from for a file: nobody without the secret knows it.

        It is the same on every machine and in every run, and so are the marks.
        """
        code = hmac.new(self._secret, digest.encode(), hashlib.sha256).digest()
        return int.from_bytes(code[:8])

    def by_hand(self, student: str) -> ByHand:
        """Return what the instructor has said of a student's submission."""
        submission = self._submission(student)
        if submission is None:
            return ByHand()
        grades = submission.grades
        comments = {one.name: one.manual_comment for one in submission.comments}
        said = ByHand(
            {one.name: one.manual_score for one in grades if one.manual_score is not None},
            {one.name: one.extra_credit for one in grades if one.extra_credit is not None},
            {name: comment for name, comment in comments.items() if comment is not None},
        )
        self.book.db.remove()
        return said

    def judged(self, student: str) -> dict[str, float]:
        """Return the points that the grader, and nobody else, gave a student for each cell."""
        submission = self._submission(student)
        grades = submission.grades if submission else []
        found = {one.name: one.auto_score for one in grades if one.auto_score is not None}
        self.book.db.remove()
        return found

    def write(self, student: str, digest: str, answer: Answer) -> Outcome:
        """Write down what came of a submission: notebooks, marks, feedback, progress."""
        status, is_final = GRADED, True
        if answer.refused or answer.failed:
            status, is_final = f"not graded: {answer.refused or answer.failed}", not answer.failed
            self.clear(student)
        else:
            self._write_files(student, answer)
            try:
                self._write_marks(student, answer)
            except (SQLAlchemyError, InvalidEntry) as error:
                self.book.db.remove()
                self.clear(student)
                status = f"not graded: {LOCKED} ({printable(str(error), 100)})"
                is_final = False
        outcome = Outcome(student, status, tuple(answer.missing_cells), is_final)
        if is_final:
            self.progress.note(digest, outcome)
        return outcome

    def change(self, changes: Sequence[Change]) -> None:
        """Write other points of the grader's down, all or none; those given by hand stay.

        Raises
        ------
        SQLAlchemyError
            Nothing is changed then.
        """
        try:
            for change in changes:
                names = (change.task, NOTEBOOK, ASSIGNMENT, change.student)
                self.book.find_grade(*names).auto_score = change.new
            self.book.db.commit()
        finally:
            self.book.db.remove()

    def clear(self, student: str) -> None:
        """Remove what an earlier run made of a student's submission."""
        for part in ("autograded", "feedback"):
            shutil.rmtree(self.root / part / student, ignore_errors=True)

    def file(self, part: str, student: str) -> Path:
        """Return a student's notebook, or page, in one of nbgrader's folders."""
        ending = "html" if part == "feedback" else "ipynb"
        return self.root / part / student / ASSIGNMENT / f"{NOTEBOOK}.{ending}"

    def _write_files(self, student: str, answer: Answer) -> None:
        self.clear(student)
        shutil.rmtree(self.root / "submitted" / student, ignore_errors=True)
        for part in ("submitted", "autograded", "feedback"):
            write_whole(self.file(part, student), getattr(answer, part))

    def _write_marks(self, student: str, answer: Answer) -> None:
        """Note points in the gradebook, as nbgrader does: what was given by hand is read again."""
        with catch_warnings():
            # nbgrader makes a submission's parts before it adds the submission.
            simplefilter("ignore", SAWarning)
            self.book.update_or_create_student(student)
            self.book.update_or_create_submission(ASSIGNMENT, student)
        submission = self._submission(student)
        for grade in submission.grades:
            grade.auto_score = answer.points.get(grade.name)
            is_open = grade.auto_score is None or grade.manual_score is not None
            grade.needs_manual_grade = is_open
        for comment in submission.comments:
            is_empty = comment.name in answer.unanswered
            comment.auto_comment = NO_RESPONSE if is_empty else None
        self.book.db.commit()
        self.book.db.remove()

    def _submission(self, student: str):
        try:
            return self.book.find_submission_notebook(NOTEBOOK, ASSIGNMENT, student)
        except MissingEntry:
            return None


@contextmanager
def open_records(root: Path) -> Iterator[Records]:
    """Open the records of a course folder, for this process alone.

    Raises
    ------
    CourseError
        If another process has them, or they cannot be read.
    """
    try:
        with FileLock(root / ".grading.lock", timeout=0), open_gradebook(root) as book:
            yield Records(root, book)
    except Timeout:
        raise CourseError(f"another run is grading into {root}: wait for its end") from None


def _secret(file: Path) -> bytes:
    """Return the course's secret, made the first time."""
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="ascii") as stream:
            stream.write(f"{secrets.token_hex(32)}\n")
    text = file.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise CourseError(f"{file} is not the course's secret: remove it, and a new one is made")
    return bytes.fromhex(text)
