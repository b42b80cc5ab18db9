"""Attacks on the grader: no points without the work, and the neighbour graded as ever."""

import json
import os
import socket
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from coursework.bounds import Limits
from coursework.course import open_gradebook
from coursework.judge import judge
from tests.coursework.attacks import (
    ENDS_ALL,
    FLOODS,
    ON_THE_JUDGE,
    POINTS,
    SOURCE,
    SPY,
    STAYS,
    WITHOUT_A_CACHE,
    attacked,
)
from tests.coursework.submissions import INTEGRATION, cell_of, changed, needs_room, save, solved
from tests.coursework.test_grading import grade, marks
from tests.coursework.test_room import running

PACKAGE = Path(__file__).parents[2]
pytestmark = needs_room
LIMITS = Limits(cell_seconds=1, student_seconds=8, memory_gib=2)


@pytest.mark.parametrize("name", [*POINTS, *ON_THE_JUDGE])
def test_no_points_without_the_work(name):
    verdicts = judge(attacked((POINTS | ON_THE_JUDGE)[name]), LIMITS)
    assert {test: verdict.points for test, verdict in verdicts.items() if verdict.points} == {}
    for verdict in verdicts.values():
        assert verdict.message
        assert len(verdict.message) < 2_000
        assert verdict.message.isprintable()
    assert not Path("/tmp/unpickled-by-the-judge").exists()


@pytest.mark.parametrize("name", WITHOUT_A_CACHE)
def test_text_without_a_cache_is_worth_nothing(name):
    notebook = changed("generate_cached", WITHOUT_A_CACHE[name])
    verdicts = judge(notebook, Limits(), only=INTEGRATION)
    assert {verdict.points for verdict in verdicts.values()} == {0}
    assert all("of the processor" in verdict.message for verdict in verdicts.values())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Attacks and an honest submission, graded in one command, as `make grade` does."""
    folder = tmp_path_factory.mktemp("attacked") / "submissions"
    root = folder.with_name("submissions-graded")
    marker = f"stays-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        places = [SOURCE, root / "gradebook.db", root / "source", folder / "honest/module15.ipynb"]
        places += [PACKAGE / ".git/hooks/post-commit", Path("/etc/passwd"), Path.home() / ".bashrc"]
        port = listener.getsockname()[1]
        spy = SPY.format(places=[str(place) for place in places], port=port)
        save(attacked(spy), folder, "spy")
        gradebook = str(root / "gradebook.db")
        save(attacked(STAYS.format(gradebook=gradebook, marker=marker)), folder, "stays")
        save(attacked(ENDS_ALL), folder, "ends-all")
        floods = attacked(FLOODS[0])
        for source in FLOODS[1:]:
            floods.cells.insert(2, new_code_cell(source))
        save(floods, folder, "floods")
        fakes = attacked(POINTS["ast"])
        fakes.cells[1:1] = [new_code_cell(POINTS[name]) for name in ("success", "session")]
        save(fakes, folder, "fakes")
        loud = "import logging\nlogging.warning('careful')\nprint('a lot ' * 100)"
        honest = solved()
        cell_of(honest, "kv_cache").source += f"\n{loud}"
        save(honest, folder, "honest")
        done = grade(folder, "--jobs", "2", "--cell-seconds", "10")
        reached = True
        try:
            listener.accept()
        except TimeoutError:
            reached = False
    return folder, done, marker, reached


def shown(folder: Path, student: str) -> str:
    """Return all that a submission's cells showed."""
    root = folder.with_name("submissions-graded")
    (file,) = root.glob(f"autograded/{student}/*/module15.ipynb")
    return json.dumps([cell.get("outputs") for cell in nbformat.read(file, 4).cells])


def test_attackers_get_nothing_and_the_neighbour_all(run):
    folder, done, *_ = run
    assert done.returncode == 0, done.stdout
    points = {student: row["points"] for student, row in marks(folder).items()}
    assert points.pop("honest") == "60.0"
    assert set(points.values()) == {"0.0"}


def test_a_spy_finds_writes_and_sends_nothing(run):
    folder, _, _, reached = run
    assert not reached
    assert r"found []\n" in shown(folder, "spy").replace("\\\\", "\\")
    assert not (PACKAGE / ".git/hooks/post-commit").exists()


def test_nothing_stays_and_no_mark_is_changed_later(run):
    folder, _, marker, _ = run
    assert running(marker) == []
    assert "forks ended" in shown(folder, "stays")
    with open_gradebook(folder.with_name("submissions-graded")) as book:
        submission = book.find_submission_notebook("module15", "kv_caching", "stays")
        assert {grade.manual_score for grade in submission.grades} == {None}


def test_floods_are_small_on_the_page_and_on_the_disk(run):
    folder, *_ = run
    root = folder.with_name("submissions-graded")
    (page,) = root.glob("feedback/floods/*/module15.html")
    assert page.stat().st_size < 3_000_000
    files = [file for file in root.rglob("*") if file.is_file() and "floods" in str(file)]
    assert sum(file.stat().st_size for file in files) < 10_000_000


def test_the_page_of_a_fake_says_what_was_wrong(run):
    folder, *_ = run
    assert "Graded: 0 of 8 points." in shown(folder, "fakes")
    assert "Graded: 8 of 8 points." in shown(folder, "honest")
    for student in ("fakes", "honest"):
        assert "HIDDEN" not in shown(folder, student)
