"""Grade submissions, each in a process of its own: ``python -m coursework.worker``.

This process reads tasks from its standard input and writes answers to its standard output. It has
imported all that grading needs, and forks for each task: what a submission breaks is its own. When
whoever started it is gone, it ends, and what it started ends with it.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from threading import Thread

from coursework.bounds import limit_memory
from coursework.escaping import printable
from coursework.frames import LENGTH
from coursework.own_notebook import released_notebook
from coursework.work import Answer, ByHand, Task, grade, page_for_student

READY = Answer()
"""What is said first, when everything is imported."""


def serve(questions: int, answers: int) -> None:
    """Answer tasks until there are no more.

    Parameters
    ----------
    questions, answers : int
        Descriptors of pipes. A message is a length and so many bytes.
    """
    page_for_student(released_notebook(), {}, ByHand())  # fills what is kept from page to page
    write_message(answers, READY.pack())
    while (message := read_message(questions)) is not None:
        child = os.fork()
        if child == 0:
            answer_one(message, questions, answers)
        _, status = os.waitpid(child, 0)
        if status:
            write_message(answers, Answer(failed=_how(status)).pack())


def answer_one(message: bytes, questions: int, answers: int) -> None:
    """Answer one task, and end this process."""
    try:
        end_with(questions)
        task = Task.unpack(message)
        limit_memory(task.limits.memory_gib)
        try:
            answer = grade(task)
        except MemoryError:
            answer = Answer(failed="the grader's own process was out of memory")
        except Exception as error:
            answer = Answer(failed=f"{type(error).__name__}: {printable(str(error))}")
        write_message(answers, answer.pack())
        os._exit(0)
    finally:
        os._exit(1)


def end_with(pipe: int) -> None:
    """End this process, and with it its rooms, when the other end of a pipe is closed."""

    def watch() -> None:
        poll = select.poll()
        poll.register(pipe, 0)  # that it is closed is always told
        poll.poll()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    ended = f"was ended by signal {-code}" if code < 0 else "ended without a word"
    return f"the grader's own process {ended}"


def read_message(pipe: int) -> bytes | None:
    """Read a message; return None if there are no more."""
    head = _read(pipe, LENGTH.size)
    return _read(pipe, LENGTH.unpack(head)[0]) if head else None


def _read(pipe: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = os.read(pipe, min(size - len(found), 2**20))
        if not part:
            return b""
        found += part
    return bytes(found)


def write_message(pipe: int, message: bytes) -> None:
    """Write a message."""
    left = memoryview(LENGTH.pack(len(message)) + message)
    while left:
        left = left[os.write(pipe, left) :]


def main() -> None:
    """Serve, with pipes that nothing inherits; whoever reads them is done when this process is."""
    pipes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    with suppress(BrokenPipeError):
        serve(*pipes)


if __name__ == "__main__":
    main()
