"""Drawings of attention show the numbers and the shapes that they are given."""

import numpy as np
import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import attention

RNG = np.random.default_rng(0)


def test_a_lookup_shows_each_tokens_score_and_weight():
    drawing = attention.lookup(["The", " cat", " sat"], [1.0, 3.25, -2.0], [0.1, 0.875, 0.025])
    assert fills(drawing) == ["kept", "kept", "kept", "kept", "now", "now"]
    assert {"The", "cat", "sat", "1.0", "3.2", "-2.0", "88%"} <= set(texts(drawing))
    widths = [float(box.get("width")) for box in elements(drawing, "rect")[1::2]]
    assert widths[1] / widths[0] == pytest.approx(8.75, rel=1e-3)
    assert "“cat”: score 3.2, weight 88%." in drawing.alt


def test_a_lookup_needs_a_weight_for_each_token():
    with pytest.raises(ValueError, match="got 2 tokens, 2 scores and 1 weights"):
        attention.lookup(["a", "b"], [1, 2], [1.0])


def test_fingerprints_have_a_cell_for_each_number():
    keys = RNG.normal(size=(4, 6)).astype(np.float32)
    drawing = attention.fingerprints(keys[:3], keys)
    assert fills(drawing) == ["series-1"] * (3 * 6 + 4 * 6)
    shades = [box.get("fill-opacity") for box in elements(drawing, "rect")]
    assert shades[: 3 * 6] == shades[3 * 6 : 6 * 6]
    assert "computed again: equal to the last bit" in texts(drawing)
    assert "they are equal to the last bit" in drawing.alt


def test_fingerprints_say_how_far_apart_they_are():
    keys = np.ones((4, 6), dtype=np.float32)
    drawing = attention.fingerprints(keys[:3] + np.float32(2**-10), keys)
    assert "computed again: 1e-03 apart at most" in texts(drawing)
    assert "they are 1e-03 apart at most" in drawing.alt


def test_fingerprints_of_other_steps_are_refused():
    with pytest.raises(ValueError, match=r"one token more, got \(3, 6\), \(3, 6\)"):
        attention.fingerprints(np.ones((3, 6)), np.ones((3, 6)))


def test_influence_crosses_out_the_keys_that_change():
    masked, unmasked = np.zeros((3, 4)), np.full((3, 4), 0.1)
    unmasked[0] = 0
    drawing = attention.influence({"with": masked, "without": unmasked})
    assert fills(drawing).count("kept") == 3 * 4 + 4 + 1
    assert fills(drawing).count("plain") == 2 * 4 + 1
    assert fills(drawing).count("now") == 3 + 3 + 1
    assert "with: no old key changes." in drawing.alt
    assert "without: old keys change in layers 1, 2." in drawing.alt


def test_a_query_fills_a_row_and_a_key_a_column():
    drawing = attention.row_and_column(num_tokens=6, query=5, key=2)
    boxes = fills(drawing)
    assert len(boxes) == 6 * 7 // 2
    assert boxes.count("kept") == 5
    assert boxes.count("now") == 5 - 1  # where they meet, the key is read
    assert {"query 5: one step", "key 2: 5 steps"} <= set(texts(drawing))


def test_a_query_outside_the_text_is_refused():
    with pytest.raises(ValueError, match="from 1 to 6, got 7 and 2"):
        attention.row_and_column(num_tokens=6, query=7, key=2)


def test_score_shapes_count_what_is_formed():
    drawing = attention.score_shapes(prompt=4, chunk=2)
    boxes = fills(drawing)
    legend = {"now": 1, "again": 1, "free": 1}
    assert boxes.count("again") - legend["again"] == 1 + 2 + 3 + 4
    formed_now = 5 + (1 + 2 + 3 + 4) + 5 + (5 + 6)
    assert boxes.count("now") - legend["now"] == formed_now
    masked = 5 * 4 // 2 + 4 * 3 // 2 + 0 + 1
    assert boxes.count("free") - legend["free"] == masked
    assert {"5 × 5", "4 × 4", "1 × 5", "2 × 6"} <= set(texts(drawing))


def test_a_ruler_goes_on_where_the_cache_ends():
    drawing = attention.ruler([("prefill", 0, 3), ("decode", 3, 1)])
    assert fills(drawing)[:7] == 3 * ["now"] + 3 * ["kept"] + ["now"]
    assert texts(drawing)[1:4] == ["0", "1", "2"]
    assert drawing.alt.endswith("decode: 3 in the cache, new positions 3 to 3.")
