"""Drawings of broken caches tell right, wrong and missing entries apart."""

import numpy as np
import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import bugs

KEYS = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
"""Two layers, four places, six numbers."""


def broken_keys() -> np.ndarray:
    keys = KEYS.copy()
    keys[0, 1] = 0
    keys[1, 2] += 0.5
    return keys


def test_equal_caches_have_right_entries_only():
    assert bugs.entry_states(KEYS + 1e-6, KEYS) == [4 * ["right"]] * 2


def test_zeros_are_missing_and_other_numbers_wrong():
    first, second = bugs.entry_states(broken_keys(), KEYS)
    assert first == ["right", "missing", "right", "right"]
    assert second == ["right", "right", "wrong", "right"]


def test_a_shorter_cache_misses_entries_and_a_longer_one_has_wrong_ones():
    assert bugs.entry_states(KEYS[:, :3], KEYS) == [["right"] * 3 + ["missing"]] * 2
    assert bugs.entry_states(KEYS, KEYS[:, :3]) == [["right"] * 3 + ["wrong"]] * 2


def test_caches_of_other_layers_are_refused():
    with pytest.raises(
        ValueError, match=r"both must be \(L, T, N\), got \(1, 4, 6\) and \(2, 4, 6"
    ):
        bugs.entry_states(KEYS[:1], KEYS)


def test_a_strip_shows_each_entry_and_says_what_is_wrong():
    states = bugs.entry_states(broken_keys(), KEYS)
    drawing = bugs.cache_strip(states, range(3))
    boxes = 2 * 4 + 3  # the legend has a box for each of the three states
    assert len(elements(drawing, "rect")) == boxes
    assert fills(drawing)[:8].count("kept") == 6
    assert texts(drawing).count("0") == 1 + 1 + 1  # the column, the entry, the legend
    assert "Layer 0: 1 missing. Layer 1: 2 wrong." in drawing.alt
    assert drawing.alt.endswith("The last token attends to all but [3].")


def test_padding_is_neither_right_nor_wrong():
    drawing = bugs.cache_strip([["wrong", "right", "right"]], range(1, 3), pads=1)
    assert "wrong" not in texts(drawing)
    assert "padding" in texts(drawing)
    assert "The first 1 are padding. Layer 0: all entries are right." in drawing.alt


def test_the_matrix_counts_what_each_check_catches():
    results = {
        "lost": {"shapes": False, "decode": True},
        "stays": {"shapes": False, "decode": False},
    }
    drawing = bugs.matrix(results)
    assert texts(drawing).count("✓") == 1
    assert texts(drawing).count("–") == 3
    assert {"0 of 2", "1 of 2"} <= set(texts(drawing))
    assert "lost: caught by decode. stays: caught by none." in drawing.alt


CAUSAL = np.tri(4, dtype=bool)


def test_queries_that_see_what_they_should_have_no_cross():
    drawing = bugs.seen_matrix(CAUSAL, CAUSAL, cached=[0, 0, 2, 3])
    assert fills(drawing)[:16].count("free") == 6
    assert len(elements(drawing, "circle")) == 6 + 1  # a dot for each, and in the legend
    # Of ten visible keys, those of earlier passes are kept: two for query 2, three for query 3.
    assert fills(drawing)[:16].count("kept") == 5
    assert fills(drawing)[:16].count("now") == 5
    assert drawing.alt == "4 queries and 4 keys. Each query sees what it should."
    assert len(elements(drawing, "polyline")) == 2 + 4  # two passes end; two crosses of the legend


def test_what_is_seen_wrongly_and_what_is_missed_are_crossed_and_told_apart():
    found = CAUSAL.copy()
    found[0, 3] = True
    found[2, :2] = False
    drawing = bugs.seen_matrix(found, CAUSAL, cached=[0, 0, 0, 3])
    cells = fills(drawing)[:16]
    assert cells[:4] == ["now", "free", "free", "now"]
    assert cells[8:12] == ["free", "free", "now", "free"]
    assert len(elements(drawing, "polyline")) == 1 + 2 * 3 + 4
    assert "Query 0 sees [3], which it must not. Query 2 misses [0, 1]." in drawing.alt


def test_a_query_that_is_not_computed_is_named():
    drawing = bugs.seen_matrix(np.zeros((0, 4), bool), np.ones((1, 4), bool), cached=[4])
    assert "no query 3" in texts(drawing)
    assert fills(drawing)[:4] == 4 * ["free"]
    assert drawing.alt == "One query and 4 keys. Query 3 is not computed."


def test_queries_and_keys_must_fit():
    for shape in ((5, 4), (4, 3), (4,)):
        with pytest.raises(ValueError, match=r"expected up to \(4, 4\)"):
            bugs.seen_matrix(np.ones(shape, bool), CAUSAL, cached=4 * [0])
