"""What judging again would change in the marks: kept in the course folder until it is accepted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tabulate import tabulate

from coursework.course import CourseError
from coursework.escaping import printable, spreadsheet_cell
from coursework.tables import write_table
from coursework.workspace import write_whole

HEADER = ("student", "task", "old", "new", "message")


@dataclass(frozen=True)
class Change:
    """A mark that another judging makes another one.

    Attributes
    ----------
    student, task : str
    old, new : float or None
        Points; None if there were none.
    message : str
        What is wrong now; empty if nothing is.
    """

    student: str
    task: str
    old: float | None
    new: float
    message: str


@dataclass(frozen=True)
class Proposal:
    """What would change in the marks, and of which state of everything that is true.

    Attributes
    ----------
    version : str
        Of the tests.
    tasks : list of str
        The tests that were judged.
    digests : dict of str to str
        The files that were judged, by student.
    changes : list of Change
    """

    version: str
    tasks: list[str]
    digests: dict[str, str]
    changes: list[Change]

    @staticmethod
    def files(root: Path) -> tuple[Path, Path]:
        """Return where a proposal lies: for this program, and to be read."""
        return root / "regrade.json", root / "regrade.csv"

    def save(self, root: Path) -> None:
        """Write the proposal to a course folder."""
        data, table = self.files(root)
        write_whole(data, json.dumps(asdict(self), indent=1))
        write_table(table, [HEADER, *map(_row, self.changes)])

    @classmethod
    def load(cls, root: Path) -> Proposal:
        """Read the proposal of a course folder.

        Raises
        ------
        CourseError
            If there is none, or it is not what `save` writes.
        """
        file, _ = cls.files(root)
        if not file.exists():
            raise CourseError(f"there is no {file}: regrade without --accept first")
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            changes = [Change(**change) for change in values.pop("changes")]
            return cls(**values, changes=changes)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CourseError(f"cannot read {file}: regrade again without --accept") from None

    def keep(self, root: Path) -> Path:
        """Keep what was accepted, under its time, as a record of changed marks."""
        data, table = self.files(root)
        kept = table.replace(root / f"regraded-{datetime.now():%Y%m%d-%H%M%S}.csv")
        data.unlink()
        return kept


def _row(change: Change) -> tuple[object, ...]:
    message = spreadsheet_cell(printable(change.message, 500))
    return spreadsheet_cell(change.student), change.task, change.old, change.new, message


def listed(changes: list[Change]) -> str:
    """Return the changes as a table for a terminal."""
    rows = [[printable(c.student), c.task, c.old, c.new, printable(c.message, 60)] for c in changes]
    return tabulate(rows, headers=HEADER, missingval="-")
