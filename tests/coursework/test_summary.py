"""The summary of a class: numbers counted in another way, and nothing that runs."""

import csv
from statistics import mean
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursework.escaping import FORMULA
from coursework.marks import ClassMarks
from coursework.summary import coded_points, in_words, said, summarise, write_summary

TASKS = {"test_cache_reset": 2.0, "test_padding": 8.0, "written_why": 2.0}
CLASS = ClassMarks(
    TASKS,
    {
        "ada": {"test_cache_reset": 2.0, "test_padding": 8.0, "written_why": 1.5},
        "bob": {"test_cache_reset": 2.0, "test_padding": 0.0},
        "cy": {"test_cache_reset": 0.0, "test_padding": 0.0, "written_why": 0.0},
    },
)
SVG = "{http://www.w3.org/2000/svg}"


def test_the_table_counts_full_part_none_and_unread():
    rows = [(t.name, t.mean, t.full, t.part, t.none, t.unread) for t in summarise(CLASS)]
    assert rows == [
        ("test_cache_reset", pytest.approx(4 / 3), 2, 0, 1, 0),
        ("test_padding", pytest.approx(8 / 3), 1, 0, 2, 0),
        ("written_why", 0.75, 0, 1, 1, 1),
    ]


def test_the_words_name_the_test_that_most_lost():
    assert in_words(CLASS) == (
        "Points of the tests: median 2 of 10, from 0 to 10, 3 submissions. Lost most often: "
        "test_padding, by 2."
    )
    everything = ClassMarks(TASKS, {"ada": CLASS.points["ada"]})
    assert in_words(everything).endswith("No test was lost by anybody.")
    assert in_words(ClassMarks(TASKS, {})) == "No submission is graded."
    assert "test_padding" in said(CLASS)


POINTS = {name: st.sampled_from([0.0, most / 2, most]) for name, most in TASKS.items()}


@given(st.lists(st.fixed_dictionaries({}, optional=POINTS)))
def test_every_submission_is_counted_once_for_each_task(found):
    marks = ClassMarks(TASKS, {str(i): points for i, points in enumerate(found)})
    for task in summarise(marks):
        assert task.full + task.part + task.none + task.unread == len(found)
        given_points = [points[task.name] for points in found if task.name in points]
        assert task.mean == pytest.approx(mean(given_points) if given_points else 0)
    assert len(coded_points(marks)) == len(found)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_the_chart_says_in_words_what_it_shows_and_the_table_holds_no_formula(tmp_path, count):
    points = {f"student{i}": CLASS.points["ada" if i % 3 else "cy"] for i in range(count)}
    table, chart = write_summary(tmp_path, ClassMarks(TASKS, points))
    root = ElementTree.parse(chart).getroot()
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "What the class found hard"
    assert in_words(ClassMarks(TASKS, points)) in root.findtext(f"{SVG}desc")
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert not tags & {"script", "foreignObject", "a", "image", "iframe"}
    assert chart.stat().st_size < 200_000
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["task"] for row in rows] == list(TASKS)
    assert not any(cell.startswith(FORMULA) for row in rows for cell in row.values())


def test_the_chart_is_black_white_and_grey(tmp_path):
    _, chart = write_summary(tmp_path, CLASS)
    text = chart.read_text(encoding="utf-8")
    colours = {word[:7] for word in text.split("#")[1:] if len(word) > 6 for word in [f"#{word}"]}
    colours = {c for c in colours if all(x in "0123456789abcdef" for x in c[1:])}
    assert colours
    assert all(c[1:3] == c[3:5] == c[5:7] for c in colours), colours
