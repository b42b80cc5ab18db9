"""Questions to a guest in a closed room, which may die, hang or lie."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tinytorch
from coursework import frames
from coursework.pipes import read_frame, write_frame
from coursework.room import Room, open_room
from coursework.walls import SHOWN, RoomLimits

ANSWER_SECONDS = 20
"""Within which a guest must answer, if a cell may not run for less."""
MOST_TEXT = 300

FOLDER = Path(__file__).parents[1]
PACKAGE = Path(tinytorch.__file__).parent
SHOWN_TO_GUEST = {
    "guest.py": FOLDER / "guest.py",
    "frames.py": FOLDER / "frames.py",
    "tinytorch/__init__.py": FOLDER / "room_package.py",
    "tinytorch/core": PACKAGE / "core",
    "tinytorch/profiling": PACKAGE / "profiling",
}


class LostError(Exception):
    """There is no answer that could be right; the message says why, for the student."""


class RaisedError(LostError):
    """The student's code raised an error.

    Attributes
    ----------
    kinds : list of str
        The names of its class and of those it is made from.
    """

    def __init__(self, kinds: list[str], message: str):
        super().__init__(f"{kinds[0]}: {message}" if message else kinds[0])
        self.kinds = kinds


@dataclass
class Work:
    """A student's cells, in order, and what is known of them.

    Attributes
    ----------
    cells : list of (str, str)
        Name and source of each cell to run before the questions.
    harmful : dict of str to str
        Cells that ended or blocked a guest, and why. They are not run again.
    errors : dict of str to str
        Cells that raised an error, and which.
    """

    cells: Sequence[tuple[str, str]]
    harmful: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class Session:
    """A guest that runs a student's work and is asked about it; a new one after each loss.

    Parameters
    ----------
    work : Work
    room : RoomLimits
    cell_seconds : float
        Within which each cell must have run.
    deadline : float
        Time of `time.monotonic` after which nothing more is asked.
    definitions : mapping of str to str, optional
        Names that every guest is given after the student's cells, and their source.
    sandbox : bool
    """

    def __init__(
        self,
        work: Work,
        room: RoomLimits,
        cell_seconds: float,
        deadline: float,
        definitions: dict[str, str] | None = None,
        *,
        sandbox: bool = True,
    ):
        self.work = work
        self._limits, self._sandbox = room, sandbox
        self._cell_seconds, self._deadline = cell_seconds, deadline
        self._definitions = definitions or {}
        self._room: Room | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the guest. The next question starts a new one."""
        self._room = None
        self._stack.close()

    def ask(self, question: str, **arguments: Any) -> Any:
        """Ask the guest, see `coursework.guest.Guest`; return plain data that may be a lie.

        Raises
        ------
        RaisedError
            If the student's code raised an error.
        LostError
            If there is no answer in time, or none that is plain data.
        """
        if self._room is None:
            self._start()
        return self._asked(question, arguments, min(self._cell_seconds, ANSWER_SECONDS))

    def cpu_seconds(self) -> float:
        """Return the processor time that the guest has taken so far, by the system's word."""
        return self._room.cpu_seconds() if self._room else 0.0

    def _start(self) -> None:
        """Start a guest and run the cells; leave out, and begin again after, a harmful one."""
        for _ in range(len(self.work.cells) + 1):
            self._stack = ExitStack()
            command = ["-S", f"{SHOWN}/guest.py"]
            shown = SHOWN_TO_GUEST
            room = open_room(command, shown, self._limits, sandbox=self._sandbox)
            self._room = self._stack.enter_context(room)
            if self._run_cells():
                break
        for name, source in self._definitions.items():
            self._asked("define", {"source": source, "name": name}, ANSWER_SECONDS)

    def _run_cells(self) -> bool:
        for name, source in self.work.cells:
            if name in self.work.harmful:
                continue
            try:
                self._asked("cell", {"source": source}, self._cell_seconds)
            except RaisedError as error:
                self.work.errors[name] = str(error)
            except LostError as loss:
                self.work.harmful[name] = str(loss)
                return False
        return True

    def _asked(self, question: str, arguments: dict, seconds: float) -> Any:
        until = min(time.monotonic() + seconds, self._deadline)
        try:
            write_frame(self._room, frames.pack({"ask": question, **arguments}), until)
            reply = frames.unpack(read_frame(self._room, until))
        except frames.FrameError as error:
            reason = f"the answer is not plain data: {clean(str(error))}"
        except TimeoutError:
            over = time.monotonic() >= self._deadline
            reason = "the time for the whole submission is over" if over else ""
            reason = reason or f"stopped after {seconds:g} s"
        except (EOFError, OSError):
            reason = self._room.ended_for or "the process ended"
        else:
            return _checked(reply)
        self.close()
        raise LostError(reason)


def _checked(reply: Any) -> Any:
    if isinstance(reply, dict) and reply.keys() == {"result"}:
        return reply["result"]
    match reply:
        case {"raised": [str(), *_] as kinds, "message": str(message)} if all(
            type(kind) is str for kind in kinds
        ):
            raise RaisedError([clean(kind) for kind in kinds], clean(message))
    raise LostError("the answer has not the form of one")


def clean(text: str) -> str:
    """Return the first line of a student's text, short, and without what controls a terminal."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    line = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)
    line = "".join(sign if sign.isprintable() else "?" for sign in line)
    return line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}..."
