"""Where a student's work lies, and what is written down about it."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

MODULE = 15
MODULES = Path("modules")
FOLDER = f"{MODULE}_memoization"
NOTEBOOK = f"module{MODULE}.ipynb"


class WorkError(Exception):
    """What was asked for cannot be done; the message says why, and what to do."""


class Workspace:
    """The student's folder of Module 15 in a folder of modules.

    Parameters
    ----------
    modules : Path

    Attributes
    ----------
    notebook, export, hand_in, backups, record : Path
        The student's notebook, the cache taken from it, the file to hand in, earlier notebooks, and
        what `note` wrote.
    """

    def __init__(self, modules: Path):
        self.modules = modules
        root = modules / FOLDER
        self.notebook = root / NOTEBOOK
        self.export = root / "export" / "kv_cache.py"
        self.hand_in = root / "hand_in" / NOTEBOOK
        self.backups = root / "backup"
        self.record = root / ".tito.json"
        self._fresh = root / f"module{MODULE}.fresh"

    def command(self, name: str) -> str:
        """Return a command for this folder, as the student would type it."""
        words = "tito demo" if name == "demo" else f"tito module {name}"
        option = "" if self.modules == MODULES else f' --folder "{self.modules}"'
        return f"{words} {MODULE}{option}"

    def require_notebook(self) -> None:
        """Raise a `WorkError` if there is no notebook; it names the last backup."""
        if self.notebook.exists():
            return
        start = f"start with `{self.command('start')}`"
        backup = self.last_backup()
        if backup:
            raise WorkError(
                f"there is no {self.notebook}, but your work is kept: copy {backup} there, "
                f"or {start}"
            )
        raise WorkError(f"there is no {self.notebook}: {start}")

    def last_backup(self) -> Path | None:
        """Return the newest backup, or None. An empty one is of a reset that was interrupted."""
        files = (file for file in self.backups.glob("*.ipynb") if file.stat().st_size)
        return max(files, key=lambda file: file.stat().st_mtime, default=None)

    def read_record(self) -> dict:
        """Return what `note` wrote: times, and the last run's tests.

        Raises
        ------
        WorkError
            If the file is not what `note` writes.
        """
        if not self.record.exists():
            return {}
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            return _checked({name: record[name] for name in ("started", "tests", "completed")})
        except (ValueError, KeyError, TypeError, RecursionError):
            raise WorkError(
                f"cannot read {self.record}: remove it; only the dates and results "
                "that `tito module status` shows are lost"
            ) from None

    def note(self, **changes: object) -> None:
        """Write down ``started``, ``tests`` or ``completed``; the others stay."""
        nothing = {"started": None, "tests": None, "completed": None}
        record = nothing | self.read_record() | changes
        write_whole(self.record, json.dumps(record, indent=1) + "\n")

    def note_tests(self, passed: int, total: int) -> None:
        """Write down how many of the visible tests passed in a run that ends now."""
        self.note(tests={"passed": passed, "total": total, "at": now()})

    def start(self, text: str) -> None:
        """Write the first notebook."""
        write_whole(self.notebook, text)
        self._fresh.unlink(missing_ok=True)
        self.note(started=now(), tests=None, completed=None)

    def start_over(self, text: str) -> Path:
        """Move the notebook to the backups and write a fresh one; return the backup.

        The fresh text is on the disk before the old notebook moves.

        Raises
        ------
        WorkError
            If only the record could not be written; the message names the backup.
        """
        self.read_record()
        write_whole(self._fresh, text)
        backup = self._new_backup()
        self.notebook.replace(backup)
        self._fresh.replace(self.notebook)
        try:
            self.note(started=now(), tests=None, completed=None)
        except OSError as error:
            raise WorkError(
                f"your work is kept: {backup}, and {self.notebook} is fresh, but the dates that "
                f"`tito module status` shows are not noted: {error}"
            ) from None
        return backup

    def _new_backup(self) -> Path:
        """Claim a name that no backup has."""
        self.backups.mkdir(exist_ok=True)
        stem, copy = f"{self.notebook.stem}-{datetime.now():%Y%m%d-%H%M%S}", 1
        while True:
            ending = "" if copy == 1 else f"-{copy}"
            backup = self.backups / f"{stem}{ending}.ipynb"
            try:
                backup.touch(exist_ok=False)
            except FileExistsError:
                copy += 1
            else:
                return backup


def _checked(record: dict) -> dict:
    """Return a record whose entries are of the types that `Workspace.note` writes."""
    tests = record["tests"]
    times = [record["started"], record["completed"]]
    if tests is not None:
        times.append(tests["at"])
        if not all(type(tests[name]) is int for name in ("passed", "total")):
            raise TypeError
    if not all(time is None or isinstance(time, str) for time in times):
        raise TypeError
    return record


def write_whole(file: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a file in one step: whoever reads it finds the old text or the new one.

    Raises
    ------
    OSError
        With the file's name, also where the disk is full.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding=encoding, newline="\n")
        new.replace(file)
    except OSError as error:
        raise OSError(
            error.errno, f"{error.strerror}, so this file is as it was", str(file)
        ) from None
    finally:
        new.unlink(missing_ok=True)


def now() -> str:
    """Return the local time, to the second."""
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
