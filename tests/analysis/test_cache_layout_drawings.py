"""The drawings of a cache show what its arrays hold."""

import numpy as np
import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import cache_layout
from tinytorch.analysis.drawings.cache_layout import Moment, slot_states


def entries(count: int, room: int) -> np.ndarray:
    array = np.zeros((2, 3, room, 4), np.float32)
    array[:, :, :count, 1] = 0.5
    return array


def test_the_states_are_read_from_the_array():
    assert slot_states(entries(3, 5), 2) == ["kept", "kept", "now", "free", "free"]
    assert slot_states(entries(3, 3), 2, moved=True) == ["again", "again", "now"]
    assert slot_states(entries(0, 2), 0) == ["free", "free"]


def test_a_hole_in_the_cache_is_seen():
    array = entries(4, 4)
    array[:, :, 1] = 0
    assert slot_states(array, 4) == ["kept", "free", "kept", "kept"]


def test_the_box_names_its_axes_as_the_code_does():
    drawing = cache_layout.axes_box((2, 4, 6, 16))
    words = texts(drawing)
    assert {"B: sequence 1 of 2", "B: sequence 2 of 2", "H = 4", "T = 6", "D = 16"} <= set(words)
    assert fills(drawing).count("now") == 2 * 4 + 1
    assert fills(drawing).count("kept") == 2 * 4 * 5 + 1
    assert len(elements(drawing, "polyline")) == 2 * 15


@pytest.mark.parametrize(
    "shape", [(1, 4, 6), (3, 4, 6, 16), (1, 7, 6, 16), (1, 4, 9, 16), (0, 4, 6, 16)]
)
def test_a_shape_that_cannot_be_drawn_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(B, H, T, D\)"):
        cache_layout.axes_box(shape)


def test_the_tapes_count_copies_and_draw_an_arrow_for_each():
    copied = [["kept"] * 2, ["again"] * 2 + ["now"], ["again"] * 3 + ["now"]]
    in_place = [["kept"] * 2 + ["free"] * 2, ["kept"] * 2 + ["now", "free"], ["kept"] * 3 + ["now"]]
    drawing = cache_layout.tapes(copied, in_place)
    assert {"5 copied, 2 new", "0 copied, 2 new"} <= set(texts(drawing))
    assert len(elements(drawing, "polyline")) == 5
    assert "5 copies for 2 new entries" in drawing.alt


def test_tapes_of_different_updates_are_refused():
    with pytest.raises(ValueError, match="got 2 and 3 states"):
        cache_layout.tapes([["kept"]] * 2, [["kept"]] * 3)


def test_the_views_end_where_the_code_s_views_end():
    drawing = cache_layout.views(["kept"] * 5 + ["now"] + ["free"] * 2, 5)
    words = texts(drawing)
    assert {"update returns a view of 6", "get returns a view of 5", "max_seq_len = 8"} <= set(
        words
    )
    upper, lower = (
        float(line.get("points").split()[-1].split(",")[0])
        for line in elements(drawing, "polyline")
    )
    assert upper / lower == pytest.approx(6 / 5)


def test_a_view_without_a_new_entry_is_refused():
    with pytest.raises(ValueError, match="counted and new entries"):
        cache_layout.views(["kept", "free"], 1)


def test_moments_show_every_layer_and_the_count():
    before, after = ["kept", "free", "free"], ["kept", "now", "free"]
    drawing = cache_layout.moments(
        [
            Moment("update(0)", [after, before], 1),
            Moment("advance()", [["kept", "kept", "free"]] * 2, 2),
        ]
    )
    words = texts(drawing)
    assert words.count("layer 0") == words.count("layer 1") == 2
    assert {"update(0)", "advance()", "seq_pos = 1", "seq_pos = 2"} <= set(words)
    assert fills(drawing)[:6] == [*after, *before]
    assert "update(0): layer 0 kept at 0 and now at 1 and free at 2" in drawing.alt


def test_no_moment_is_refused():
    with pytest.raises(ValueError, match="at least one moment"):
        cache_layout.moments([])


def test_the_legend_names_only_what_is_drawn():
    drawing = cache_layout.moments(
        [Moment("later", [["kept", "free"]], 2)], names=("an entry", "new", "a hole")
    )
    assert {"an entry", "a hole"} <= set(texts(drawing))
    assert "new" not in texts(drawing)
