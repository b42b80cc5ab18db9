"""The map of the chapter leads from page to page."""

import pytest

from tests.analysis.drawn import elements, texts
from tinytorch.analysis.drawings import chapter

STOPS = [(f"page {i}", str(10 * i), "things") for i in range(1, 6)]


def test_the_way_turns_at_the_end_of_a_row():
    drawing = chapter.chapter_map(STOPS)
    boxes = elements(drawing, "rect")
    xs = [float(box.get("x")) for box in boxes]
    ys = [float(box.get("y")) for box in boxes]
    assert xs[0] < xs[1] < xs[2] == xs[3] > xs[4]
    assert ys[0] == ys[1] == ys[2] < ys[3] == ys[4]
    assert len(elements(drawing, "polyline")) == len(STOPS) - 1


def test_the_map_says_each_number():
    drawing = chapter.chapter_map(STOPS)
    assert {"1  page 1", "10", "50"} <= set(texts(drawing))
    assert "5, page 5: 50 things." in drawing.alt


def test_a_map_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one page"):
        chapter.chapter_map([])
