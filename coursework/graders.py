"""What a worker of Dask does with a task: give it to a process that grades, within its time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from coursework.course import version
from coursework.frames import LENGTH, FrameError
from coursework.pipes import read_frame, write_frame
from coursework.room import RoomError, check_room
from coursework.work import Answer, Task

COMMAND = (sys.executable, "-m", "coursework.worker")
SECONDS_TO_START = 120
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Each thread of NumPy's reserves address space, which the limit on memory counts."""

_own = threading.local()


def grade_here(message: bytes) -> bytes:
    """Answer a task in this thread's own process.

    Parameters
    ----------
    message : bytes
        What `Task.pack` returns.

    Returns
    -------
    bytes
        What `Answer.pack` returns. Whatever goes wrong is an answer too.
    """
    task = Task.unpack(message)
    reason = why_unable(task.version, task.limits.sandbox)
    if reason:
        return Answer(unable=reason).pack()
    if not hasattr(_own, "process"):
        _own.process = GradingProcess()
    return _own.process.answer(message, task.limits.student_seconds)


def why_unable(wanted: str, sandbox: bool) -> str:
    """Return why this machine can grade nothing, as a sentence; empty if it can.

    Parameters
    ----------
    wanted : str
        The version of the tests.
    sandbox : bool
        Whether it must have closed rooms.
    """
    if version() != wanted:
        return "it has another version of the assignment or of the tests"
    try:
        return _checked_room() if sandbox else ""
    except RoomError as error:
        return str(error)


@cache
def _checked_room() -> str:
    """Check once that rooms can be made; an error is not kept: it may be mended."""
    check_room()
    return ""


class GradingProcess:
    """A process of `coursework.worker`, started when it is needed.

    Attributes
    ----------
    process : subprocess.Popen or None
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def answer(self, message: bytes, seconds: float) -> bytes:
        """Return the answer to a packed task, of whatever kind, within about `seconds`."""
        try:
            if self.process is None:
                self._start()
            until = time.monotonic() + seconds
            write_frame(self, LENGTH.pack(len(message)) + message, until)
            return read_frame(self, until)
        except TimeoutError:
            said = Answer(refused=f"it ran longer than {seconds:g} s")
        except (EOFError, OSError, FrameError):
            said = Answer(failed="the process that graded it ended without a word")
        self.end()
        return said.pack()

    def _start(self) -> None:
        """Start the process; what keeps it from starting is said where this process says it."""
        self.process = subprocess.Popen(
            COMMAND,
            cwd=Path(__file__).parents[1],
            env=os.environ | ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # an interrupt at the terminal is for those who started it
        )
        try:
            read_frame(self, time.monotonic() + SECONDS_TO_START)
        except TimeoutError:
            raise EOFError from None

    def end(self) -> None:
        """End the process and all that it started: its closed rooms end with it."""
        if self.process is None:
            return
        process, self.process = self.process, None
        children: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):  # processes may end meanwhile
            children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()
        psutil.wait_procs(children, timeout=10)
        for pipe in (process.stdin, process.stdout):
            pipe.close()
