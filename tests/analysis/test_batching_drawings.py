"""Drawings of batches keep the passes, the places and the times that they are given."""

import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import batching
from tinytorch.serving import BlockPool, Request, Scheduler


def scheduled(requests, num_blocks=64, **options):
    """Run a scheduler without a model, and return its events."""
    events = []
    scheduler = Scheduler(BlockPool(num_blocks, 4), on_event=events.append, **options)
    for number, (prompt, count) in enumerate(requests):
        scheduler.add(Request([number] * prompt, count))
    while scheduler.waiting or scheduler.running:
        step = scheduler.schedule()
        scheduler.commit([[7] if chunk.samples else [] for chunk in step.chunks])
    return events


REQUESTS = [(3, 2), (2, 5), (2, 3), (4, 1)]


def test_a_place_is_idle_until_the_longest_of_its_batch_ends_or_filled_at_once():
    static = batching.place_rows(scheduled(REQUESTS, max_running=2, policy="static"), 2)
    now, decode, idle = "now", "kept", ("free", -1)
    assert static == [
        [(now, 0), (decode, 0), idle, idle, idle, (now, 2), (decode, 2), (decode, 2)],
        [(now, 1), *4 * [(decode, 1)], (now, 3), idle, idle],
    ]
    continuous = batching.place_rows(scheduled(REQUESTS, max_running=2), 2)
    assert continuous == [
        [(now, 0), (decode, 0), (now, 2), (decode, 2), (decode, 2), (now, 3)],
        [(now, 1), *4 * [(decode, 1)], idle],
    ]


def test_both_ways_are_drawn_on_one_scale():
    runs = {
        "static": scheduled(REQUESTS, max_running=2, policy="static"),
        "continuous": scheduled(REQUESTS, max_running=2),
    }
    drawing = batching.places(runs, 2)
    assert "8 passes, 69% of the places used" in texts(drawing)
    assert "continuous: 6 passes, 92% of the places used." in drawing.alt
    widths = [float(box.get("width")) for box in elements(drawing, "rect")[:-3]]
    assert sum(widths) == pytest.approx(440 * 2 * (1 + 6 / 8), abs=0.01)
    assert {"now", "kept", "free"} == set(fills(drawing))
    assert {"prefill", "a new token", "empty"} <= set(texts(drawing))
    assert {"1", "2"} <= set(texts(drawing))


def test_what_a_preemption_dropped_is_computed_again():
    events = scheduled([(6, 8), (6, 8)], num_blocks=5, share_prefixes=False)
    assert any(event["event"] == "preempt" for event in events)
    rows = batching.place_rows(events, 2)
    again = [request for row in rows for fill, request in row if fill == "again"]
    assert again == [1]
    drawing = batching.places({"small pool": events}, 2)
    assert "computed again" in texts(drawing)


def test_more_requests_than_places_are_refused():
    with pytest.raises(ValueError, match="request 1 finds none of the 1 places free"):
        batching.places({"x": scheduled(REQUESTS, max_running=2)}, 1)


def test_a_token_meets_the_keys_of_its_own_sequence():
    drawing = batching.ragged_pass([(3, 2), (1, 4)])
    drawn = fills(drawing)[:-3]
    assert drawn.count("kept") == 3 * 2 + 4
    assert drawn.count("now") == 6 + 1
    assert len(drawn) == 3 * 5 + 5
    assert len(elements(drawing, "circle")) == 3 + 1  # masked, and the key's own dot
    assert "4 new tokens of 2 sequences" in drawing.alt
    assert "20 of 40 pairs" in drawing.alt
    boxes = elements(drawing, "rect")
    right = max(float(box.get("x")) for box in boxes[:15])
    assert float(boxes[15].get("x")) > right + float(boxes[0].get("width"))


def test_a_sequence_without_a_new_token_is_refused():
    with pytest.raises(ValueError, match=r"needs a new token, got \[\(0, 3\)\]"):
        batching.ragged_pass([(0, 3)])


def test_a_pass_is_as_wide_as_its_time_and_says_whether_the_prompt_was_in_it():
    runs = {"whole": [(20.0, 0), (900.0, 600), (20.0, 0)], "chunks": [(300.0, 200)] * 3}
    drawing = batching.gap_lines(runs)
    assert fills(drawing) == ["kept", "now", "kept", *3 * ["now"], "kept", "now"]
    widths = [float(box.get("width")) for box in elements(drawing, "rect")]
    assert widths[1] / widths[0] == pytest.approx(45, rel=1e-3)
    assert widths[3] / widths[1] == pytest.approx(1 / 3, rel=1e-3)
    assert {"longest gap 900 ms", "longest gap 300 ms", "0", "0.2"} <= set(texts(drawing))
    assert "chunks: longest gap 300 ms, 3 passes in 0.9 s." in drawing.alt


def test_a_run_without_a_pass_is_refused():
    with pytest.raises(ValueError, match=r"each run needs a pass, got \[0\]"):
        batching.gap_lines({"x": []})


def test_a_pass_is_a_column_with_its_right_and_its_wrong_guesses():
    runs = {"repeats": [(4, 4), (4, 2)], "does not": [(0, 0), (1, 0), (0, 0)]}
    drawing = batching.guess_columns(runs)
    columns = ["now", *4 * ["kept"], "now", *2 * ["kept"], *2 * ["free"]]
    assert fills(drawing) == [*columns, "now", "now", "free", "now", "now", "kept", "free"]
    assert len(elements(drawing, "polyline")) == 2 * 3
    assert {"8 tokens in 2 passes", "3 tokens in 3 passes"} <= set(texts(drawing))
    assert "repeats: 8 tokens in 2 passes, 6 of 8 guesses right." in drawing.alt
    boxes = elements(drawing, "rect")
    assert float(boxes[0].get("y")) > float(boxes[1].get("y"))
    assert float(boxes[5].get("x")) > float(boxes[0].get("x"))


@pytest.mark.parametrize(
    ("runs", "found"), [({"x": []}, "needs a pass"), ({"x": [(1, 2)]}, "from 0 to all of them")]
)
def test_guesses_that_cannot_be_are_refused(runs, found):
    with pytest.raises(ValueError, match=found):
        batching.guess_columns(runs)
