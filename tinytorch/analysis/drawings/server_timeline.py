"""What each request does from when to when, for one way to batch or two."""

from __future__ import annotations

from collections.abc import Mapping

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing
from tinytorch.analysis.server_simulation import (
    AGAIN,
    DECODE,
    IDLE,
    PREEMPTED,
    PREFILL,
    QUEUED,
    ServerSimulation,
)
from tinytorch.analysis.server_summary import summarize

FILLS = {PREFILL: "now", DECODE: "kept", AGAIN: "again", IDLE: "free"}
LEFT, HEAD = 22, 24
TALLEST = 260
"""Units that the rows of one run take at most."""


def server_timelines(runs: Mapping[str, ServerSimulation]) -> Drawing:
    """Draw the requests of runs as rows over a common time.

    Parameters
    ----------
    runs : mapping of str to ServerSimulation
        Runs that have ended, by the name of their policy.

    Returns
    -------
    Drawing
    """
    last = max(run.now for run in runs.values())
    most = max(len(run.requests) for run in runs.values())
    row = min(TALLEST / most, 11)
    height = HEAD + row * most + 16
    summaries = {name: summarize(run) for name, run in runs.items()}
    said = " ".join(
        f"{name}: {numbers['tokens_per_second']:,.0f} tokens a second, the last one after "
        f"{runs[name].now:.2f} s, {numbers['idle_rows']:.0%} of the places in batches empty."
        for name, numbers in summaries.items()
    )
    drawing = Drawing(
        height * len(runs) + 52,
        f"Time lines of {most} requests, one row each, for {len(runs)} ways to batch. {said}",
    )
    for i, (name, run) in enumerate(runs.items()):
        top = height * i
        rate = summaries[name]["tokens_per_second"]
        drawing.text(0, top + 9, f"{name}: {rate:,.0f} tokens/s", anchor="start", bold=True)
        _rows(drawing, run, top + HEAD, row, (WIDTH - LEFT - 4) / last)
    bottom = height * len(runs)
    drawing.text(LEFT, bottom, "0", size=12)
    drawing.text(WIDTH, bottom, f"{last:.2f} s", anchor="end", size=12)
    drawing.key(bottom + 20, ("now", "reads its prompt"), ("kept", "writes, a token a pass"))
    drawing.key(bottom + 38, ("again", "computes again"), ("free", "place stays empty"))
    return drawing


def _rows(drawing: Drawing, run: ServerSimulation, top: float, row: float, unit: float) -> None:
    for request in run.requests:
        y = top + row * request.index
        if request.index % 4 == 0:
            drawing.text(LEFT - 6, y + row / 2, str(request.index), anchor="end", size=11)
        for state, start, end in request.stretches:
            x, width = LEFT + unit * start, max(unit * (end - start), 0.6)
            if state in (QUEUED, PREEMPTED):
                ends = (x, y + row / 2), (x + width, y + row / 2)
                drawing.line(*ends, dashed=state == PREEMPTED, width=0.8)
            else:
                drawing.box(x, y + 1, width, row - 2, FILLS[state], stroke_width=0.3)
