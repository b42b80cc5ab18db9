"""Handing tasks out: few at a time, each answered once, whatever a worker says of itself."""

import gc
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from dask._task_spec import Task as DaskTask
from distributed import Client, LocalCluster

from coursework import cluster
from coursework.bounds import Limits
from coursework.cluster import AHEAD, MOST_REFUSALS, hand_out, open_cluster
from coursework.work import Answer, Task

THREADS = 2


@pytest.fixture(scope="module")
def client():
    """A cluster of threads in this process."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=THREADS,
            processes=False,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        ) as local,
        Client(local) as one,
    ):
        yield one


def as_said(message: bytes) -> bytes:
    """Stand for `grade_here`: the file is the answer."""
    time.sleep(0.01)
    data = Task.unpack(message).data
    if data == b"raise":
        raise OSError("no\x1b space")
    return data


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    monkeypatch.setattr(cluster, "grade_here", as_said)


def task(student: str, data: bytes) -> Task:
    return Task(student, data, 1, Limits(), "version")


def test_no_more_tasks_are_taken_than_the_workers_need(client):
    taken = []

    def tasks():
        for index in range(40):
            taken.append(index)
            yield task(f"student{index}", Answer(seconds=float(index)).pack())

    answers = {}
    for done, answer in hand_out(client, tasks(), print):
        answers[done.student] = answer.seconds
        assert len(taken) - len(answers) <= AHEAD * THREADS
    assert answers == {f"student{index}": float(index) for index in range(40)}


def test_a_worker_that_cannot_grade_is_told_of_and_the_submission_tried_elsewhere(client):
    said = []
    tasks = [task("ada", Answer(unable="no rooms here").pack()), task("bob", Answer().pack())]
    answers = {done.student: answer for done, answer in hand_out(client, tasks, said.append)}
    assert answers == {
        "ada": Answer(failed="no worker could grade it: no rooms here"),
        "bob": Answer(),
    }
    assert said == ["a worker cannot grade: no rooms here"] * MOST_REFUSALS


@pytest.mark.parametrize(
    ("data", "failed"),
    [
        (b"raise", "OSError: no\\x1b space"),
        (b"{}", "the worker's answer has not the form of one"),
        (b"\xff", "'utf-8' codec can't decode"),
    ],
)
def test_whatever_comes_back_is_an_answer(client, data, failed):
    ((_, answer),) = hand_out(client, [task("ada", data)], print)
    assert answer.failed.startswith(failed)


def test_nothing_is_handed_out_if_there_is_nothing(client):
    assert list(hand_out(client, [], print)) == []


def test_other_users_of_the_machine_cannot_use_the_cluster():
    with open_cluster(1) as ours:
        address = ours.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        for other in (address, address.replace("tls", "tcp")):
            with pytest.raises((OSError, TypeError)):
                Client(other, timeout=2)
        port = ours.scheduler_info()["services"]["dashboard"]
        for page in ("", "info/main/workers.html", "json/counts.json", "status"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(f"http://127.0.0.1:{port}/{page}", timeout=20)
        assert ours.submit(sum, [1, 2]).result() == 3


def said_again(message: bytes) -> bytes:
    """The same, told from what other tests have handed out."""
    return as_said(message)


def test_few_files_are_kept_after_their_answers(monkeypatch):
    monkeypatch.setattr(cluster, "grade_here", said_again)
    tasks = [task(f"student{index}", Answer().pack()) for index in range(60)]
    with open_cluster(1) as client:
        assert len(list(hand_out(client, tasks, print))) == len(tasks)
        gc.collect()
        kept = [one for one in gc.get_objects() if isinstance(one, DaskTask)]
        assert sum(one.func is said_again for one in kept) <= len(tasks) / 2
