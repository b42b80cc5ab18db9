"""marks.csv: a row for everyone, and nothing in it that a spreadsheet runs."""

import csv
import sqlite3

import pytest
from nbformat.v4 import new_code_cell, new_output
from nbgrader.preprocessors import SaveAutoGrades

from coursework.course import CourseError, make_course, open_gradebook
from coursework.escaping import FORMULA
from coursework.judge import Verdict
from coursework.judged import Judged
from coursework.marks import GRADED, Outcome, write_marks

pytestmark = pytest.mark.filterwarnings(
    "ignore:Object of type:sqlalchemy.exc.SAWarning"
)  # nbgrader


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course in which ada has points in two tests and an answer that waits for its reader."""
    root = tmp_path_factory.mktemp("course")
    make_course(root)
    with open_gradebook(root) as book:
        book.add_student("ada")
        book.add_submission("kv_caching", "ada")
        for name, score in (("test_memory", 3), ("test_speedup", 4)):
            grade = book.find_grade(name, "module15", "kv_caching", "ada")
            grade.auto_score, grade.needs_manual_grade = score, False
        book.db.commit()
    return root


def rows(root):
    with (root / "marks.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_everyone_has_a_row_in_order_and_only_who_is_graded_has_points(course):
    outcomes = [
        Outcome("eve", "not graded: found no notebook", ("setup",)),
        Outcome("ada", GRADED, ("test_padding", "setup")),
        Outcome("bob", "not graded: its file is empty"),
    ]
    write_marks(course, outcomes)
    ada, bob, eve = rows(course)
    assert (ada["student"], ada["points"], ada["max_points"]) == ("ada", "7.0", "70.0")
    assert (ada["test_memory"], ada["test_speedup"], ada["written_why"]) == ("3.0", "4.0", "")
    assert ada["missing_cells"] == "test_padding setup"
    for row in (bob, eve):
        assert row["status"].startswith("not graded: ")
        assert (row["points"], row["missing_cells"], row["test_memory"]) == ("", "", "")


def test_marks_of_an_earlier_file_are_not_shown_for_one_that_is_not_graded(course):
    write_marks(course, [Outcome("ada", "not graded: the file is empty")])
    (row,) = rows(course)
    assert (row["points"], row["test_memory"]) == ("", "")


@pytest.mark.parametrize("sign", FORMULA)
def test_no_cell_is_a_formula(course, sign):
    attack = f"{sign}HYPERLINK(1)"
    write_marks(course, [Outcome(attack, attack), Outcome("bob", f"not graded: {attack}")])
    for row in rows(course):
        for cell in (row["student"], row["status"]):
            assert not cell.startswith(FORMULA)
            assert cell.isprintable()


def test_no_escape_code_reaches_a_reader_of_the_file(course):
    write_marks(course, [Outcome("a\x1b[31m\nb\u202e", "x" * 2_000)])
    (row,) = rows(course)
    assert row["student"] == "a\\x1b[31m\\nb\\u202e"
    assert len(row["status"]) < 600


def test_a_locked_gradebook_is_an_error_in_words_and_the_old_file_stays(course, monkeypatch):
    write_marks(course, [Outcome("ada", GRADED)])
    before = rows(course)
    holder = sqlite3.connect(course / "gradebook.db")
    holder.execute("begin exclusive")
    try:
        with pytest.raises(CourseError, match=r"gradebook\.db \(.*locked.*run again"):
            write_marks(course, [])
    finally:
        holder.close()
    assert rows(course) == before


@pytest.mark.parametrize(
    ("outputs", "nbgraders"),
    [
        ([], 3),
        ([new_output("stream", name="stderr", text="UserWarning: x")], 0),
        ([new_output("error", ename="AssertionError", evalue="", traceback=[])], 0),
        (
            [
                new_output("execute_result", {"text/plain": "3"}),
                new_output("error", ename="AssertionError", evalue="", traceback=[]),
            ],
            3,
        ),
        ([new_output("execute_result", {"text/plain": "0"})], 0),
    ],
)
@pytest.mark.parametrize("points", [0.0, 3.0])
def test_points_are_the_judges_whatever_a_cell_shows(course, outputs, nbgraders, points):
    role = {"grade": True, "grade_id": "test_memory", "points": 3, "solution": False}
    cell = new_code_cell("x", metadata={"nbgrader": role | {"locked": True}}, outputs=outputs)
    judged = Judged()
    judged.verdicts = {"test_memory": Verdict("test_memory", points, 3.0)}
    for step, expected in ((SaveAutoGrades(), nbgraders), (judged, points)):
        with open_gradebook(course) as step.gradebook:
            step.notebook_id, step.assignment_id, step.student_id = "module15", "kv_caching", "ada"
            step.preprocess_cell(cell, {}, 0)
            grade = step.gradebook.find_grade("test_memory", "module15", "kv_caching", "ada")
            assert grade.auto_score == expected
    assert cell.outputs == outputs
