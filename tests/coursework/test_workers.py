"""The process that grades: whatever becomes of it, there is an answer, and nothing stays."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from bs4 import BeautifulSoup

from coursework import graders
from coursework.bounds import Limits
from coursework.course import student_notebook, version
from coursework.graders import GradingProcess, grade_here, why_unable
from coursework.judge import points_of_tests
from coursework.work import Answer, ByHand, Task
from tests.coursework.processes import PACKAGE, wait_for
from tests.coursework.submissions import changed, needs_room, save, with_bug

LIMITS = Limits(cell_seconds=8, student_seconds=150)
SLOW = "import time\ntime.sleep(60)"


def task_for(notebook, tmp_path, **options) -> Task:
    data = save(notebook, tmp_path, f"student{len(list(tmp_path.iterdir()))}").read_bytes()
    return Task("ada", data, 7, options.pop("limits", LIMITS), version(), **options)


@pytest.fixture(scope="module")
def process():
    one = GradingProcess()
    yield one
    one.end()


def answered(process: GradingProcess, task: Task) -> Answer:
    return Answer.unpack(process.answer(task.pack(), task.limits.student_seconds))


def test_a_task_and_an_answer_travel_as_they_are():
    by_hand = ByHand({"written_why": 1.5}, {"written_speed": 0.5}, {"written_why": "Höre"})
    task = Task("ada", bytes(range(256)), 2**64 - 1, LIMITS, "v", ("test_padding",), by_hand)
    assert Task.unpack(task.pack()) == task
    answer = Answer(points={"test_padding": 8.0}, feedback="<p>\U0001f600\ud800</p>", seconds=1.5)
    assert Answer.unpack(answer.pack()) == answer


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b"{}",
        Answer().pack().replace(b'"points": {}', b'"points": []'),
        Answer().pack().replace(b'"points": {}', b'"points": {"a": "8"}'),
        Answer().pack().replace(b'"messages": {}', b'"messages": {"a": {}}'),
        Answer().pack().replace(b'"feedback": ""', b'"feedback": 3'),
        Answer().pack().replace(b"{", b'{"more": 1, ', 1),
    ],
)
def test_what_is_no_answer_is_refused(message):
    with pytest.raises((ValueError, AttributeError)):
        Answer.unpack(message)


@needs_room
def test_an_answer_is_whole_and_the_same_each_time(process, tmp_path):
    said = ByHand({"written_why": 1.5}, {"test_memory": 0.25}, {"written_why": "Well <b>said</b>"})
    task = task_for(with_bug("padding-positions"), tmp_path, by_hand=said)
    first, second = (answered(process, task) for _ in range(2))
    for name in ("points", "messages", "unanswered", "missing_cells"):
        assert getattr(first, name) == getattr(second, name)
    assert (first.refused, first.failed, first.unable) == ("", "", "")
    most = points_of_tests()
    lost = {name for name in most if first.points[name] == 0}
    assert lost == {"test_padding"} == set(first.messages)
    assert {name: first.points[name] for name in most if name not in lost} == {
        name: points for name, points in most.items() if name not in lost
    }
    text = BeautifulSoup(first.feedback, "html.parser").get_text(" ", strip=True)
    assert "module15 (Score: 53.75 / 70.0)" in text
    assert "Well said" in text


@needs_room
def test_one_test_asks_the_same_alone_as_among_all(process, tmp_path):
    task = task_for(with_bug("last-layer"), tmp_path)
    whole = answered(process, task)
    for name in ("test_padding", "test_enable_layers", "test_memory"):
        alone = answered(process, replace(task, only=(name,)))
        assert alone.points == {name: whole.points[name]}
        assert alone.messages == {n: m for n, m in whole.messages.items() if n == name}
        assert (alone.feedback, alone.autograded) == ("", "")


@needs_room
def test_a_process_that_is_killed_is_an_answer_and_the_next_is_graded(process, tmp_path):
    untouched = task_for(student_notebook(), tmp_path, only=("test_memory",))
    assert answered(process, untouched).points == {"test_memory": 0.0}
    slow = task_for(changed("profile_naive", SLOW), tmp_path).pack()
    own = psutil.Process(process.process.pid)
    with subprocess.Popen([sys.executable, "-c", KILLER, str(own.pid)]) as killer:
        answer = Answer.unpack(process.answer(slow, 100))
    assert killer.returncode == 0
    assert answer.failed == "the grader's own process was ended by signal 9"
    assert process.process.pid == own.pid
    assert answered(process, untouched).points == {"test_memory": 0.0}


KILLER = """
import sys, time, psutil
server = psutil.Process(int(sys.argv[1]))
while not server.children():
    time.sleep(0.05)
(child,) = server.children()
while not child.children():  # until it has a room
    time.sleep(0.05)
child.kill()
"""


@needs_room
def test_a_submission_that_takes_too_long_is_ended_with_all_it_started(tmp_path):
    process = GradingProcess()
    task = task_for(changed("profile_naive", SLOW), tmp_path)
    answered(process, replace(task, only=("test_memory",), data=b""))  # started
    own = psutil.Process(process.process.pid)
    answer = Answer.unpack(process.answer(task.pack(), 2))
    assert answer.refused == "it ran longer than 2 s"
    assert process.process is None
    assert not own.is_running()


READY = r"printf '\002\000\000\000\000\000\000\000{}'; "


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", ("", "the process that graded it ended without a word")),
        ("kill -9 $$", ("", "the process that graded it ended without a word")),
        (READY + "exit 3", ("", "the process that graded it ended without a word")),
        (READY + "cat", ("", "the process that graded it ended without a word")),
        (READY + "sleep 60", ("it ran longer than 2 s", "")),
        (
            READY + "while true; do (true & true) & true; done",
            ("it ran longer than 2 s", ""),
        ),
    ],
)
def test_however_the_process_ends_there_is_an_answer(monkeypatch, tmp_path, script, said):
    stand_in = tmp_path / "worker"
    # What it is told it gives back with a length that is too large for a frame.
    script = script.replace("cat", r"printf '\377\377\377\377\377\377\377\377'; sleep 60")
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(graders, "COMMAND", [str(stand_in)])
    process = GradingProcess()
    answer = Answer.unpack(process.answer(b"{}", 2))
    assert (answer.refused, answer.failed) == said
    assert process.process is None


def test_an_error_of_the_grader_is_an_answer_in_printable_words(monkeypatch, tmp_path):
    code = (
        "from coursework import worker\n"
        "def fail(task):\n    raise OSError('no\\x1b space')\n"
        "worker.grade = fail\nworker.main()\n"
    )
    monkeypatch.setattr(graders, "COMMAND", [sys.executable, "-c", code])
    process = GradingProcess()
    answer = answered(process, task_for(student_notebook(), tmp_path))
    process.end()
    assert answer.failed == "OSError: no\\x1b space"


def test_a_process_left_behind_does_not_hold_the_pipes():
    code = (
        "import os, subprocess\nfrom coursework import worker\n"
        "def leave(questions, answers):\n"
        "    left = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    subprocess.run(['sh', '-c', 'echo noise >&2; echo noise'])\n"
        "    os.write(answers, str(left.pid).encode())\n"
        "worker.serve = leave\nworker.main()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE, capture_output=True, text=True, timeout=50
    )
    os.kill(int(run.stdout), 9)
    assert (run.returncode, run.stderr) == (0, "")


@needs_room
def test_when_a_worker_of_dask_is_killed_nothing_of_it_goes_on(tmp_path):
    task = task_for(changed("profile_naive", SLOW), tmp_path)
    (tmp_path / "task").write_bytes(task.pack())
    code = (
        "import sys\nfrom coursework.graders import grade_here\n"
        "grade_here(open(sys.argv[1], 'rb').read())"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "task")], cwd=PACKAGE) as run:
        own = psutil.Process(run.pid)
        names = ("coursework.worker", "guest.py")
        wait_for(lambda: all(_below(own, name) for name in names))
        left = own.children(recursive=True)
        run.kill()
    _, alive = psutil.wait_procs(left, timeout=20)
    assert alive == []


def _below(process: psutil.Process, word: str) -> bool:
    for child in process.children(recursive=True):
        try:
            if any(word in part for part in child.cmdline()):
                return True
        except psutil.NoSuchProcess:
            continue
    return False


def test_a_worker_of_another_version_says_so(tmp_path):
    task = replace(task_for(student_notebook(), tmp_path), version="another")
    answer = Answer.unpack(grade_here(task.pack()))
    assert answer == Answer(unable="it has another version of the assignment or of the tests")


def test_a_worker_without_rooms_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    graders._checked_room.cache_clear()
    assert "apt install bubblewrap" in why_unable(version(), sandbox=True)
    assert why_unable(version(), sandbox=False) == ""


def test_the_seconds_of_an_answer_are_those_it_took(process, tmp_path):
    start = time.monotonic()
    answer = answered(process, task_for(student_notebook(), tmp_path, only=("test_memory",)))
    assert 0 < answer.seconds < time.monotonic() - start
