"""Drawings of memory and speed show the sizes and ratios that they are given."""

import itertools
import math

import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import memory, speed


def widths(drawing) -> list[float]:
    return [float(box.get("width")) for box in elements(drawing, "rect")]


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(72 * 2**20, "72 MiB"), (22.5 * 2**10, "22.5 KiB"), (3, "3 bytes"), (9 * 2**30, "9 GiB")],
)
def test_bytes_are_written_in_units_of_1024(num_bytes, text):
    assert memory.in_units(num_bytes) == text


def test_a_wall_is_as_long_as_the_logarithm_of_its_product():
    models = {"large": {"K, V": 2, "layers": 32, "bytes": 4}, "small": {"K, V": 2, "layers": 8}}
    drawing = memory.wall(models)
    segments = widths(drawing)
    assert segments[1] / segments[0] == pytest.approx(math.log2(32) / math.log2(2), rel=1e-3)
    assert sum(segments[3:]) / sum(segments[:3]) == pytest.approx(4 / 8, rel=1e-3)
    assert {"256 bytes", "16 bytes", "32", "8"} <= set(texts(drawing))
    assert "large: 2 K, V × 32 layers × 4 bytes = 256 bytes." in drawing.alt


def test_heads_are_drawn_with_what_they_share():
    plans = [memory.HeadPlan("GQA", 9, 3, "small"), memory.HeadPlan("MLA", 4, 0, "smaller")]
    drawing = memory.shared_heads(plans)
    legend = 1
    assert fills(drawing).count("series-1") == 9 + 4 + legend
    assert fills(drawing).count("kept") == 3 + 2 + legend
    assert len(elements(drawing, "polyline")) == 9 + 4
    assert "GQA: 9 query heads, 3 kept, each for 3; small." in drawing.alt


def test_heads_that_cannot_share_equally_are_refused():
    with pytest.raises(ValueError, match="odd: 8 query heads cannot share 3 equally"):
        memory.shared_heads([memory.HeadPlan("odd", 8, 3, "")])


def test_a_device_holds_whole_sequences_behind_the_weights():
    drawing = memory.device({"a": (40, 25), "b": (120, 10)}, 100, "a box")
    assert {"2 sequences", "0 sequences"} <= set(texts(drawing))
    whole, weights, first, second = widths(drawing)[:4]
    assert weights / whole == pytest.approx(0.4, rel=1e-3)
    assert first == second == pytest.approx(whole / 4, rel=1e-3)


def test_counts_draw_a_cell_for_each_key_and_each_pair():
    drawing = speed.counts(4)
    legend = 1
    assert fills(drawing).count("now") == 4 + (1 + 2 + 3 + 4) + legend
    assert fills(drawing).count("again") == (10 - 4) + (30 - 10) + legend
    assert {"keys: 10 or 4", "pairs: 30 or 10"} <= set(texts(drawing))


@pytest.mark.parametrize("num_passes", [1, 8])
def test_counts_that_do_not_fit_are_refused(num_passes):
    with pytest.raises(ValueError, match=f"from 2 to 7, got {num_passes}"):
        speed.counts(num_passes)


def test_slopes_are_logarithmic_and_their_labels_apart():
    drawing = speed.slopes({"a": (100.0, 10.0), "b": (10.0, 9.9), "c": (10.0, 9.8)})
    lines = [line.get("points").split() for line in elements(drawing, "polyline")]
    ends = [[float(point.split(",")[1]) for point in line] for line in lines[3:]]
    one = float(lines[2][0].split(",")[1])
    assert one - ends[0][0] == pytest.approx(2 * (one - ends[0][1]), rel=1e-3)
    labels = [t for t in elements(drawing, "text") if t.text[-1] in "abc"]
    heights = sorted(float(label.get("y")) for label in labels)
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 15
    assert "a: 100.0 to 10.0." in drawing.alt


def test_a_ratio_below_zero_has_no_place():
    with pytest.raises(ValueError, match=r"must be positive, got \{'a': \(0, 1\)\}"):
        speed.slopes({"a": (0, 1)})


def test_a_weight_is_used_by_each_token():
    drawing = speed.reuse(30)
    assert fills(drawing).count("now") == 30 + 1
    assert {"30 multiply-adds", "1 multiply-add"} <= set(texts(drawing))
