"""What somebody who chats with a model waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

TICKS = 5
LANE = 62


def time_line(
    runs: Mapping[str, Sequence[float]], states: Sequence[str | Sequence[str]]
) -> Drawing:
    """Draw when each token of an answer appears, for several runs on one clock.

    Parameters
    ----------
    runs : mapping of str to sequence of float
        For each run, the milliseconds that each token took, the first one with the prompt.
    states : sequence of str, or of sequences of str
        The book's state of each run, for its colour, or of each of its tokens.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If a run has fewer than two tokens.
    """
    if any(len(times) < 2 for times in runs.values()):
        counts = {name: len(times) for name, times in runs.items()}
        raise ValueError(f"each run needs at least two tokens, got {counts}")
    ends = {name: np.cumsum(times) / 1e3 for name, times in runs.items()}
    longest = max(seconds[-1] for seconds in ends.values())
    scale = (WIDTH - 20) / longest
    said = {
        name: f"first token after {times[0]:.0f} ms, then one every {np.median(times[1:]):.0f} ms"
        for name, times in runs.items()
    }
    drawing = Drawing(
        LANE * len(runs) + 40,
        "Lanes on one time axis, a box for each token, as wide as its time. "
        + " ".join(
            f"{name}: {said[name]}; {len(times)} tokens in {ends[name][-1]:.1f} s."
            for name, times in runs.items()
        ),
    )
    for i, ((name, times), state) in enumerate(zip(runs.items(), states, strict=True)):
        y = LANE * i
        drawing.text(0, y + 9, name, anchor="start", bold=True)
        drawing.text(0, y + 25, said[name], anchor="start", size=12)
        starts = ends[name] - np.array(times) / 1e3
        fills = [state] * len(times) if isinstance(state, str) else state
        for start, ms, fill in zip(starts, times, fills, strict=True):
            drawing.box(start * scale, y + 34, ms / 1e3 * scale, 20, fill, stroke_width=0.8)
    time_axis(drawing, LANE * len(runs) + 4, longest, "seconds since the question")
    return drawing


def time_axis(drawing: Drawing, y: float, longest: float, label: str) -> None:
    """Draw an axis of seconds from 0 to `longest`, which ends 20 units before the sheet does."""
    drawing.line((0, y), (WIDTH, y))
    scale = (WIDTH - 20) / longest
    step = _round_step(longest / TICKS)
    for k in range(int(longest / step) + 1):
        x = k * step * scale
        drawing.line((x, y), (x, y + 5))
        drawing.text(max(x, 4), y + 14, f"{k * step:g}", size=12)
    drawing.text(WIDTH, y + 28, label, anchor="end", size=12)


def _round_step(rough: float) -> float:
    power = 10 ** np.floor(np.log10(rough))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough))


def prefix_bars(cases: Mapping[str, tuple[int, int]]) -> Drawing:
    """Draw how much of a text its cache already holds.

    Parameters
    ----------
    cases : mapping of str to (int, int)
        For each case, the tokens that equal those in the cache from the start on, and all tokens.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If more tokens are equal than there are.
    """
    if any(not 0 <= same <= total for same, total in cases.values()):
        raise ValueError(f"equal tokens must be from 0 to all of them, got {dict(cases)}")
    longest = max(total for _, total in cases.values())
    scale = WIDTH / longest
    drawing = Drawing(
        52 * len(cases) + 26,
        "Bars, a stripe for each token. "
        + " ".join(
            f"{name}: {same} of {total} tokens are in the cache, {total - same} must be fed."
            for name, (same, total) in cases.items()
        ),
    )
    for i, (name, (same, total)) in enumerate(cases.items()):
        y = 52 * i
        drawing.text(0, y + 9, name, anchor="start", bold=True)
        drawing.text(WIDTH, y + 9, f"feed {total - same} of {total}", anchor="end", size=12)
        for token in range(total):
            state = "kept" if token < same else "now"
            drawing.box(token * scale, y + 20, scale, 20, state, stroke_width=0.4)
    drawing.key(52 * len(cases) + 10, ("kept", "in the cache"), ("now", "to be fed"))
    return drawing


def bars_beside(line: float, values: Mapping[str, float], *, unit: str, line_name: str) -> Drawing:
    """Draw bars from zero, and a line to compare them with.

    Parameters
    ----------
    line : float
    values : mapping of str to float
    unit : str
    line_name : str
        What the line is.

    Returns
    -------
    Drawing
    """
    left, top, row = 110.0, 34.0, 34
    scale = (WIDTH - left - 112) / max(*values.values(), line)
    beside = {
        name: f"{value:.1f} {unit} ({value / line - 1:+.0%})" for name, value in values.items()
    }
    drawing = Drawing(
        top + row * len(values) + 6,
        f"{line_name}: {line:.1f} {unit}. "
        + " ".join(f"{name}: {words}." for name, words in beside.items()),
    )
    x = left + line * scale
    for i, (name, value) in enumerate(values.items()):
        y = top + row * i
        drawing.text(left - 8, y + 12, name, anchor="end")
        drawing.box(left, y, value * scale, 24, f"series-{i + 1}")
        end = left + max(value, line) * scale
        drawing.text(end + 6, y + 12, beside[name], anchor="start", size=12)
    drawing.line((x, top - 12), (x, top + row * len(values)), dashed=True)
    drawing.text(x, 10, f"{line_name}: {line:.1f} {unit}", size=12)
    return drawing
