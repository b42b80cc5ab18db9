"""What `tito module submit` says, and the file that it writes."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from coursework.course import instructor_notebook, student_notebook
from coursework.hand_in import hand_in_text, what_is_missing
from coursework.own_notebook import grade_id, is_locked, is_task, is_test, restore
from coursework.workspace import Workspace
from tests.coursework.student_commands import TESTS, cell_of, results, save, solved, tito


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    """A notebook with one wrong test, two answers, and traces of a run."""
    work = Workspace(tmp_path_factory.mktemp("submitted"))
    notebook = solved(analyses=("* bytes_per_element", "* 4"))
    cell_of(notebook, "analyses").outputs = [new_output("stream", text="x" * 1000)]
    cell_of(notebook, "written_why").source = "Because of the mask."
    cell_of(notebook, "written_batch").source = "  "
    notebook.cells.remove(cell_of(notebook, "written_memory"))
    cell_of(notebook, "test_padding").source = "pass"
    notebook.cells.insert(3, new_code_cell("own = 1"))
    return work, notebook, save(work, notebook), tito(work, "submit")


def test_submit_says_what_is_missing_and_where_the_file_is(submitted):
    work, _, before, run = submitted
    assert run.exit_code == 0, run.output
    missing = dict(re.findall(r"^missing +(\w+): (.*)$", run.output, re.MULTILINE))
    nothing = "nothing is written yet"
    assert missing == {
        "written_memory": "this cell is missing",
        "written_speed": nothing,
        "written_batch": nothing,
        "written_eviction": nothing,
    }
    assert f"hand in:    {work.hand_in}" in run.output
    assert "Keep its name, module15.ipynb" in run.output
    assert "note  test_padding: not as it was released" in run.output
    assert work.notebook.read_bytes() == before


def test_submit_counts_the_points_of_the_tests_that_pass(submitted):
    *_, run = submitted
    points = {
        grade_id(cell): cell.metadata.nbgrader.points
        for cell in instructor_notebook().cells
        if is_test(cell)
    }
    found = results(run.output)
    reached = sum(points[name] for name in TESTS if found[name] == "pass")
    assert found["test_memory"] == "pass"  # what you see does not ask for other sizes
    assert (
        f"points:     {reached} of {sum(points.values())} by the tests that you see" in run.output
    )
    assert "answers in words have 10 more" in run.output


def test_what_is_submitted_is_the_students_work_without_traces_of_a_run(submitted):
    work, notebook, *_ = submitted
    handed_in = nbformat.read(work.hand_in, as_version=4)
    nbformat.validate(handed_in)
    assert handed_in.metadata == student_notebook().metadata
    assert [cell.source for cell in handed_in.cells if is_task(cell)] == [
        cell.source for cell in notebook.cells if is_task(cell)
    ]
    assert cell_of(handed_in, "written_why").source == "Because of the mask."
    assert "own = 1" in [cell.source for cell in handed_in.cells]
    assert not any(cell.get("outputs") for cell in handed_in.cells)
    released = {grade_id(cell): cell.metadata for cell in student_notebook().cells}
    for cell in handed_in.cells:
        if grade_id(cell):
            assert cell.metadata == released[grade_id(cell)]
        if is_locked(cell):
            assert cell.source == cell_of(student_notebook(), grade_id(cell)).source


def test_an_untouched_notebook_lacks_everything():
    notebook = restore(student_notebook())
    missing = what_is_missing(notebook)
    own = [grade_id(cell) for cell in notebook.cells if grade_id(cell) and not is_locked(cell)]
    assert list(missing) == own
    assert missing["kv_cache"] == "not done yet"
    assert what_is_missing(restore(instructor_notebook())) == {}
    handed_in = nbformat.reads(hand_in_text(notebook), as_version=4)
    parts = [(cell.source, cell.metadata) for cell in handed_in.cells]
    assert parts == [(cell.source, cell.metadata) for cell in student_notebook().cells]
