"""A closed room for code that nobody has read: bubblewrap, and limits on all that it takes.

Inside there is no network, no file of the machine but /usr and Python's own (read-only), no view of
other processes, and one folder to write to, of bounded size. What was started there ends with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import psutil

from coursework.bounds import limit_memory
from coursework.forbidden import INSTALL, NOT_LINUX, what_allows_it
from coursework.seccomp import is_known, seccomp_filter
from coursework.walls import (
    HOME,
    SHOWN,
    RoomLimits,
    bounds,
    covered_python,
    environment,
    python,
    walls,
)

SECONDS_BETWEEN_LOOKS, SECONDS_TO_END = 0.1, 10

WITHOUT = "or use --without-sandbox, after reading what it says"
RISK = (
    "Without the sandbox, each submission runs with your rights. It can read and change your "
    "files, other submissions and the marks, use the network, and leave programs running. Grade "
    "only code that you have read."
)


class RoomError(Exception):
    """The closed room cannot be used here; the message says why, and what to do."""


class Room:
    """A command that runs in a room of its own. Make one with `open_room`.

    Attributes
    ----------
    process : subprocess.Popen
        Its standard input and output are pipes. What it writes as errors is thrown away.
    ended_for : str
        Which limit it broke, if it was ended for that.
    """

    def __init__(self, process: subprocess.Popen, first_pid: int, limits: RoomLimits):
        self.process = process
        self.ended_for = ""
        self._limits = limits
        self._first = psutil.Process(first_pid)
        self._stopped = Event()
        self._watch = Thread(target=self._keep_watch, daemon=True)
        self._watch.start()

    def cpu_seconds(self) -> float:
        """Return the processor time of all that ran in the room, ended children included."""
        total = 0.0
        for member in self._members():
            with suppress(psutil.Error):
                total += sum(member.cpu_times()[:4])
        return total

    def end(self) -> None:
        """End the room and everything in it, and wait for that."""
        self._stopped.set()
        self._watch.join()
        self._kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()

    def _members(self) -> list[psutil.Process]:
        try:
            return [self._first, *self._first.children(recursive=True)]
        except psutil.Error:
            return []

    def _kill(self) -> None:
        for member in self._members():
            with suppress(psutil.Error):
                member.kill()
        # The first process of a namespace ends after all others have, and bubblewrap after it.
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(SECONDS_TO_END)
        self.process.kill()
        self.process.wait()

    def _keep_watch(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_LOOKS):
            self.ended_for = self._excess()
            if self.ended_for:
                self._kill()
                return

    def _excess(self) -> str:
        """Return which limit is broken, if one is."""
        members, limits = self._members(), self._limits
        if len(members) > limits.processes:
            return f"it ran more than {limits.processes} processes"
        most = limits.memory_gib * 2**30
        if sum(map(_resident, members)) > most and sum(map(_proportional, members)) > most:
            return f"it took more than {limits.memory_gib:g} GiB of memory"
        if _files_in(self._first.pid) > limits.files:
            return f"it made more than {limits.files:,} files"
        return ""


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    """Return a process's memory with what is shared divided by its sharers, where one may look."""
    try:
        return process.memory_full_info().pss
    except (psutil.Error, AttributeError):
        return _resident(process)


def _files_in(pid: int) -> int:
    try:
        folder = os.statvfs(f"/proc/{pid}/root{HOME}")
    except OSError:
        return 0
    return folder.f_files - folder.f_ffree if folder.f_blocks else 0


@contextmanager
def open_room(
    command: Sequence[str],
    shown: Mapping[str, Path],
    limits: RoomLimits | None = None,
    *,
    sandbox: bool = True,
) -> Iterator[Room]:
    """Start a command of Python in a closed room, and end all of it afterwards.

    Call it from a thread that lives longer than the room: the room ends with it.

    Parameters
    ----------
    command : sequence of str
        What follows ``python``: options, a script below `shown`, arguments.
    shown : mapping of str to Path
        Files and folders that can be read inside, by their names below the folder that is first on
        Python's path and where the command starts looking for its script.
    limits : RoomLimits, optional
    sandbox : bool
        False runs it as any other program, with limits on memory only.

    Yields
    ------
    Room

    Raises
    ------
    RoomError
        If the room cannot be made.
    """
    limits = limits or RoomLimits()
    with ExitStack() as stack:
        if sandbox:
            process, first_pid = _start_closed(command, shown, limits)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="room-"))
            process = _start_open(command, shown, limits, Path(folder))
            first_pid = process.pid
        room = Room(process, first_pid, limits)
        try:
            yield room
        finally:
            room.end()


def check_room() -> None:
    """Check that a room can be made here.

    Raises
    ------
    RoomError
        The message says what is missing, and what to do.
    """
    with open_room(["-S", "-c", "print('here')"], {}) as room:
        if room.process.stdout.read(5) != b"here\n":
            raise RoomError(f"the closed room does not run Python. {what_allows_it()}; {WITHOUT}")


def _start_closed(
    command: Sequence[str], shown: Mapping[str, Path], limits: RoomLimits
) -> tuple[subprocess.Popen, int]:
    if sys.platform != "linux":
        raise RoomError(f"{NOT_LINUX}; {WITHOUT}")
    if not is_known():
        raise RoomError(f"the closed room knows x86_64 and aarch64 processors only; {WITHOUT}")
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise RoomError(f"{INSTALL}; {WITHOUT}")
    if place := covered_python():
        raise RoomError(
            f"Python's environment is {place}, where a closed room has a folder of its own: "
            f"make the environment elsewhere, not in /tmp; {WITHOUT}"
        )
    rules = _pipe_with(seccomp_filter())
    told, tell = os.pipe()
    arguments = [bubblewrap, "--seccomp", str(rules), "--info-fd", str(tell)]
    arguments += [*walls(shown, limits), "--", *bounds(limits), python(), *command]
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=(rules, tell),
        )
    finally:
        os.close(rules)
        os.close(tell)
    with open(told, encoding="utf-8") as info:
        text = info.read()
    if not text:
        with process:
            process.wait()
        reason = subprocess.run(
            [bubblewrap, *walls({}, limits), "--", "/usr/bin/true"],
            capture_output=True,
            text=True,
            check=False,
        ).stderr.strip()
        raise RoomError(f"bubblewrap cannot run here: {reason}. {what_allows_it()}; {WITHOUT}")
    return process, json.loads(text)["child-pid"]


def _start_open(
    command: Sequence[str], shown: Mapping[str, Path], limits: RoomLimits, folder: Path
) -> subprocess.Popen:
    home, library = folder / "home", folder / "library"
    home.mkdir()
    for name, source in shown.items():
        place = library / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source.resolve(), target_is_directory=source.is_dir())
    return subprocess.Popen(
        [python(), *(part.replace(SHOWN, str(library)) for part in command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd=home,
        env=environment(str(home), str(library)),
        start_new_session=True,
        preexec_fn=lambda: limit_memory(limits.memory_gib),
    )


def _pipe_with(data: bytes) -> int:
    """Return a descriptor from which the data can be read."""
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(data)
    return reading
