"""A cache on several workers: how it is cut, what travels, and what is lost with a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

GAP = 16
ON_COLOUR = "fill: var(--pst-color-background, #fff)"


def cuts(owners: Mapping[str, np.ndarray], notes: Mapping[str, str], rows: int) -> Drawing:
    """Draw one cache, cut in several ways.

    Parameters
    ----------
    owners : mapping of str to ndarray of shape (R, C), int
        For each way to cut, by name, the worker of each cell. Columns are tokens; the rows are the
        heads of one layer, then those of the next.
    notes : mapping of str to str
        What to write below each.
    rows : int
        Rows that belong to one layer.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If the rows are not whole layers.
    """
    height, columns = next(iter(owners.values())).shape
    if height % rows:
        raise ValueError(f"{height} rows are not whole layers of {rows}")
    width = (WIDTH - GAP * (len(owners) - 1)) / len(owners)
    cell, line, space = width / columns, 7, 3
    layers = height // rows
    bottom = 24 + height * line + (layers - 1) * space
    workers = 1 + max(int(owner.max()) for owner in owners.values())
    drawing = Drawing(
        bottom + 62,
        f"The cache of {layers} layers of {rows} heads, cut for {workers} workers in "
        f"{len(owners)} ways. "
        + " ".join(
            f"By {name}: worker 0 has {int((owner == 0).sum())} of {owner.size} cells; "
            f"{notes[name]}."
            for name, owner in owners.items()
        ),
    )
    for i, (name, owner) in enumerate(owners.items()):
        left = i * (width + GAP)
        drawing.text(left, 10, f"by {name}", anchor="start", bold=True)
        for row in range(height):
            y = 24 + row * line + row // rows * space
            for column in range(columns):
                fill = f"series-{owner[row, column] + 1}"
                drawing.box(left + column * cell, y, cell, line, fill, stroke_width=0.4)
        drawing.text(left, bottom + 14, notes[name], anchor="start", size=12)
    drawing.text(
        0,
        bottom + 32,
        "columns: tokens; groups of rows: layers; rows: heads",
        anchor="start",
        size=12,
    )
    drawing.key(
        bottom + 52, *((f"series-{worker + 1}", f"worker {worker}") for worker in range(workers))
    )
    return drawing


def merge(parts: Sequence[tuple[float, float]], sent: int, returned: int) -> Drawing:
    """Draw one query that goes to all workers, and what they return.

    Parameters
    ----------
    parts : sequence of (float, float)
        For each worker the largest score that it found and the sum of the exponentials below it.
    sent, returned : int
        Bytes of the message to a worker, and of its answer.

    Returns
    -------
    Drawing
    """
    peak = max(part_peak for part_peak, _ in parts)
    scaled = [total * float(np.exp(part_peak - peak)) for part_peak, total in parts]
    shares = [part / sum(scaled) for part in scaled]
    width, left = 214, 100
    drawing = Drawing(
        46 * len(parts) + 42,
        f"A query of {sent:,} bytes goes to {len(parts)} workers. "
        + " ".join(
            f"Worker {i} returns maximum {part_peak:.2f}, sum {total:.2f} and an output, which "
            f"counts for {share:.0%}."
            for i, ((part_peak, total), share) in enumerate(zip(parts, shares, strict=True))
        ),
    )
    middle = 23 * len(parts)
    drawing.box(0, middle - 16, 62, 30, "now", text="query")
    drawing.box(WIDTH - 74, middle - 16, 74, 30, "now", text="attention", size=12)
    for i, ((part_peak, total), share) in enumerate(zip(parts, shares, strict=True)):
        y = 46 * i + 4
        drawing.arrow(64, middle, left - 3, y + 18)
        drawing.box(left, y, width, 36, f"series-{i + 1}")
        said = f"max {part_peak:.2f}, sum {total:.2f}, output"
        drawing.text(left + width / 2, y + 11, f"worker {i}", size=12, bold=True, style=ON_COLOUR)
        drawing.text(left + width / 2, y + 26, said, size=12, style=ON_COLOUR)
        drawing.line((left + width + 3, y + 18), (WIDTH - 77, middle), arrow=True)
        drawing.text(left + width + 8, y + 5 if i == 0 else y + 33, f"{share:.0%}", anchor="start")
    bottom = 46 * len(parts) + 12
    drawing.text(
        0,
        bottom,
        f"{sent:,} bytes to each worker, {returned:,} back, all heads together",
        anchor="start",
        size=12,
    )
    drawing.text(0, bottom + 18, "per cent: what an output counts for", anchor="start", size=12)
    return drawing


def pipeline(turns: np.ndarray) -> Drawing:
    """Draw which chunk of a text each stage of a pipeline works on.

    Parameters
    ----------
    turns : ndarray of shape (ticks, stages), int
        Number of the chunk, or -1 where a stage has nothing to do.

    Returns
    -------
    Drawing
    """
    ticks, stages = turns.shape
    left, row = 64, 30
    width = (WIDTH - left) / ticks
    idle = int((turns < 0).sum())
    drawing = Drawing(
        row * stages + 74,
        f"{stages} stages and {ticks} round trips. Each box is a turn, with the number of the "
        "chunk of text in it; chunks move one stage down in each round trip. "
        f"{idle} of {turns.size} turns are idle.",
    )
    for tick in range(ticks):
        drawing.text(left + width * (tick + 0.5), 10, str(tick + 1), size=12)
    for stage in range(stages):
        y = 22 + row * stage
        drawing.text(left - 8, y + row / 2 - 2, f"stage {stage}", anchor="end", size=12)
        for tick in range(ticks):
            chunk = int(turns[tick, stage])
            fill, text = ("free", "") if chunk < 0 else (f"series-{stage + 1}", str(chunk + 1))
            drawing.box(left + width * tick, y, width - 3, row - 4, fill, text=text)
    bottom = 22 + row * stages
    drawing.text(left, bottom + 12, "round trips, from left to right", anchor="start", size=12)
    working = [(f"series-{stage + 1}", f"stage {stage} works") for stage in range(stages)]
    drawing.key(bottom + 36, *working, ("free", f"idle: {idle} of {turns.size}"))
    return drawing


def loss(owner: Sequence[int], lost: int, stripe: int) -> Drawing:
    """Draw which tokens of a text are computed again after a worker died.

    Parameters
    ----------
    owner : sequence of int
        Worker of each stripe of tokens, in the order of the text.
    lost : int
        The worker that died.
    stripe : int
        Tokens in a stripe.

    Returns
    -------
    Drawing
    """
    width = min(44.0, WIDTH / len(owner))
    again = sum(worker == lost for worker in owner)
    drawing = Drawing(
        88,
        f"A text of {len(owner)} stripes of {stripe} tokens. Worker {lost} died; {again} stripes "
        "were its own and are computed again, the others are kept.",
    )
    for i, worker in enumerate(owner):
        fill = "again" if worker == lost else "kept"
        drawing.text((i + 0.5) * width, 8, str(worker), size=12)
        drawing.box(i * width, 18, width - 1, 28, fill)
    drawing.key(62, ("kept", "kept"), ("again", f"computed again: {again} of {len(owner)} stripes"))
    said = f"boxes: up to {stripe} tokens, below the number of their worker"
    drawing.text(0, 80, said, anchor="start", size=12)
    return drawing
