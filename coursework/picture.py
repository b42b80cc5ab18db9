"""A picture of a student's work for the feedback: the notebook, run in a closed room.

What comes back is text and images that nobody has read, of bounded size. It says nothing about
points.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_output

from coursework import frames
from coursework.bounds import Limits
from coursework.judge.session import FOLDER, PACKAGE
from coursework.limits import MOST_OUTPUTS, limited
from coursework.pipes import read_frame, write_frame
from coursework.room import open_room
from coursework.walls import SHOWN, RoomLimits

SHOWN_TO_KERNEL = {
    "picture_guest.py": FOLDER / "picture_guest.py",
    "frames.py": FOLDER / "frames.py",
    "tinytorch": PACKAGE,
}
PROCESSES = 100
"""Processes and threads: a kernel has some twenty threads of its own."""


def run_cells(sources: Sequence[str], limits: Limits, deadline: float) -> list[list[NotebookNode]]:
    """Run cells in a kernel in a closed room.

    Parameters
    ----------
    sources : sequence of str
    limits : Limits
    deadline : float
        Time of `time.monotonic` after which the rest is left out.

    Returns
    -------
    list of list of NotebookNode
        The outputs of each cell that ran, from the first on.

    Raises
    ------
    RoomError
        If no closed room can be made.
    """
    room_limits = RoomLimits(
        memory_gib=limits.memory_gib, cpu_seconds=limits.student_seconds, processes=PROCESSES
    )
    work = {"cells": list(sources), "seconds": limits.cell_seconds}
    shown: list[list[NotebookNode]] = []
    command = ["-S", f"{SHOWN}/picture_guest.py"]
    with open_room(command, SHOWN_TO_KERNEL, room_limits, sandbox=limits.sandbox) as room:
        try:
            write_frame(room, frames.pack(work), deadline)
            while len(shown) < len(sources):
                shown.append(outputs_of(frames.unpack(read_frame(room, deadline))))
        except (TimeoutError, EOFError, OSError, frames.FrameError) as error:
            reason = room.ended_for or _reason(error, deadline)
            shown.append([_note(f"The notebook did not run beyond this cell: {reason}.")])
    return shown[: len(sources)]


def _reason(error: Exception, deadline: float) -> str:
    if time.monotonic() >= deadline:
        return "the time for the submission was over"
    return "its outputs are too large" if isinstance(error, frames.FrameError) else "it ended"


def outputs_of(reply: Any) -> list[NotebookNode]:
    """Return outputs from what a guest said they are: text and pictures of bounded size.

    Raises
    ------
    FrameError
        If it is no list of outputs.
    """
    match reply:
        case {"outputs": [*outputs]} if all(type(output) is dict for output in outputs):
            return [limited(from_dict(output)) for output in outputs[:MOST_OUTPUTS]]
    raise frames.FrameError("these are no outputs")


def _note(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=f"{text}\n")
