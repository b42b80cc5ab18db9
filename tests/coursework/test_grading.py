"""Grading with the real nbgrader: right, wrong, unfinished and harmful submissions at once."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coursework.course import open_gradebook, student_notebook
from coursework.grading import SubmissionError, find_submissions
from tests.coursework.submissions import BUGS, HARMFUL, save, solved, with_bug

LIMITS = ["--cell-seconds", "6", "--student-seconds", "60", "--memory-gib", "6"]
PACKAGE = Path(__file__).parents[2]


def grade(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "coursework.grading", str(folder), *LIMITS, *options]
    return subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=False)


def hear_interrupts() -> None:
    """Undo what a shell does to its background jobs, and to all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def marks(folder: Path) -> dict[str, dict[str, str]]:
    file = folder.with_name(f"{folder.name}-graded") / "marks.csv"
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["student"]: row for row in csv.DictReader(stream)}


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
    for name, make in HARMFUL.items():
        save(make(), folder, name)
    (folder / "garbage").mkdir()
    (folder / "garbage/module15.ipynb").write_text("this is no notebook")
    return folder, grade(folder)


def test_every_submission_is_graded_or_reported(graded):
    folder, run = graded
    rows = marks(folder)
    assert run.returncode == 1
    assert set(rows) == {file.parent.name for file in folder.glob("*/*.ipynb")}
    failed = {student for student, row in rows.items() if row["status"] != "graded"}
    assert failed == {"exits", "garbage"}
    assert "DeadKernelError" in rows["exits"]["status"]
    assert "NotJSONError" in rows["garbage"]["status"]
    assert f"{len(rows) - 2} of {len(rows)} submissions graded" in run.stdout


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
    "name", ["loops", "loops-on", "allocates", "syntax-error", "prints-100-mb"]
)
def test_a_harmful_cell_costs_its_own_task(graded, name):
    rows = marks(graded[0])
    assert lost(rows[name], rows["reference"]) == {"test_profile_naive"}


def test_edited_tests_are_restored(graded):
    rows = marks(graded[0])
    assert rows["edited-tests"]["points"] == "0.0"
    assert rows["edited-tests"]["max_points"] == "70.0"


def test_missing_cells_are_named_and_the_rest_is_graded(graded):
    row = marks(graded[0])["missing-cells"]
    assert row["missing_cells"] == "test_cache_update attend_rows test_padding written_why"
    assert row["test_cache_update"] == "3.0"
    assert row["test_enable_layers"] == "0.0"


def test_feedback_is_written_and_small(graded):
    folder, _ = graded
    feedback = folder.with_name("submissions-graded") / "feedback"
    for student in ("reference", "misses-itself", "prints-100-mb", "loops"):
        (page,) = feedback.glob(f"{student}/*/module15.html")
        assert page.stat().st_size < 1_000_000
    (page,) = feedback.glob("misses-itself/*/module15.html")
    assert "a token attends to itself" in page.read_text(encoding="utf-8")


def test_what_is_graded_is_not_graded_again(graded):
    folder, _ = graded
    before, start = marks(folder), time.monotonic()
    run = grade(folder)
    assert f"{len(before)} submissions were graded before" in run.stdout
    assert marks(folder) == before
    assert time.monotonic() - start < 60


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


def test_an_interrupted_run_goes_on(tmp_path):
    folder = tmp_path / "two"
    save(student_notebook(), folder, "first")
    save(student_notebook(), folder, "second")
    command = [sys.executable, "-m", "coursework.grading", str(folder), "--jobs", "1"]
    run = subprocess.Popen(
        command,
        cwd=PACKAGE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_interrupts,
    )
    progress = tmp_path / "two-graded/progress.json"
    while not progress.exists() and run.poll() is None:
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert len(json.loads(progress.read_text())) == 1
    again = grade(folder)
    assert "1 submissions were graded before" in again.stdout
    assert {row["status"] for row in marks(folder).values()} == {"graded"}


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


def test_submissions_are_found_in_both_layouts(tmp_path):
    for name in ("ada.ipynb", "bob/module15.ipynb", "notes.txt", "eve/other.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert set(find_submissions(tmp_path)) == {"ada", "bob"}
    (tmp_path / "bob.ipynb").touch()
    with pytest.raises(SubmissionError, match="bob has two submissions"):
        find_submissions(tmp_path)


@pytest.mark.parametrize("name", ["-rf.ipynb", "a b.ipynb", "x;y.ipynb"])
def test_names_that_cannot_be_students_are_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(SubmissionError, match="student's id"):
        find_submissions(tmp_path)


def test_a_folder_without_submissions_says_what_was_expected(tmp_path):
    run = grade(tmp_path)
    assert run.returncode == 2
    assert "expected STUDENT/module15.ipynb" in run.stdout
    assert not tmp_path.with_name(f"{tmp_path.name}-graded").exists()
