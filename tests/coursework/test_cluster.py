"""Real clusters of Dask: a worker killed, a run interrupted, workers that are started elsewhere."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from coursework.course import student_notebook
from tests.coursework.processes import busy_workers, start, wait_for
from tests.coursework.submissions import needs_room, save, solved, with_bug

pytestmark = needs_room
GRADE = "coursework.grading"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Submissions with points of every kind, two of them the same file."""
    folder = tmp_path_factory.mktemp("cluster") / "class"
    for student, notebook in {
        "ada": solved(),
        "bob": with_bug("padding-positions"),
        "cy": student_notebook(),
        "eve": student_notebook(),
    }.items():
        save(notebook, folder, student)
    (folder / "eve/module15.ipynb").write_bytes((folder / "cy/module15.ipynb").read_bytes())
    return folder


def marks(root: Path) -> list[dict[str, str]]:
    with (root / "marks.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def all_below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.fixture(scope="module")
def alone(folder):
    """The class graded by one worker, in a run that was interrupted after the first."""
    root = folder.with_name("alone")
    command = (GRADE, str(folder), "--output", str(root), "--jobs", "1")
    run = start(*command)
    wait_for(lambda: (root / "progress.json").exists() or run.poll() is not None)
    wait_for(lambda: busy_workers(run.pid))
    started = all_below(run.pid)
    run.send_signal(signal.SIGINT)
    first, _ = run.communicate(timeout=120)
    second, _ = (again := start(*command)).communicate(timeout=300)
    _, left = psutil.wait_procs(started, timeout=20)
    return root, (run.returncode, first), (again.returncode, second), left


def test_an_interrupted_run_says_so_leaves_nothing_and_goes_on(alone):
    root, (code, first), (code_again, second), left = alone
    assert code == 130, first
    assert "stopped: the same command goes on from here" in first
    assert "Traceback" not in first
    assert left == []
    count = sum(line.startswith(f"{i}/4 ") for i in range(5) for line in first.splitlines())
    assert 1 <= count < 4
    assert code_again == 0, second
    assert f"{count} submissions were graded before" in second
    assert f"{4 - count}/{4 - count} " in second
    assert [row["points"] for row in marks(root)] == ["60.0", "52.0", "0.0", "0.0"]


def test_a_killed_worker_loses_nothing_and_marks_are_those_of_one(folder, alone):
    root = folder.with_name("killed")
    run = start(GRADE, str(folder), "--output", str(root), "--jobs", "2")
    wait_for(lambda: (root / "progress.json").exists() or run.poll() is not None)
    worker, *_ = wait_for(lambda: busy_workers(run.pid))
    below = worker.children(recursive=True)
    worker.kill()
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert "a worker ended: its" in said
    assert "4 of 4 submissions graded" in said
    assert marks(root) == marks(alone[0])
    _, left = psutil.wait_procs(below, timeout=20)
    assert left == []


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler of Dask's own, and a function that starts a worker of Dask's own."""
    file = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(file)]
    host = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    processes = [dask("scheduler", *options, *host)]

    def add(**environment: str) -> subprocess.Popen:
        wait_for(file.exists)
        more = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)]
        processes.append(dask("worker", *options, *more, environment=environment))
        return processes[-1]

    yield file, add
    for process in processes[::-1]:
        process.terminate()
        process.wait(60)


def dask(*command: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("dask")), *command],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | (environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def address(file: Path) -> str:
    return json.loads(file.read_text())["address"]


def test_workers_elsewhere_grade_and_one_without_rooms_refuses(folder, scheduler, tmp_path, alone):
    file, add = scheduler
    bad = add(PATH=str(tmp_path))
    root, two = tmp_path / "course", tmp_path / "two"
    for student in ("bob", "cy"):
        shutil.copytree(folder / student, two / student)
    command = (GRADE, str(two), "--output", str(root), "--scheduler")
    wait_for(file.exists)
    run = start(*command, address(file))
    said, _ = run.communicate(timeout=200)
    assert run.returncode == 2, said
    assert "1 of 1 workers cannot grade; mend or remove them:" in said
    assert "apt install bubblewrap" in said
    bad.terminate()
    bad.wait(60)
    add()
    run = start(*command, address(file))
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert marks(root) == marks(alone[0])[1:3]


def test_where_no_scheduler_is_the_error_says_so(folder, tmp_path):
    root = tmp_path / "course"
    run = start(GRADE, str(folder), "--output", str(root), "--scheduler", "tcp://127.0.0.1:9")
    said, _ = run.communicate(timeout=200)
    assert run.returncode == 2
    assert "error: no scheduler of Dask at tcp://127.0.0.1:9" in said
    assert "Traceback" not in said
