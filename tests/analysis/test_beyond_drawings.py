"""Drawings of windows, scales, blocks, tiles and rings keep what they are given."""

import numpy as np
import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import beyond


def even_attention(tokens: int) -> np.ndarray:
    visible = np.tri(tokens)
    return visible / visible.sum(axis=1, keepdims=True)


def test_a_window_keeps_its_sinks_and_the_last_tokens():
    tokens, window, sinks = 6, 4, 1
    drawing = beyond.attention_map(even_attention(tokens), window, sinks)
    legend = 1
    kept = sum(min(row, window) for row in range(1, tokens + 1))
    assert fills(drawing).count("kept") == kept + legend
    assert fills(drawing).count("series-1") == 21 + legend
    assert fills(drawing).count("free") == 21 - kept + legend
    lost = np.mean([1 / 5, 2 / 6])
    assert f"{lost:.0%} of the attention is outside" in texts(drawing)
    first = np.mean([1 / n for n in range(2, 7)])
    assert f"{first:.0%} falls on the first token" in texts(drawing)


def test_a_map_that_is_no_square_is_refused():
    with pytest.raises(ValueError, match=r"weights must be \(T, T\), got \(2, 3\)"):
        beyond.attention_map(np.ones((2, 3)), 2, 1)


def test_the_loudest_channel_is_framed():
    keys = np.ones((3, 4))
    keys[:, 2] = 5
    drawing = beyond.shared_scales(keys)
    boxes = elements(drawing, "rect")
    assert len(boxes) == 2 * (3 * 4 + 1)
    frame, cell = boxes[-1], boxes[-2]
    assert float(frame.get("width")) == float(cell.get("width"))
    assert float(frame.get("height")) == 3 * float(cell.get("height"))
    assert float(frame.get("x")) == float(boxes[13 + 2].get("x"))
    assert "channel 2" in drawing.alt


def test_block_tables_share_what_two_sequences_use():
    tables = {"first": [0, 1, 3], "second": [0, 1, 4]}
    drawing = beyond.block_tables(tables, [2, 2, 0, 1, 1, 0, 0])
    legend = 1
    assert fills(drawing).count("series-3") == 2 + 2 + 2 + legend
    assert fills(drawing).count("series-1") == fills(drawing).count("series-2") == 2 + legend
    assert fills(drawing).count("free") == 1 + legend
    assert [*tables, "shared", "free"] == texts(drawing)[-4:]
    assert "middle: the pool, with how many use each block; 2 more are free" in texts(drawing)
    assert "second has the blocks [0, 1, 4]." in drawing.alt
    assert "Blocks [0, 1] belong to more than one sequence." in drawing.alt


def test_each_block_of_a_table_leads_to_its_place_in_the_pool():
    tables = {"first": [2, 0], "second": [2, 1]}
    drawing = beyond.block_tables(tables, [1, 1, 2])
    pool = [box for box in elements(drawing, "rect") if box.get("height") == "32"]
    ends = [line.get("points").split() for line in elements(drawing, "polyline")]
    for (_, end), block in zip(ends, [2, 0, 2, 1], strict=True):
        x, y = map(float, end.split(","))
        left, top, width, height = (
            float(pool[block].get(name)) for name in ("x", "y", "width", "height")
        )
        assert left < x < left + width
        assert top - 2 <= y <= top + height + 2
    assert {float(start.split(",")[1]) < float(end.split(",")[1]) for start, end in ends} == {
        True,
        False,
    }


def test_more_tables_than_two_are_refused():
    with pytest.raises(ValueError, match="1 or 2 sequences, got 3"):
        beyond.block_tables({"a": [0], "b": [0], "c": [0]}, [3])


def test_a_sweep_says_what_is_known_after_each_tile():
    drawing = beyond.tile_sweep([(1.5, 10.0, 0.0), (2.5, 13.7, 0.37)])
    assert {"max 1.50", "sum 10.0", "max 2.50", "sum 13.7", "old × 0.37"} <= set(texts(drawing))
    assert "old × 0.00" not in texts(drawing)
    assert "After tile 2: largest score 2.50, sum 13.7, the old scaled by 0.37." in drawing.alt


def test_a_ring_shows_whose_keys_are_met_and_idle_turns():
    turns = np.array([[0, 1, 2], [-1, 0, 1], [-1, -1, 0]])
    drawing = beyond.ring(turns)
    assert fills(drawing).count("free") == 3 + 1
    assert fills(drawing).count("series-1") == 6 + 1
    assert "idle: 3 of 9" in texts(drawing)
    assert "3 of 9 turns are idle" in drawing.alt


def test_the_last_worker_passes_its_keys_to_the_first():
    drawing = beyond.ring(np.zeros((3, 3), dtype=int))
    points = [line.get("points").split() for line in elements(drawing, "polyline")]
    assert len(points) == 3
    last, first = (float(points[-1][i].split(",")[0]) for i in (0, -1))
    assert last > first == pytest.approx(float(points[0][0].split(",")[0]))
