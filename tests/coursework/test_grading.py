"""Grading with the real nbgrader: right, wrong, unfinished and harmful submissions at once."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coursework.course import open_gradebook, student_notebook
from coursework.escaping import printable, spreadsheet_cell
from tests.coursework.submissions import (
    BUGS,
    HARMFUL,
    HONEST,
    ODD,
    needs_room,
    save,
    solved,
    with_bug,
)
from tests.coursework.test_feedback import dangers

pytestmark = needs_room

LIMITS = ["--cell-seconds", "8", "--student-seconds", "150", "--memory-gib", "6"]
PACKAGE = Path(__file__).parents[2]


def grade(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "coursework.grading", str(folder), *LIMITS, *options]
    return subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=False)


def marks(folder: Path) -> dict[str, dict[str, str]]:
    file = folder.with_name(f"{folder.name}-graded") / "marks.csv"
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["student"]: row for row in csv.DictReader(stream)}


def shown(name: str) -> str:
    """Return how marks.csv names the student of an odd submission."""
    return spreadsheet_cell(printable(name))


def lost(row: dict[str, str], full: dict[str, str]) -> set[str]:
    return {name for name in full if name.startswith("test_") and row[name] != full[name]}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """All submissions, graded in one command."""
    folder = tmp_path_factory.mktemp("course") / "submissions"
    save(solved(), folder, "reference")
    save(student_notebook(), folder, "untouched")
    for name in BUGS:
        save(with_bug(name), folder, name)
    for name, make in (HARMFUL | HONEST).items():
        save(make(), folder, name)
    for name, (make, _) in ODD.items():
        make(folder / name)
    return folder, grade(folder)


def test_every_submission_is_graded_or_reported(graded):
    folder, run = graded
    rows = marks(folder)
    assert run.returncode == 1
    assert len(rows) == len(list(folder.iterdir()))
    failed = {student for student, row in rows.items() if row["status"] != "graded"}
    assert failed == set(map(shown, ODD))
    assert f"{len(rows) - len(failed)} of {len(rows)} submissions graded" in run.stdout


def test_each_submission_is_a_line_and_the_class_is_summed_up(graded):
    folder, run = graded
    rows = marks(folder)
    lines = [line for line in run.stdout.splitlines() if "/" in line.split(" ")[0]]
    numbers = [int(line.split("/")[0]) for line in lines if line[0].isdigit()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > len([row for row in rows.values() if row["status"] == "graded"]) - 1
    (line,) = (line for line in lines if " reference: " in line)
    assert "60 of 60 points" in line
    root = folder.with_name("submissions-graded")
    with (root / "summary.csv").open(encoding="utf-8", newline="") as stream:
        summary = {row["task"]: row for row in csv.DictReader(stream)}
    for task, row in summary.items():
        given = [float(r[task]) for r in rows.values() if r["status"] == "graded" and r[task]]
        assert int(row["full"]) == sum(points == float(row["possible"]) for points in given)
        assert int(row["not_read"]) == len(
            [r for r in rows.values() if r["status"] == "graded"]
        ) - len(given)
    assert "Lost most often: test_profile_naive" in run.stdout
    assert "<desc>" in (root / "summary.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_a_row_with_a_sentence(graded, name):
    folder, run = graded
    row = marks(folder)[shown(name)]
    assert row["status"].startswith("not graded: ")
    assert ODD[name][1] in row["status"]
    assert (row["points"], row["missing_cells"]) == ("", "")
    assert row["status"] in run.stdout
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_notebook_keeps_every_point(graded, name):
    rows = marks(graded[0])
    assert lost(rows[name], rows["reference"]) == set()
    assert rows[name]["status"] == "graded"


def test_the_reference_gets_everything_and_the_untouched_nothing(graded):
    rows = marks(graded[0])
    assert (rows["reference"]["points"], rows["reference"]["max_points"]) == ("60.0", "70.0")
    assert rows["reference"]["written_why"] == ""
    assert rows["untouched"]["points"] == "0.0"


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_loses_its_tests(graded, bug):
    rows = marks(graded[0])
    assert lost(rows[bug], rows["reference"]) == BUGS[bug][2]


@pytest.mark.parametrize(
    "name", ["loops", "loops-on", "allocates", "syntax-error", "prints-100-mb", "exits"]
)
def test_a_harmful_cell_costs_its_own_task(graded, name):
    rows = marks(graded[0])
    assert lost(rows[name], rows["reference"]) == {"test_profile_naive"}


def test_edited_tests_are_restored(graded):
    rows = marks(graded[0])
    assert rows["edited-tests"]["points"] == "0.0"
    assert rows["edited-tests"]["max_points"] == "70.0"


def test_what_a_submission_leaves_on_the_disk_is_not_handed_back(graded):
    folder, _ = graded
    root = folder.with_name("submissions-graded")
    rows = marks(folder)
    assert lost(rows["meddles"], rows["reference"]) == set()
    for part in ("autograded", "feedback"):
        (file,) = (root / part / "meddles" / "kv_caching").iterdir()
        assert file.stem == "module15"


def test_a_submission_cannot_overwrite_what_was_handed_in(graded):
    folder, _ = graded
    rows = marks(folder)
    assert rows["meddles"]["status"] == "graded"
    assert rows["meddles"]["missing_cells"] == ""
    file = folder.with_name("submissions-graded") / "submitted/meddles/kv_caching"
    assert (file / "module15.ipynb").read_text() != "[]"


def test_feedback_is_safe_whatever_is_in_it(graded):
    folder, _ = graded
    pages = list(folder.with_name("submissions-graded").glob("feedback/*/*/module15.html"))
    assert len(pages) == sum(row["status"] == "graded" for row in marks(folder).values())
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "Content-Security-Policy" in text[:500]
        assert dangers(text) == []


def test_missing_cells_are_named_and_the_rest_is_graded(graded):
    rows = marks(graded[0])
    row = rows["missing-cells"]
    gone = "test_cache_update attend_rows enable_cache test_padding written_why"
    assert row["missing_cells"] == gone
    tests = {name for name in row if name.startswith("test_")}
    without_it = {name for name in tests if name.startswith("test_cache_")}
    without_it |= {"test_profile_naive", "test_memory", "test_speedup"}
    assert lost(row, rows["reference"]) == tests - without_it


def test_feedback_is_written_and_small(graded):
    folder, _ = graded
    feedback = folder.with_name("submissions-graded") / "feedback"
    for student in ("reference", "misses-itself", "prints-100-mb", "raises-50-mb", "loops"):
        (page,) = feedback.glob(f"{student}/*/module15.html")
        assert page.stat().st_size < 1_000_000
    (page,) = feedback.glob("misses-itself/*/module15.html")
    assert "a token attends to itself" in page.read_text(encoding="utf-8")


def test_what_is_graded_is_not_graded_again(graded):
    folder, _ = graded
    root, before = folder.with_name("submissions-graded"), marks(folder)
    written = {file: file.stat().st_mtime_ns for file in root.glob("*/*/*/module15.*")}
    run = grade(folder)
    progress = root / "progress.json"
    assert f"{len(json.loads(progress.read_text()))} submissions were graded before" in run.stdout
    assert "graded before" not in graded[1].stdout
    assert marks(folder) == before
    assert {file: file.stat().st_mtime_ns for file in root.glob("*/*/*/module15.*")} == written


def test_a_second_grading_gives_the_same_marks(graded):
    folder, _ = graded
    before = marks(folder)
    file = folder.with_name("submissions-graded") / "progress.json"
    entries = json.loads(file.read_text())
    for student in ("reference", "misses-itself"):
        del entries[student]
    file.write_text(json.dumps(entries))
    grade(folder)
    assert marks(folder) == before


def test_a_changed_submission_is_graded_again(graded):
    folder, _ = graded
    before = marks(folder)
    shutil.rmtree(folder / "untouched")
    save(with_bug("padding-positions"), folder, "untouched")
    grade(folder)
    after = marks(folder)
    assert after.pop("untouched")["points"] == "52.0"
    assert before.pop("untouched")["points"] == "0.0"
    assert after == before


def test_written_answers_count_once_they_are_read(graded):
    folder, _ = graded
    root = folder.with_name("submissions-graded")
    with open_gradebook(root) as book:
        submission = book.find_submission_notebook("module15", "kv_caching", "reference")
        (grade_of_one,) = (g for g in submission.grades if g.name == "written_why")
        grade_of_one.manual_score, grade_of_one.needs_manual_grade = 1.5, False
        book.db.commit()
    grade(folder)
    row = marks(folder)["reference"]
    assert (row["written_why"], row["written_speed"], row["points"]) == ("1.5", "", "61.5")


def test_a_folder_without_submissions_says_what_was_expected(tmp_path):
    run = grade(tmp_path)
    assert run.returncode == 2
    assert "expected STUDENT/module15.ipynb" in run.stdout
    assert not tmp_path.with_name(f"{tmp_path.name}-graded").exists()
