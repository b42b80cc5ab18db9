"""The drawing of a pool keeps the states that it is given."""

import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import pool

PASSES = [
    ["own", "free", "free"],
    ["shared", "own", "free"],
    ["cached", "own", "own"],
    ["own", "cached", "own"],
]


def test_a_stretch_of_one_state_is_one_box():
    drawing = pool.block_life(PASSES, {0: "A", 1: "B"}, {(3, 0)})
    key = ["kept", "series-3", "kept", "free"]
    assert fills(drawing) == [
        *("kept", "series-3", "kept", "kept"),
        *("free", "kept", "kept"),
        *("free", "kept"),
        *key,
    ]
    boxes = elements(drawing, "rect")
    assert boxes[0].get("fill-opacity") == "1"
    assert boxes[2].get("fill-opacity") == "0.3"
    widths = [float(box.get("width")) for box in boxes[4:7]]
    assert widths[1] / widths[0] == pytest.approx(2)
    assert {"A", "B", "0", "2", "free, still known"} <= set(texts(drawing))
    assert "A begins in pass 1. B begins in pass 2." in drawing.alt
    assert "At most 2 blocks are held at once; 1 times a known text is forgotten." in drawing.alt


def test_a_cross_marks_where_a_text_is_forgotten():
    drawing = pool.block_life(PASSES, {}, {(3, 0)})
    crosses = elements(drawing, "polyline")
    assert len(crosses) == 2 * 2  # and the one that explains them
    xs = [float(point.split(",")[0]) for point in crosses[0].get("points").split()]
    assert sum(xs) / 2 == pytest.approx(float(elements(drawing, "rect")[3].get("x")))


@pytest.mark.parametrize(("passes", "found"), [([], "no pass"), ([["lost"]], r"\['lost'\]")])
def test_states_that_are_none_are_refused(passes, found):
    with pytest.raises(ValueError, match=f"states must be of .*, got {found}"):
        pool.block_life(passes, {}, set())
