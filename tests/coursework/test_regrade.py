"""Old submissions judged again: what would change is listed, and nothing changes until then."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from rich.console import Console

from coursework.bounds import Limits
from coursework.course import CourseError, open_gradebook, stamp_of, student_notebook, version
from coursework.grading import finish, grade_all
from coursework.proposal import Change, Proposal, listed
from coursework.regrade import accept, propose
from coursework.work import Answer
from tests.coursework.made_up import ALL, MadeUpWorkers, answer
from tests.coursework.processes import PACKAGE
from tests.coursework.submissions import needs_room, save, solved

pytestmark = pytest.mark.filterwarnings(
    "ignore:Object of type:sqlalchemy.exc.SAWarning"
)  # nbgrader
LOST = {"ada": {}, "bob": {"test_padding": "wrong"}, "cy": {"test_memory": "=HYPERLINK(1)"}}


@pytest.fixture
def folder(graded, tmp_path):
    """A copy of a graded class."""
    shutil.copytree(graded, tmp_path, dirs_exist_ok=True)
    return tmp_path / "class"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class that is graded: bob lost test_padding, cy test_memory, dan was not graded."""
    tmp_path = tmp_path_factory.mktemp("graded")
    folder = tmp_path / "class"
    for student in ("ada", "bob", "cy", "dan"):
        save(student_notebook(), folder, student)
    workers = MadeUpWorkers(
        lambda task: answer(**LOST[task.student]) if task.student in LOST else Answer(refused="no")
    )
    outcomes = grade_all(folder, tmp_path / "course", Limits(), workers, quiet())
    finish(tmp_path / "course", outcomes, quiet())
    return tmp_path


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def state(root) -> dict[str, object]:
    """Return all that a course folder says of marks."""
    files = {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and file.suffix in (".ipynb", ".html", ".csv", ".svg", ".txt")
    }
    with open_gradebook(root) as book:
        for student in LOST:
            submission = book.find_submission_notebook("module15", "kv_caching", student)
            files[student] = sorted(
                (g.name, g.auto_score, g.manual_score, g.needs_manual_grade)
                for g in submission.grades
            )
    return files


def again(folder, tasks=tuple(ALL), **lost: dict[str, str]) -> tuple[Proposal, MadeUpWorkers, str]:
    """Judge again with workers that say what each student loses now."""
    workers, console = MadeUpWorkers(lambda task: answer(**(LOST | lost)[task.student])), quiet()
    root = folder.with_name("course")
    proposal = propose(folder, root, tuple(tasks), Limits(), workers, console)
    proposal.save(root)
    return proposal, workers, console.file.getvalue()


def test_the_same_tests_change_nothing(folder):
    proposal, workers, said = again(folder)
    assert proposal.changes == []
    assert [task.student for task in workers.tasks] == ["ada", "bob", "cy"]
    assert all(task.only == tuple(ALL) for task in workers.tasks)
    assert said.splitlines()[-1] == "3/3 cy: as before, 0.0 s"


def test_one_task_is_judged_and_nothing_else(folder):
    lost = {"test_padding": "new", "test_memory": "new"}
    proposal, workers, _ = again(folder, ["test_padding"], ada=lost, bob={})
    assert {task.only for task in workers.tasks} == {("test_padding",)}
    assert proposal.changes == [
        Change("ada", "test_padding", 8.0, 0.0, "new"),
        Change("bob", "test_padding", 0.0, 8.0, ""),
    ]


def test_differences_are_listed_and_nothing_is_overwritten_until_accepted(folder):
    root = folder.with_name("course")
    before = state(root)
    proposal, _, said = again(folder, ada={"test_speedup": "=1+1"}, bob={})
    assert "1/3 ada: 1 would change" in said
    table = listed(proposal.changes)
    for words in ("ada test_speedup 4 0 =1+1", "bob test_padding 0 8"):
        assert words in re.sub(" +", " ", table)
    after = state(root)
    assert after.pop("regrade.csv")
    assert after == before
    with (root / "regrade.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [list(row.values()) for row in rows] == [
        ["ada", "test_speedup", "4.0", "0.0", "'=1+1"],
        ["bob", "test_padding", "0.0", "8.0", ""],
    ]


def test_what_is_accepted_is_in_gradebook_marks_notebook_and_page(folder):
    root = folder.with_name("course")
    before = state(root)
    again(folder, ada={"test_speedup": "count again"})
    outcomes = accept(folder, root, quiet())
    finish(root, outcomes, quiet())
    with (root / "marks.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["student"]: row for row in csv.DictReader(stream)}
    assert [rows[s]["points"] for s in ("ada", "bob", "cy", "dan")] == ["56.0", "52.0", "57.0", ""]
    assert rows["ada"]["test_speedup"] == "0.0"
    notebook = nbformat.read(root / "autograded/ada/kv_caching/module15.ipynb", as_version=4)
    (cell,) = (
        c
        for c in notebook.cells
        if c.metadata.get("nbgrader", {}).get("points") == 4
        and c.metadata.nbgrader.grade_id == "test_speedup"
    )
    assert cell.outputs[0].text == "Graded: 0 of 4 points.\ncount again\n"
    page = (root / "feedback/ada/kv_caching/module15.html").read_text(encoding="utf-8")
    assert "(Score: 56.0 / 70.0)" in page
    assert "count again" in page
    after = state(root)
    for student in ("bob", "cy"):
        for name in (student, f"feedback/{student}/kv_caching/module15.html"):
            assert after[name] == before[name]
    (kept,) = root.glob("regraded-*.csv")
    assert "test_speedup,4.0,0.0" in kept.read_text(encoding="utf-8")
    assert not (root / "regrade.json").exists()
    assert again(folder, ada={"test_speedup": "count again"})[0].changes == []


def test_points_given_by_hand_stay(folder):
    root = folder.with_name("course")
    with open_gradebook(root) as book:
        book.find_grade("test_padding", "module15", "kv_caching", "bob").manual_score = 5.0
        book.db.commit()
    proposal, _, said = again(folder, bob={})
    assert proposal.changes == []
    assert "bob: test_padding was given by hand, and stays" in said


def test_what_changed_since_is_not_accepted(folder):
    root = folder.with_name("course")
    again(folder, ada={"test_speedup": "x"})
    with open_gradebook(root) as book:
        book.find_grade("test_speedup", "module15", "kv_caching", "ada").auto_score = 1.0
        book.db.commit()
    before = state(root)
    with pytest.raises(CourseError, match="the mark of ada for test_speedup has changed since"):
        accept(folder, root, quiet())
    again(folder, ada={"test_speedup": "x"})
    entries = json.loads((root / "progress.json").read_text())
    entries["ada"]["digest"] = "another"
    (root / "progress.json").write_text(json.dumps(entries))
    with pytest.raises(CourseError, match="ada was graded since"):
        accept(folder, root, quiet())
    data = json.loads((root / "regrade.json").read_text())
    (root / "regrade.json").write_text(json.dumps(data | {"version": "of yesterday"}))
    with pytest.raises(CourseError, match="the tests have changed since"):
        accept(folder, root, quiet())
    after = state(root)
    assert after.pop("regrade.csv")
    assert before.pop("regrade.csv")
    assert after == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"changes": [{}]}', '{"changes": 3}'])
def test_a_proposal_that_cannot_be_read_or_is_not_there_is_an_error(tmp_path, text):
    with pytest.raises(CourseError, match="regrade without --accept first"):
        Proposal.load(tmp_path)
    (tmp_path / "regrade.json").write_text(text)
    with pytest.raises(CourseError, match="regrade again"):
        Proposal.load(tmp_path)


def test_what_cannot_be_regraded_is_an_error_in_words(folder, tmp_path):
    with pytest.raises(CourseError, match="no test test_nothing: there are test_profile_naive"):
        again(folder, ["test_nothing"])
    with pytest.raises(CourseError, match="there are no marks in"):
        propose(folder, tmp_path, ("test_padding",), Limits(), MadeUpWorkers(), quiet())
    (folder.with_name("course") / "version.txt").write_text("of yesterday")
    with pytest.raises(CourseError, match="another version of the assignment"):
        again(folder)


@needs_room
def test_a_changed_test_is_applied_to_old_submissions(tmp_path):
    """Real grading, then a copy of the grader whose judge asks for more, and real judging again."""
    folder, root = tmp_path / "class", tmp_path / "class-graded"
    save(solved(), folder, "ada")
    save(student_notebook(), folder, "bob")
    assert run("coursework.grading", folder).returncode == 0
    stamp, other = stamp_of(root), tmp_path / "other"
    shutil.copytree(PACKAGE / "coursework", other / "coursework")
    judge = other / "coursework/judge/analysing.py"
    text = judge.read_text(encoding="utf-8")
    stricter = 'require(False, "this is asked since today")'
    place = text.index('"""\n', text.index('"""', text.index("def test_memory")) + 3) + 4
    judge.write_text(f"{text[:place]}    {stricter}\n{text[place:]}", encoding="utf-8")
    refused = run("coursework.grading", folder, package=other)
    assert refused.returncode == 2
    assert "holds marks by other tests than those of today: `make regrade`" in refused.stdout
    options = ("--task", "test_memory")
    told = run("coursework.regrade", folder, *options, package=other)
    assert told.returncode == 0, told.stdout
    assert re.search("ada +test_memory +3 +0 +this is asked since today", told.stdout)
    assert "1 marks of 1 students would change, of 2 judged" in told.stdout
    assert stamp_of(root) == stamp
    accepted = run("coursework.regrade", folder, "--accept", package=other)
    assert accepted.returncode == 0, accepted.stdout
    assert stamp_of(root)[0] == stamp[0]
    assert stamp_of(root)[1] != stamp[1] == version()
    with (root / "marks.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["points"] for row in csv.DictReader(stream)] == ["57.0", "0.0"]
    again = run("coursework.grading", folder, package=other)
    assert "2 submissions were graded before" in again.stdout
    assert again.returncode == 0


def run(module: str, *arguments: object, package=PACKAGE) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(package), str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=package,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
