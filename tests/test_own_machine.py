"""The view of the machine in which tests make accounts: nothing of it is left."""

import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.own_machine import ROOT, SPACE, own_machine, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
READY = b"ready\n"


@pytest.fixture
def view(tmp_path):
    """A program that has made an account and waits; the folder is on the real machine."""
    command = own_machine("tests.own_machine_probe")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == READY
        yield process
        process.kill()


def names() -> set[str]:
    return {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}


def test_what_is_made_inside_is_not_seen_outside(view):
    assert "probe" not in names()
    assert not (SPACE / "home").exists()
    assert not Path("/tmp/left-by-the-probe").exists()
    said, _ = view.communicate(b"\n", timeout=20)
    assert said.decode().split() == ["probe", "lo", "refused", "closed"]
    assert view.returncode == 0


def test_all_processes_end_with_the_one_that_was_started(view):
    own, *_ = psutil.Process(view.pid).children(recursive=True)
    space = namespace(own.pid)
    assert space not in (None, namespace(os.getpid()))
    view.kill()
    view.wait()
    end = time.monotonic() + 20
    while space in map(namespace, psutil.pids()):
        assert time.monotonic() < end
        time.sleep(0.05)


def namespace(process: int) -> int | None:
    """Return the number of a process's namespace of processes, or None if it has ended."""
    try:
        return os.stat(f"/proc/{process}/ns/pid").st_ino
    except OSError:
        return None
