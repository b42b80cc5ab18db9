"""Find submissions in a folder: one record for each student, whatever lies there.

Nothing is opened here, and no link is followed. What cannot be a submission is a record too, with
the reason: a class of a thousand is graded although one file is odd.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coursework.course import NOTEBOOK
from coursework.escaping import printable

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")
COPY_NAME = re.compile(rf"{NOTEBOOK}([ _-]*(\(\d+\)|copy\d*|\d))?\.ipynb", re.IGNORECASE)
"""The name, in any case, and what browsers and Jupyter make of it for a second copy."""

SKIPPED = {"__MACOSX"}
MOST_DEPTH = 4
MOST_FILES = 1_000
KINDS = {
    stat.S_IFLNK: "a symbolic link, which is not followed",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class SubmissionError(Exception):
    """The folder of submissions cannot be used; the message says why."""


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    Attributes
    ----------
    student : str
        The student's id; where there is none, the name that was found, made printable.
    file : Path or None
        The notebook, or None if there is none that can be taken.
    refusal : str
        Why there is none, as a sentence; empty if there is one.
    note : str
        What the instructor should know of the choice; mostly empty.
    """

    student: str
    file: Path | None = None
    refusal: str = ""
    note: str = ""


def find_submissions(folder: Path) -> list[Submission]:
    """Return what each student handed in: ``STUDENT/module15.ipynb`` or ``STUDENT.ipynb``.

    A student's folder may hold the notebook deeper, in another case, or with a copy's number
    (``module15 (1).ipynb``), as learning platforms and browsers write it, if it is the only one.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Submission
        Sorted by student, one for each.

    Raises
    ------
    SubmissionError
        If `folder` is no folder, or holds nothing that could be a submission.
    """
    try:
        entries = sorted(_entries(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SubmissionError(
            f"{printable(str(folder))} cannot be read as a folder: {error.strerror}"
        ) from None
    found: dict[str, Submission] = {}
    for entry in entries:
        submission = _submission(entry)
        if submission:
            known = found.get(submission.student)
            found[submission.student] = _both(known, entry) if known else submission
    if not found:
        raise SubmissionError(
            f"no submissions in {printable(str(folder))}: expected STUDENT/{NOTEBOOK}.ipynb or "
            "STUDENT.ipynb"
        )
    return [found[student] for student in sorted(found)]


def _entries(folder: str | Path) -> list[os.DirEntry]:
    """Return what a folder holds, without hidden files and what other systems add."""
    with os.scandir(folder) as entries:
        return [e for e in entries if not e.name.startswith(".") and e.name not in SKIPPED]


def _submission(entry: os.DirEntry) -> Submission | None:
    """Return the record for one entry of the folder, or None for a file of another kind."""
    is_notebook = entry.name.lower().endswith(".ipynb")
    is_folder = entry.is_dir(follow_symlinks=False)
    if not is_notebook and entry.is_file(follow_symlinks=False):
        return None
    name = entry.name[: -len(".ipynb")] if is_notebook else entry.name
    if not ID.fullmatch(name):
        reason = (
            f"{printable(repr(name))} is no student's id: expected at most 100 letters, digits "
            "and . _ @ -, and a letter or digit first"
        )
        return Submission(printable(entry.name), refusal=reason)
    if is_folder and not is_notebook:
        return _in_folder(name, Path(entry.path))
    problem = _problem(entry)
    if problem:
        return Submission(name, refusal=f"{printable(entry.name)} is {problem}")
    return Submission(name, Path(entry.path))


def _problem(entry: os.DirEntry) -> str:
    """Return what an entry is if it is no ordinary file."""
    kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
    return "" if kind == stat.S_IFREG else KINDS.get(kind, "no ordinary file")


def _both(known: Submission, entry: os.DirEntry) -> Submission:
    other = known.file.name if known.file else "one that cannot be taken"
    return Submission(
        known.student,
        refusal=f"there are two submissions, {printable(other)} and {printable(entry.name)}: "
        "leave one of them",
    )


def _in_folder(student: str, folder: Path) -> Submission:
    """Choose the notebook in a student's folder."""
    expected = f"expected {student}/{NOTEBOOK}.ipynb"
    try:
        found = list(_notebooks(folder))
    except OSError as error:
        return Submission(student, refusal=f"the folder cannot be read: {error.strerror}")
    exact = [entry for entry in found if Path(entry.path) == folder / f"{NOTEBOOK}.ipynb"]
    (choice,) = exact or (found if len(found) == 1 else [None])
    if choice is None:
        names = ", ".join(_short(entry, folder) for entry in found[:5])
        what = f"found {len(found)} notebooks ({names})" if found else "found no notebook"
        return Submission(student, refusal=f"{what}, {expected}")
    problem = _problem(choice)
    if problem:
        return Submission(student, refusal=f"{_short(choice, folder)} is {problem}")
    if not COPY_NAME.fullmatch(choice.name):
        return Submission(student, refusal=f"found {_short(choice, folder)}, {expected}")
    return Submission(student, Path(choice.path), note=_note(choice, found, folder))


def _note(choice: os.DirEntry, found: list[os.DirEntry], folder: Path) -> str:
    """Say what was taken if it was not the only notebook, or not the name that was asked for."""
    others = ", ".join(_short(entry, folder) for entry in found if entry is not choice)
    if others:
        return f"took {_short(choice, folder)}; not read: {others[:200]}"
    if _short(choice, folder) != f"{NOTEBOOK}.ipynb":
        return f"took {_short(choice, folder)}, the only notebook"
    return ""


def _notebooks(folder: Path) -> Iterator[os.DirEntry]:
    """Yield what is named as a notebook in a folder and its folders."""
    waiting, seen = [(str(folder), 1)], 0
    while waiting:
        path, depth = waiting.pop()
        for entry in sorted(_entries(path), key=lambda entry: entry.name):
            seen += 1
            if seen > MOST_FILES:
                return
            if entry.name.lower().endswith(".ipynb"):
                yield entry
            elif entry.is_dir(follow_symlinks=False) and depth < MOST_DEPTH:
                waiting.append((entry.path, depth + 1))


def _short(entry: os.DirEntry, folder: Path) -> str:
    return printable(os.path.relpath(entry.path, folder), 100)
