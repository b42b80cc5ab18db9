"""Frames to and from another process, in a closed room or not, with a deadline for each."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import Protocol

from coursework import frames


class HasProcess(Protocol):
    """A `coursework.room.Room`, or whatever else has a process with unbuffered pipes."""

    process: subprocess.Popen


def write_frame(room: HasProcess, frame: bytes, until: float) -> None:
    """Write a frame to a room's command, by the time `until` of `time.monotonic`.

    Raises
    ------
    TimeoutError, OSError
        If it is not read in time, or by nobody.
    """
    pipe, left = room.process.stdin.fileno(), memoryview(frame)
    os.set_blocking(pipe, False)
    while left:
        _wait(writing=pipe, until=until)
        left = left[os.write(pipe, left) :]


def read_frame(room: HasProcess, until: float) -> bytes:
    """Read a frame, without its length, from a room's command, by the time `until`.

    Raises
    ------
    TimeoutError, EOFError
        If it is not there in time, or will never be.
    FrameError
        If it is larger than a frame may be.
    """
    (length,) = frames.LENGTH.unpack(_read_bytes(room, frames.LENGTH.size, until))
    if length > frames.MOST_BYTES:
        raise frames.FrameError(f"{length:,} bytes are more than {frames.MOST_BYTES:,}")
    return _read_bytes(room, length, until)


def _read_bytes(room: HasProcess, size: int, until: float) -> bytes:
    pipe, found = room.process.stdout.fileno(), bytearray()
    while len(found) < size:
        _wait(reading=pipe, until=until)
        part = os.read(pipe, min(size - len(found), 2**20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def _wait(*, reading: int | None = None, writing: int | None = None, until: float) -> None:
    left = until - time.monotonic()
    ends = [[] if end is None else [end] for end in (reading, writing)]
    if left <= 0 or not any(select.select(*ends, [], left)):
        raise TimeoutError
