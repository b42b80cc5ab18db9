"""What is written down of a class: by one process, whole or not at all, and found again."""

import csv
import io
import shutil
import sqlite3

import nbformat
import pytest
from bs4 import BeautifulSoup
from rich.console import Console

from coursework.bounds import Limits
from coursework.course import (
    CourseError,
    make_course,
    open_api,
    open_gradebook,
    student_notebook,
    version,
)
from coursework.grading import CHANGED, finish, grade_all, task_of
from coursework.marks import GRADED, Outcome
from coursework.own_notebook import grade_id
from coursework.received import digest_of
from coursework.records import LOCKED, Progress, open_records
from coursework.work import Answer, Task, grade
from tests.coursework.made_up import MadeUpWorkers, answer
from tests.coursework.submissions import cell_of, needs_room, save, with_bug

pytestmark = pytest.mark.filterwarnings(
    "ignore:Object of type:sqlalchemy.exc.SAWarning"
)  # nbgrader


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course folder without submissions."""
    root = tmp_path_factory.mktemp("made") / "course"
    root.mkdir()
    make_course(root)
    return root


@pytest.fixture
def folder(course, tmp_path):
    """A class of three, and its course folder beside it."""
    shutil.copytree(course, tmp_path / "course")
    for student in ("ada", "bob", "cy"):
        save(student_notebook(), tmp_path / "class", student)
    return tmp_path / "class"


def run(folder, workers) -> tuple[list[Outcome], str]:
    text = io.StringIO()
    root = folder.with_name("course")
    outcomes = grade_all(folder, root, Limits(), workers, Console(file=text, width=200))
    return outcomes, text.getvalue()


def marks(folder) -> dict[str, dict[str, str]]:
    file = folder.with_name("course") / "marks.csv"
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["student"]: row for row in csv.DictReader(stream)}


def test_each_answer_is_a_line_and_a_row(folder):
    answers = {
        "ada": answer(test_padding="wrong"),
        "bob": Answer(refused="it ran longer than 2 s"),
        "cy": Answer(failed="the worker ended, 4 times"),
    }
    outcomes, said = run(folder, MadeUpWorkers(lambda task: answers[task.student]))
    assert said.splitlines() == [
        "1/3 ada: 52 of 60 points, 1.0 s",
        "2/3 bob: not graded: it ran longer than 2 s",
        "3/3 cy: not graded: the worker ended, 4 times",
    ]
    finish(folder.with_name("course"), outcomes, Console(file=io.StringIO()))
    rows = marks(folder)
    assert (rows["ada"]["points"], rows["ada"]["test_padding"]) == ("52.0", "0.0")
    assert rows["ada"]["written_why"] == rows["bob"]["points"] == rows["cy"]["points"] == ""


def test_what_failed_and_not_what_was_refused_is_graded_again(folder):
    kinds = {"ada": answer(), "bob": Answer(refused="no"), "cy": Answer(failed="no")}
    run(folder, MadeUpWorkers(lambda task: kinds[task.student]))
    again = MadeUpWorkers()
    outcomes, said = run(folder, again)
    assert [task.student for task in again.tasks] == ["cy"]
    assert said.startswith("2 submissions were graded before\n1/1 cy: 60 of 60")
    assert {o.student: o.is_graded for o in outcomes} == {"ada": True, "bob": False, "cy": True}


def test_a_run_that_is_interrupted_goes_on(folder):
    def stop(task: Task) -> Answer:
        if task.student == "cy":
            raise KeyboardInterrupt
        return answer()

    with pytest.raises(KeyboardInterrupt):
        run(folder, MadeUpWorkers(stop))
    again = MadeUpWorkers()
    run(folder, again)
    assert [task.student for task in again.tasks] == ["cy"]


def test_the_seed_depends_on_the_file_and_the_courses_secret_alone(folder, tmp_path):
    first, second = MadeUpWorkers(), MadeUpWorkers()
    cell_of(notebook := student_notebook(), "kv_cache").source = "class KVCache: pass"
    save(notebook, folder, "dan")
    run(folder, first)
    (folder.with_name("course") / "progress.json").unlink()
    run(folder, second)
    seeds = [{task.student: task.seed for task in one.tasks} for one in (first, second)]
    assert seeds[0] == seeds[1]
    assert seeds[0]["ada"] == seeds[0]["bob"] != seeds[0]["dan"]
    (folder.with_name("course") / "progress.json").unlink()
    (folder.with_name("course") / "secret.txt").unlink()
    other = MadeUpWorkers()
    run(folder, other)
    assert other.tasks[0].seed != seeds[0]["ada"]
    assert (folder.with_name("course") / "secret.txt").stat().st_mode & 0o77 == 0


def test_a_secret_that_is_none_is_an_error(folder):
    run(folder, MadeUpWorkers())
    (folder.with_name("course") / "secret.txt").write_text("1234")
    with pytest.raises(CourseError, match=r"secret\.txt is not the course's secret"):
        run(folder, MadeUpWorkers())


def test_two_runs_into_one_folder_are_refused(folder):
    root = folder.with_name("course")
    with open_records(root), pytest.raises(CourseError, match="another run is grading"):
        run(folder, MadeUpWorkers())


def test_a_file_that_changes_while_others_are_graded_is_not_graded(folder):
    def change(task: Task) -> Answer:
        (folder / "cy/module15.ipynb").write_text("{}")
        return answer()

    outcomes, said = run(folder, MadeUpWorkers(change))
    assert outcomes[-1] == Outcome("cy", CHANGED, is_final=False)
    assert f"cy: {CHANGED}" in said
    assert "cy" not in Progress(folder.with_name("course")).entries


def test_no_task_is_made_of_a_file_that_is_gone(folder):
    root = folder.with_name("course")
    file = folder / "ada/module15.ipynb"
    digest = digest_of(file.read_bytes())
    with open_records(root) as records:
        assert task_of("ada", file, digest, records, Limits()).version == version()
        file.unlink()
        assert task_of("ada", file, digest, records, Limits()) is None


def test_a_locked_gradebook_is_a_row_that_is_tried_again(folder, monkeypatch):
    run(folder, MadeUpWorkers())
    save(student_notebook(), folder, "dan")
    with sqlite3.connect(folder.with_name("course") / "gradebook.db") as holder:

        def lock(task: Task) -> Answer:
            holder.execute("begin immediate")
            return answer()

        outcomes, said = run(folder, MadeUpWorkers(lock))
        holder.rollback()
    holder.close()
    assert f"1/1 dan: not graded: {LOCKED}" in said
    assert not outcomes[-1].is_final
    assert not (folder.with_name("course") / "feedback/dan").exists()
    outcomes, _ = run(folder, MadeUpWorkers())
    assert outcomes[-1] == Outcome("dan", GRADED)


def test_what_the_instructor_said_goes_with_the_next_file_of_the_student(folder):
    run(folder, MadeUpWorkers())
    with open_gradebook(folder.with_name("course")) as book:
        names = ("module15", "kv_caching", "ada")
        grade = book.find_grade("written_why", *names)
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 1.5, 0.5, False
        book.find_comment("written_why", *names).manual_comment = "Good."
        book.db.commit()
    file = folder / "ada/module15.ipynb"
    file.write_text(file.read_text() + "\n")
    again = MadeUpWorkers()
    outcomes, _ = run(folder, again)
    (task,) = again.tasks
    assert task.by_hand.scores == {"written_why": 1.5}
    assert task.by_hand.extra == {"written_why": 0.5}
    assert task.by_hand.comments == {"written_why": "Good."}
    finish(folder.with_name("course"), outcomes, Console(file=io.StringIO()))
    assert marks(folder)["ada"]["written_why"] == ""  # another text: to be read again


@pytest.mark.parametrize("text", ["", "[]", '{"ada": 3}', '{"ada": {"digest": "x"}}', "[" * 5_000])
def test_progress_that_cannot_be_read_is_an_error_that_says_what_to_do(tmp_path, text):
    (tmp_path / "progress.json").write_text(text)
    with pytest.raises(CourseError, match=r"progress\.json: remove it"):
        Progress(tmp_path)


@needs_room
def test_a_worker_and_one_process_write_what_nbgrader_itself_writes(course, tmp_path, monkeypatch):
    """nbgrader's own autograde and generate_feedback, on the same submission."""
    notebook = with_bug("padding-positions")
    cell_of(notebook, "written_why").source = "Because it **must**."
    file = save(notebook, tmp_path / "class", "ada")
    answered = grade(Task("ada", file.read_bytes(), 7, Limits(), version()))
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for root in (ours, theirs):
        shutil.copytree(course, root)
    with open_records(ours) as records:
        assert records.write("ada", "digest", answered).is_graded
    source = theirs / "submitted/ada/kv_caching/module15.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(answered.submitted, encoding="utf-8")
    monkeypatch.setattr("coursework.judge.secrets.randbits", lambda bits: 7)
    api = open_api(theirs)
    for step in (api.autograde, api.generate_feedback):
        assert step("kv_caching", "ada")["success"]
    assert written(ours) == written(theirs)
    notebook, page = (f"{part}/ada/kv_caching/module15" for part in ("autograded", "feedback"))
    assert read_cells(ours / f"{notebook}.ipynb") == read_cells(theirs / f"{notebook}.ipynb")
    text = seen(ours / f"{page}.html")
    assert text == seen(theirs / f"{page}.html")
    assert "Score: 52.0 / 70.0" in text


def written(root) -> list[tuple]:
    with open_gradebook(root) as book:
        submission = book.find_submission_notebook("module15", "kv_caching", "ada")
        grades = [
            (g.name, g.auto_score, g.manual_score, g.needs_manual_grade) for g in submission.grades
        ]
        return sorted(grades, key=lambda grade: grade[0]) + sorted(
            (c.name, c.auto_comment) for c in submission.comments
        )


def read_cells(file) -> list[tuple]:
    notebook = nbformat.read(file, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    without = ("checksum",)  # nbgrader's is of the text with hidden tests
    return [
        (
            cell.cell_type,
            cell.source,
            grade_id(cell),
            {k: v for k, v in cell.metadata.get("nbgrader", {}).items() if k not in without},
            [output.output_type for output in cell.get("outputs", [])],
            [output.text for output in cell.get("outputs", [])[:1] if "Graded" in str(output)],
        )
        for cell in notebook.cells
    ]


def seen(file) -> str:
    """Return the words of a page, without what cells showed, which may be times."""
    page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
    shown = page.select("div.output_area")
    assert len(shown) >= 16
    for element in shown:
        element.decompose()
    return page.get_text(" ", strip=True)
