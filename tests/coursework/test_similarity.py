"""The report on similar submissions: copies stand at the top, independent work does not."""

import csv
import json
from itertools import combinations

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell
from typer import Typer
from typer.testing import CliRunner

from coursework import similarity
from coursework.course import student_notebook
from coursework.similarity import HEADER, Release, fingerprint, rank, read_all, side_by_side
from tests.coursework.other_solutions import BY_NAME, STACKED, disguised, with_cells
from tests.coursework.submissions import cell_of, save, solved
from tests.coursework.test_source import run as failures

WORDS = (
    "A key belongs to a token whose hidden state looks only to the left, so appending more text "
    "cannot alter it, and the weights that made it stay put as well, which is why it may be kept."
)


def run(folder, *options):
    app = Typer()
    app.command()(similarity.main)
    return CliRunner().invoke(app, [str(folder), *options])


@pytest.fixture(scope="module")
def submissions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "submissions"
    save(with_cells({}), folder, "reference")
    save(with_cells(STACKED), folder, "stacked")
    save(with_cells(disguised(STACKED)), folder, "copied")
    save(with_cells(BY_NAME), folder, "by-name")
    save(student_notebook(), folder, "untouched")
    return folder


@pytest.mark.parametrize("cells", [STACKED, BY_NAME, disguised(STACKED)])
def test_the_other_solutions_solve_the_assignment(cells):
    assert failures(with_cells(cells)) == {}


def test_a_copy_with_other_names_is_at_the_top_and_far_above_the_rest(submissions):
    works, problems = read_all(submissions)
    assert problems == {}
    first, *others = rank(works)
    assert {first.first.student, first.second.student} == {"stacked", "copied"}
    assert min(first.code) > 0.9
    assert len(others) == len(list(combinations(works, 2))) - 1
    assert max(pair.highest for pair in others) < 0.1


def test_one_copied_task_stands_out(tmp_path):
    partly = BY_NAME | {"kv_cache": disguised(STACKED)["kv_cache"]}
    for name, cells in (("a", {}), ("b", STACKED), ("c", partly)):
        save(with_cells(cells), tmp_path, name)
    first, *others = rank(read_all(tmp_path)[0])
    assert [first.first.student, first.second.student] == ["b", "c"]
    assert min(first.code) > 0.2
    assert max(pair.highest for pair in others) < 0.1


def test_the_release_counts_for_nobody(submissions):
    release = Release(student_notebook())
    assert release.work("untouched", submissions / "untouched/module15.ipynb").code.hashes == set()
    pairs = rank(read_all(submissions)[0])
    for pair in pairs:
        if "untouched" in (pair.first.student, pair.second.student):
            assert pair.code == pair.prose == (0.0, 0.0)


def test_locked_cells_and_copies_of_them_do_not_count(tmp_path):
    for name in ("one", "two"):
        notebook = student_notebook()
        notebook.cells.append(new_code_cell(cell_of(notebook, "cache_helpers").source))
        save(notebook, tmp_path, name)
    (pair,) = rank(read_all(tmp_path)[0])
    assert pair.highest == 0


def test_copied_words_are_found_without_copied_code(tmp_path):
    for name, text in (("one", WORDS), ("two", WORDS.upper().replace(" ", "\n")), ("three", "No.")):
        notebook = student_notebook()
        cell_of(notebook, "written_why").source = text
        save(notebook, tmp_path, name)
    first, *others = rank(read_all(tmp_path)[0])
    assert {first.first.student, first.second.student} == {"one", "two"}
    assert first.prose == (1.0, 1.0)
    assert first.code == (0.0, 0.0)
    assert all(pair.highest == 0 for pair in others)


def test_the_report_is_the_same_every_time_and_shows_both_sides(submissions, tmp_path):
    result = run(submissions, "--output", str(tmp_path / "report"), "--most", "3")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report/similarity.html").read_text(encoding="utf-8")
    run(submissions, "--output", str(tmp_path / "again"), "--most", "3")
    assert (tmp_path / "again/similarity.html").read_text(encoding="utf-8") == page
    soup = BeautifulSoup(page, "html.parser")
    assert "not a verdict" in soup.get_text()
    assert len(soup.select("tbody tr")) == len(soup.select("section")) == 3
    sides = soup.select("#pair-1 pre")
    assert "class CachedLayer" in sides[0].get_text() + sides[1].get_text()
    assert "class Wrapped" in sides[0].get_text() + sides[1].get_text()
    for side in sides[:2]:
        marked = sum(len(mark.get_text()) for mark in side.select("mark"))
        assert marked > 0.9 * len(side.get_text())
    with (tmp_path / "report/similarity.csv").open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert tuple(header) == HEADER
    assert len(rows) == 3
    assert set(rows[0][:2]) == {"stacked", "copied"}


def test_what_is_marked_is_the_text_and_what_it_shares():
    one = fingerprint(["class Odd:\n    pass", "value = first + second * third - fourth"])
    two = fingerprint(["x = 1 < 2", "# here\nother = a + b * c - d\nclass AnotherName:\n    pass"])
    one_side, two_side = side_by_side(one, two)
    for side, text in ((one_side, one), (two_side, two)):
        assert BeautifulSoup(side, "html.parser").get_text() == text.raw_code
    assert "<mark>" not in one_side + two_side  # shorter than a piece
    long = "for number in range(7): total = total + table[number] * weights[number] - 1.5"
    cells = [f"class Short: pass\n{long}\nclass VeryLongNameOfAClass: pass", long]
    one = fingerprint(["a < 1", *cells])
    two = fingerprint([long.replace("number", "i").replace("table", "rows")])
    one_side, two_side = side_by_side(one, two)
    assert BeautifulSoup(one_side, "html.parser").get_text() == one.raw_code
    marks = [mark.get_text().strip() for mark in BeautifulSoup(one_side, "html.parser")("mark")]
    assert marks == [long, long]
    assert two_side == f"<mark>{two.raw_code}</mark>"


def test_what_a_student_wrote_cannot_run_in_the_report(tmp_path):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    for name in ("one", "two", "<b>three"):
        notebook = with_cells(STACKED)
        cell_of(notebook, "kv_cache").source += f'\nx = "{evil}"'
        cell_of(notebook, "written_why").source = evil
        save(notebook, tmp_path / "work", name)
    result = run(tmp_path / "work")
    assert result.exit_code == 1  # one name is no student's
    soup = BeautifulSoup((tmp_path / "work-similarity/similarity.html").read_text(), "html.parser")
    assert not soup.find_all(["script", "img", "b", "iframe"])
    assert evil in soup.get_text()
    policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'")
    assert "<b>three" in soup.get_text()


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "{}", '{"cells": 3}', "[" * 50_000],
    ids=["empty", "text", "list", "no-cells", "number", "deep"],
)
def test_what_is_no_notebook_is_named_and_the_others_are_compared(tmp_path, text):
    save(with_cells(STACKED), tmp_path / "work", "ada")
    save(with_cells(STACKED), tmp_path / "work", "bob")
    (tmp_path / "work/cy.ipynb").write_text(text)
    (tmp_path / "work/dee.ipynb").symlink_to(tmp_path / "work/ada/module15.ipynb")
    result = run(tmp_path / "work")
    assert result.exit_code == 1
    assert "not compared: cy: it is not a notebook" in result.output
    assert "not compared: dee: dee.ipynb is a symbolic link" in result.output
    assert "2 submissions, 1 pairs" in result.output


def test_cells_of_wrong_types_are_passed_over(tmp_path):
    odd = [3, None, {}, {"cell_type": "code", "source": 5, "metadata": []}]
    odd += [
        {"cell_type": "code", "source": ["x = 1\n", 2], "metadata": {"nbgrader": {"grade_id": []}}}
    ]
    (tmp_path / "ada.ipynb").write_text(json.dumps({"cells": odd}))
    (tmp_path / "bob.ipynb").write_text(nbformat.writes(solved()))
    works, problems = read_all(tmp_path)
    assert problems == {}
    assert [work.student for work in works] == ["ada", "bob"]
    assert works[0].code.raw_code.strip() == "x = 1"


def test_without_submissions_it_says_what_was_expected(tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "expected STUDENT/module15.ipynb or STUDENT.ipynb" in result.output
