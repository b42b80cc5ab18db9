"""Drawings of a chat keep the times and the counts that they are given."""

import itertools

import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import chat

RUNS = {"without": [400.0, 100.0, 150.0, 150.0], "with": [400.0, 50.0, 50.0, 100.0]}


def test_a_box_is_as_wide_as_its_time_and_the_next_begins_where_it_ends():
    drawing = chat.time_line(RUNS, ("again", "kept"))
    boxes = elements(drawing, "rect")
    lanes = boxes[:4], boxes[4:]
    for lane, times in zip(lanes, RUNS.values(), strict=True):
        widths = [float(box.get("width")) for box in lane]
        assert [w / widths[0] for w in widths] == pytest.approx([t / 400 for t in times], rel=1e-3)
        for box, following in itertools.pairwise(lane):
            end = float(box.get("x")) + float(box.get("width"))
            assert float(following.get("x")) == pytest.approx(end, abs=0.01)
    assert fills(drawing) == 4 * ["again"] + 4 * ["kept"]
    assert "without: first token after 400 ms, then one every 150 ms; 4 tokens in 0.8 s." in (
        drawing.alt
    )
    assert "with: first token after 400 ms, then one every 50 ms; 4 tokens in 0.6 s." in drawing.alt
    assert {"0", "0.2", "0.4", "0.6", "0.8"} <= set(texts(drawing))


def test_each_token_of_a_run_may_have_a_state_of_its_own():
    states = ["kept", "again", "kept", "now"]
    assert fills(chat.time_line(RUNS, (states, "kept"))) == [*states, *4 * ["kept"]]


def test_a_run_of_one_token_has_no_gap_to_draw():
    with pytest.raises(ValueError, match=r"at least two tokens, got \{'with': 1\}"):
        chat.time_line({"with": [3.0]}, ("kept",))


def test_a_prefix_is_kept_and_the_rest_fed():
    drawing = chat.prefix_bars({"next question": (5, 7), "edited": (2, 7)})
    expected = 5 * ["kept"] + 2 * ["now"] + 2 * ["kept"] + 5 * ["now"]
    assert fills(drawing) == [*expected, "kept", "now"]
    assert {"feed 2 of 7", "feed 5 of 7"} <= set(texts(drawing))
    assert "edited: 2 of 7 tokens are in the cache, 5 must be fed." in drawing.alt


def test_more_equal_tokens_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"from 0 to all of them, got \{'x': \(3, 2\)\}"):
        chat.prefix_bars({"x": (3, 2)})


def test_bars_stand_beside_a_line():
    drawing = chat.bars_beside(20.0, {"a": 30.0, "b": 15.0}, unit="ms", line_name="the line")
    first, second = (float(box.get("width")) for box in elements(drawing, "rect"))
    assert second / first == pytest.approx(15 / 30, rel=1e-3)
    (line,) = elements(drawing, "polyline")
    x = float(line.get("points").split(",")[0])
    left = float(elements(drawing, "rect")[0].get("x"))
    assert (x - left) / first == pytest.approx(20 / 30, rel=1e-3)
    assert {"30.0 ms (+50%)", "15.0 ms (-25%)", "the line: 20.0 ms"} <= set(texts(drawing))
    assert drawing.alt == "the line: 20.0 ms. a: 30.0 ms (+50%). b: 15.0 ms (-25%)."
