"""Which requests share a pass, what it holds, who waits for a prompt, and which guesses hold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing
from tinytorch.analysis.drawings.chat import time_axis

DECODE, PREFILL, AGAIN, EMPTY = "kept", "now", "again", "free"
MEANINGS = {
    PREFILL: "prefill",
    DECODE: "a new token",
    AGAIN: "computed again",
    EMPTY: "empty",
}
ROW = 20
LABEL_WIDTH = 15
"""The narrowest box that has room for a request's number."""


def places(runs: Mapping[str, Sequence[Mapping]], num_places: int) -> Drawing:
    """Draw which request has which place of the batch in each forward pass.

    Parameters
    ----------
    runs : mapping of str to sequence of dict
        For each way to serve, the events of its scheduler, see
        `tinytorch.serving.request_queue.RequestQueue`.
    num_places : int
        Requests that may take part in a pass.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If more requests run at once than there are places.
    """
    rows = {name: place_rows(events, num_places) for name, events in runs.items()}
    lengths = {name: len(row[0]) for name, row in rows.items()}
    said = {name: _share_used(row) for name, row in rows.items()}
    fills = {kind for row in rows.values() for kind, _ in itertools.chain(*row)}
    scale, run_height = WIDTH / max(lengths.values()), 24 + ROW * num_places + 12
    drawing = Drawing(
        run_height * len(runs) + 16,
        f"Rows of a batch with {num_places} places, a column for each forward pass. "
        + " ".join(f"{name}: {said[name]}." for name in runs),
    )
    for i, name in enumerate(runs):
        y = run_height * i
        drawing.text(0, y + 9, name, anchor="start", bold=True)
        drawing.text(WIDTH, y + 9, said[name], anchor="end", size=12)
        for place, row in enumerate(rows[name]):
            _draw_row(drawing, y + 24 + ROW * place, row, scale)
    entries = [(fill, MEANINGS[fill]) for fill in MEANINGS if fill in fills]
    drawing.key(run_height * len(runs) + 6, *entries)
    return drawing


def place_rows(events: Sequence[Mapping], num_places: int) -> list[list[tuple[str, int]]]:
    """Find what each place of a batch does in each pass.

    Parameters
    ----------
    events, num_places
        As for `places`.

    Returns
    -------
    list of list of (str, int)
        For each place and pass, what is computed (``"now"`` for a prompt, ``"kept"`` for a token
        behind it, ``"again"`` for what a preemption had dropped, ``"free"`` for nothing)
        and the number of the request, -1 for none.

    Raises
    ------
    ValueError
        As `places`.
    """
    num_passes = max(event["step"] for event in events)
    rows = [[(EMPTY, -1)] * num_passes for _ in range(num_places)]
    place_of: dict[int, int] = {}
    prompt: dict[int, int] = {}
    reached: dict[int, int] = {}
    for event in events:
        request, name = event["request"], event["event"]
        if name == "arrive":
            prompt[request] = event["tokens"]
        elif name == "admit":
            free = set(range(num_places)) - set(place_of.values())
            if not free:
                raise ValueError(f"request {request} finds none of the {num_places} places free")
            place_of[request] = min(free)
            reached.setdefault(request, event["tokens"])
        elif name == "compute":
            fill = PREFILL if event["start"] < prompt[request] else DECODE
            fill = AGAIN if event["start"] < reached[request] else fill
            reached[request] = max(reached[request], event["start"] + event["tokens"])
            rows[place_of[request]][event["step"] - 1] = (fill, request)
        elif name in ("finish", "cancel", "preempt"):
            place_of.pop(request, None)
    return rows


def _share_used(rows: Sequence[Sequence[tuple[str, int]]]) -> str:
    used = sum(request >= 0 for _, request in itertools.chain(*rows))
    share = used / (len(rows) * len(rows[0]))
    return f"{len(rows[0])} passes, {share:.0%} of the places used"


def _draw_row(drawing: Drawing, y: float, row: Sequence[tuple[str, int]], scale: float) -> None:
    """Draw a place as boxes, one for each stretch of equal passes."""
    x, labelled = 0.0, set()
    for (fill, request), same in itertools.groupby(row):
        width = len(list(same)) * scale
        label = ""
        if request >= 0 and request not in labelled and fill == DECODE and width >= LABEL_WIDTH:
            label = str(request + 1)
            labelled.add(request)
        drawing.box(x, y, width, ROW - 3, fill, text=label, size=11, stroke_width=0.6)
        x += width


def ragged_pass(sequences: Sequence[tuple[int, int]]) -> Drawing:
    """Draw which keys the new tokens of one pass attend to, each in its own sequence.

    Parameters
    ----------
    sequences : sequence of (int, int)
        For each sequence its new tokens, and the tokens that it has in the cache.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If a sequence has no new token.
    """
    if not sequences or any(new < 1 for new, _ in sequences):
        raise ValueError(f"each sequence needs a new token, got {list(sequences)}")
    num_new = sum(new for new, _ in sequences)
    num_keys = sum(map(sum, sequences))
    gap, left = 10.0, 30.0
    size = min(16.0, (WIDTH - left - gap * (len(sequences) - 1)) / num_keys)
    height = max(size, 14.0)
    pairs = sum(new * (new + cached) for new, cached in sequences)
    drawing = Drawing(
        24 + height * num_new + 46,
        f"One pass over {num_new} new tokens of {len(sequences)} sequences. "
        + " ".join(
            f"Sequence {i}: {new} new, {cached} in the cache."
            for i, (new, cached) in enumerate(sequences, 1)
        )
        + f" Each new token meets the keys of its own sequence only: {pairs} of "
        f"{num_new * num_keys} pairs.",
    )
    x, row = left, 0
    for number, (new, cached) in enumerate(sequences, 1):
        width = size * (new + cached)
        middle = min(x + width / 2, WIDTH - 32)
        drawing.text(middle, 9, f"keys of {number}", size=12)
        for i in range(new):
            y = 22 + height * (row + i)
            for j in range(cached + new):
                fill = "kept" if j < cached else "now" if j <= cached + i else "masked"
                drawing.box(x + size * j, y, size, height, fill, stroke_width=0.6)
        drawing.text(left - 8, 22 + height * (row + new / 2), str(number), anchor="end", size=12)
        x, row = x + width + gap, row + new
    bottom = 22 + height * num_new
    said = f"rows: new tokens of sequences 1 to {len(sequences)}, in one product with the weights"
    drawing.text(0, bottom + 14, said, anchor="start", size=12)
    drawing.key(bottom + 36, ("kept", "from the cache"), ("now", "made now"), ("masked", "masked"))
    return drawing


def gap_lines(runs: Mapping[str, Sequence[tuple[float, int]]]) -> Drawing:
    """Draw when the tokens of a text come while the prompt of another is computed beside it.

    Parameters
    ----------
    runs : mapping of str to sequence of (float, int)
        For each run its passes: milliseconds, and how many tokens of the prompt were in it.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If a run has no pass.
    """
    if not runs or not all(runs.values()):
        raise ValueError(f"each run needs a pass, got {[len(run) for run in runs.values()]}")
    totals = {name: sum(ms for ms, _ in run) for name, run in runs.items()}
    said = {name: f"longest gap {max(ms for ms, _ in run):,.0f} ms" for name, run in runs.items()}
    longest, lane = max(totals.values()) / 1e3, 48
    scale = (WIDTH - 20) / max(totals.values())
    drawing = Drawing(
        lane * len(runs) + 64,
        "Lanes on one time axis, a box for each pass, as wide as its time. "
        + " ".join(
            f"{name}: {said[name]}, {len(run)} passes in {totals[name] / 1e3:.1f} s."
            for name, run in runs.items()
        ),
    )
    for i, (name, run) in enumerate(runs.items()):
        y, x = lane * i, 0.0
        drawing.text(0, y + 9, name, anchor="start", bold=True)
        drawing.text(WIDTH, y + 9, said[name], anchor="end", size=12)
        for ms, num_prompt in run:
            fill = PREFILL if num_prompt else DECODE
            drawing.box(x, y + 20, ms * scale, 18, fill, stroke_width=0.6)
            x += ms * scale
    bottom = lane * len(runs) + 2
    time_axis(drawing, bottom, longest, "seconds")
    drawing.key(bottom + 50, (DECODE, "new tokens only"), (PREFILL, "with some of the prompt"))
    return drawing


def guess_columns(runs: Mapping[str, Sequence[tuple[int, int]]]) -> Drawing:
    """Draw the passes of speculative decoding, a column each, and which guesses were right.

    Parameters
    ----------
    runs : mapping of str to sequence of (int, int)
        For each text its passes: how many tokens were guessed, and how many of them were right.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If a run has no pass, or more guesses are right than there are.
    """
    if not runs or not all(runs.values()):
        raise ValueError(f"each run needs a pass, got {[len(run) for run in runs.values()]}")
    if any(not 0 <= right <= guessed for run in runs.values() for guessed, right in run):
        raise ValueError(f"right guesses must be from 0 to all of them, got {dict(runs)}")
    written = {name: sum(right + 1 for _, right in run) for name, run in runs.items()}
    said = {name: f"{written[name]} tokens in {len(run)} passes" for name, run in runs.items()}
    width = min(WIDTH / max(map(len, runs.values())), 24.0)
    tallest = {name: 1 + max(guessed for guessed, _ in run) for name, run in runs.items()}
    size = 13
    drawing = Drawing(
        sum(26 + size * rows + 14 for rows in tallest.values()) + 14,
        "A column for each pass: the newest token, and guesses on top of it. "
        + " ".join(
            f"{name}: {said[name]}, {sum(right for _, right in run)} of "
            f"{sum(guessed for guessed, _ in run)} guesses right."
            for name, run in runs.items()
        ),
    )
    y = 0
    for name, run in runs.items():
        drawing.text(0, y + 9, name, anchor="start", bold=True)
        drawing.text(WIDTH, y + 9, said[name], anchor="end", size=12)
        bottom = y + 26 + size * tallest[name]
        for i, (guessed, right) in enumerate(run):
            fills = [PREFILL, *right * [DECODE], *(guessed - right) * [EMPTY]]
            for j, fill in enumerate(fills):
                x, top = width * i, bottom - size * (j + 1)
                drawing.box(x, top, width - 2, size - 2, fill, stroke_width=0.6)
                if fill == EMPTY:
                    drawing.cross(x + width / 2 - 1, top + size / 2 - 1, 3)
        y = bottom + 14
    drawing.key(
        y + 4,
        (PREFILL, "the newest token"),
        (DECODE, "guessed right"),
        (EMPTY, "wrong, taken back"),
    )
    return drawing
