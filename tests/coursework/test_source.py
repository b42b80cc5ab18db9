"""The assignment: its points, its release, and the tests against seven bugs, without nbgrader."""

import nbformat
import pytest

from coursework.course import (
    ASSIGNMENT,
    CourseError,
    instructor_notebook,
    make_course,
    student_notebook,
)
from tests.coursework.submissions import BUGS, cell_of, solved, with_bug

POINTS = {
    "test_cache": 10,
    "test_enable": 10,
    "test_no_trace": 5,
    "test_other_models": 5,
    "test_same_text": 8,
    "test_second_text": 4,
    "test_padding": 8,
    "test_profile": 3,
    "test_memory": 3,
    "test_speedup": 4,
    "written": 10,
}


def graded(notebook):
    """Return the cells with points, by their ids."""
    cells = (cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("points"))
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells}


def run(notebook) -> dict[str, str]:
    """Execute the cells in this process; return the ids of those that failed, and why."""
    names, failed = {"__name__": "__main__"}, {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            exec(compile(cell.source, "cell", "exec"), names)
        except Exception as error:
            failed[cell.metadata.nbgrader.grade_id] = str(error)
    return failed


def test_points_are_what_the_page_says():
    points = {
        name: cell.metadata.nbgrader.points for name, cell in graded(instructor_notebook()).items()
    }
    for beginning, expected in POINTS.items():
        assert sum(p for name, p in points.items() if name.startswith(beginning)) == expected
    assert sum(points.values()) == 70


def test_the_reference_solution_passes_every_test():
    assert run(instructor_notebook()) == {}


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_loses_the_tests_that_should_catch_it(bug):
    notebook = with_bug(bug)
    full = instructor_notebook()
    for name, cell in graded(notebook).items():
        cell.source = cell_of(full, name).source
    failed = run(notebook)
    _, _, expected = BUGS[bug]
    assert set(failed) == expected
    assert all(len(message) > 20 for message in failed.values()), failed


@pytest.mark.parametrize("bug", BUGS)
def test_the_tests_that_students_see_catch_each_bug(bug):
    _, _, expected = BUGS[bug]
    failed = set(run(with_bug(bug)))
    assert failed
    assert failed <= expected


def test_the_release_holds_no_solution_and_no_hidden_test():
    for cell in student_notebook().cells:
        for word in ("SOLUTION", "HIDDEN", "hidden"):
            assert word not in cell.source
    task = cell_of(student_notebook(), "kv_cache").source
    assert task.count("raise NotImplementedError()") == 5
    assert "self.seq_pos +=" not in task
    assert cell_of(student_notebook(), "written_why").source == "YOUR ANSWER HERE"


def test_messages_do_not_give_the_solution():
    solution = {
        line.strip()
        for cell in instructor_notebook().cells
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code"
        for line in cell.source.splitlines()
        if len(line.strip()) > 25 and "def " not in line and '"""' not in line
    }
    for name, cell in graded(student_notebook()).items():
        for line in solution:
            assert line not in cell.source, name


def test_the_untouched_release_runs_to_its_first_test():
    failed = run(student_notebook())
    first = next(iter(graded(student_notebook())))
    assert next(iter(failed)) == first
    tests = {n for n, c in graded(student_notebook()).items() if c.cell_type == "code"}
    assert tests <= set(failed)


def test_nbgrader_makes_the_same_release(tmp_path):
    release = make_course(tmp_path)
    assert release.parent.name == ASSIGNMENT
    made, own = nbformat.read(release, as_version=4), student_notebook()
    assert [cell.source for cell in made.cells] == [cell.source for cell in own.cells]
    assert [cell.metadata for cell in made.cells] == [cell.metadata for cell in own.cells]
    nbformat.validate(made)
    nbformat.validate(own)


def test_marks_for_another_version_are_not_mixed(tmp_path):
    make_course(tmp_path)
    (tmp_path / "autograded").mkdir()
    assert make_course(tmp_path).exists()
    (tmp_path / "version.txt").write_text("another")
    with pytest.raises(CourseError, match="another version"):
        make_course(tmp_path)


def test_the_helper_writes_a_solved_notebook():
    assert run(solved()) == {}
