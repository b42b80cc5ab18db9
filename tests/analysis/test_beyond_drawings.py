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
    assert fills(drawing).count("now") == 21 + legend
    assert fills(drawing).count("free") == 21 - kept + legend
    lost = np.mean([1 / 5, 2 / 6])
    assert f"{lost:.0%} of it is dropped" in texts(drawing)
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
    tables = {"first": [0, 1, 2], "second": [0, 1, 3]}
    drawing = beyond.block_tables(tables, [2, 2, 1, 1, 0])
    legend = 1
    assert fills(drawing).count("kept") == 2 + 2 + 2 + legend
    assert fills(drawing).count("free") == 1 + legend
    assert len(elements(drawing, "polyline")) == len(tables["second"])
    assert "second has the blocks [0, 1, 3]." in drawing.alt
    assert "Blocks [0, 1] belong to more than one sequence." in drawing.alt


def test_a_sweep_says_what_is_known_after_each_tile():
    drawing = beyond.tile_sweep([(1.5, 10.0, 0.0), (2.5, 13.7, 0.37)])
    assert {"max 1.50", "sum 10.0", "max 2.50", "sum 13.7", "old × 0.37"} <= set(texts(drawing))
    assert "old × 0.00" not in texts(drawing)
    assert "After tile 2: largest score 2.50, sum 13.7, the old scaled by 0.37." in drawing.alt


def test_a_ring_shows_whose_keys_are_met_and_idle_turns():
    turns = np.array([[0, 1, 2], [-1, 0, 1], [-1, -1, 0]])
    drawing = beyond.ring(turns)
    assert fills(drawing).count("free") == 3 + 1
    assert fills(drawing).count("now") == 6 + 1
    assert "idle: 3 of 9" in texts(drawing)
    assert "3 of 9 turns are idle" in drawing.alt
