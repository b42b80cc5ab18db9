import numpy as np
import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import distributed


def test_each_cut_shows_whose_cell_is_whose():
    rows, columns = np.arange(6)[:, None], np.arange(4)
    owners = {
        "tokens": np.broadcast_to(columns % 2, (6, 4)),
        "heads": np.broadcast_to(rows % 3 // 2, (6, 4)),
    }
    notes = {"tokens": "60 messages", "heads": "30 messages"}
    drawing = distributed.cuts(owners, notes, rows=3)
    legend = 1
    assert fills(drawing).count("series-1") == 12 + 16 + legend
    assert fills(drawing).count("series-2") == 12 + 8 + legend
    assert {"by tokens", "by heads", "60 messages", "worker 1"} <= set(texts(drawing))
    assert "By heads: worker 0 has 16 of 24 cells; 30 messages." in drawing.alt
    assert "2 layers of 3 heads, cut for 2 workers in 2 ways" in drawing.alt


def test_rows_that_are_no_whole_layers_are_refused():
    with pytest.raises(ValueError, match="4 rows are not whole layers of 3"):
        distributed.cuts({"tokens": np.zeros((4, 2), int)}, {"tokens": ""}, rows=3)


def test_what_a_worker_found_counts_by_its_scaled_sum():
    drawing = distributed.merge([(2.0, 3.0), (1.0, np.e)], 2312, 2376)
    assert {"max 2.00, sum 3.00, output", "75%", "25%"} <= set(texts(drawing))
    assert "2,312 bytes to each worker, 2,376 back, all heads together" in texts(drawing)
    assert "Worker 1 returns maximum 1.00, sum 2.72 and an output, which counts for 25%" in (
        drawing.alt
    )
    assert len(elements(drawing, "polyline")) == 4


def test_chunks_move_on_and_idle_turns_are_counted():
    turns = np.array([[0, -1], [1, 0], [2, 1], [-1, 2]])
    drawing = distributed.pipeline(turns)
    legend = 1
    assert fills(drawing).count("series-1") == 3 + legend
    assert fills(drawing).count("series-2") == 3 + legend
    assert fills(drawing).count("free") == 2 + legend
    assert "idle: 2 of 8" in texts(drawing)
    assert "2 of 8 turns are idle" in drawing.alt


def test_lost_stripes_are_computed_again():
    drawing = distributed.loss([0, 1, 0, 1, 0], lost=1, stripe=16)
    legend = 1
    assert fills(drawing).count("kept") == 3 + legend
    assert fills(drawing).count("again") == 2 + legend
    assert "computed again: 2 of 5 stripes" in texts(drawing)
    assert "Worker 1 died; 2 stripes were its own" in drawing.alt
