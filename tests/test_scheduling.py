"""Which process gets which tests: files whole, what shares a browser together, long ones first."""

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("xdist")

from tests.scheduling import LONGEST, TOGETHER, LongestFirst

ROOT = Path(__file__).parents[1]


class Process:
    """A worker that notes what it is sent."""

    shutting_down = False

    def __init__(self, name: str):
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def run_all(tests: list[str], num_processes: int) -> list[list[str]]:
    """Let processes finish their tests in turns; return what each one ran, in order."""
    config = SimpleNamespace(
        getvalue=lambda name: [f"{num_processes}*popen"],
        option=SimpleNamespace(loadscopereorder=True),
    )
    scheduler = LongestFirst(config)
    processes = [Process(f"gw{number}") for number in range(num_processes)]
    for process in processes:
        scheduler.add_node(process)
        scheduler.add_node_collection(process, tests)
    scheduler.schedule()
    done = [0] * num_processes
    while sum(done) < len(tests):
        for number, process in enumerate(processes):
            if done[number] < len(process.sent):
                scheduler.mark_test_complete(process, process.sent[done[number]])
                done[number] += 1
    return [[tests[index] for index in process.sent] for process in processes]


def test_each_test_runs_once_and_what_belongs_together_in_one_process():
    tests = [f"tests/core/test_{name}.py::test_{n}" for name in "abc" for n in range(5)]
    tests += [f"tests/browser/engine/test_{name}.py::test_a" for name in "ab"]
    browsers = ("chromium-1", "1-firefox", "webkit")
    tests += [f"tests/browser/test_d.py::test_{n}[{one}]" for n in "xyz" for one in browsers]
    ran = run_all(tests, 2)
    assert sorted(ran[0] + ran[1]) == sorted(tests)
    for words in ("test_a.py::test_", "test_b.py::test_", "test_c.py::test_", *browsers):
        of_one = [sum(words in test for test in part if "engine/" not in test) for part in ran]
        assert min(of_one) == 0 < max(of_one)
    assert min(sum("browser/engine/" in test for test in part) for part in ran) == 0


def test_what_takes_long_begins_first_wherever_it_is_collected():
    files = [place if place.endswith(".py") else f"{place}test_x.py" for place in LONGEST]
    tests = [f"tests/analysis/test_{n}.py::test_{k}" for n in range(4) for k in range(3)]
    tests += [f"{file}::test_{k}" for file in reversed(files) for k in range(3)]
    (ran,) = run_all(tests, 1)
    assert list(dict.fromkeys(test.split("::")[0] for test in ran))[: len(files)] == files


@pytest.mark.parametrize("place", [*TOGETHER, *LONGEST])
def test_every_place_is_there(place):
    assert (ROOT / place).exists()
