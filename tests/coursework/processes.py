"""Commands of the grader as processes, and what they start."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

PACKAGE = Path(__file__).parents[2]
WORKER = "coursework.worker"


def start(*command: str, **options: object) -> subprocess.Popen:
    """Start a module of Python as a shell would in the foreground."""
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=PACKAGE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def wait_for(condition: Callable[[], object], seconds: float = 120) -> object:
    """Wait until a condition returns something, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"not within {seconds} s")


def busy_workers(pid: int) -> list[psutil.Process]:
    """Return the processes below another that hold a process which is grading something."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if WORKER in process.cmdline() and process.children(recursive=True):
                parent = process.parent()
                if parent and WORKER not in parent.cmdline():
                    found.append(parent)
        except psutil.NoSuchProcess:
            continue
    return found
