"""Windows, shared scales, blocks, tiles and rings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing


def attention_map(weights: np.ndarray, window: int, num_sinks: int) -> Drawing:
    """Draw a head's attention weights, and beside them what a window with sinks keeps of them.

    Parameters
    ----------
    weights : ndarray of shape (T, T)
        Rows are queries; each row adds up to one.
    window, num_sinks : int
        Tokens kept in all, and how many of them are the first ones.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If the weights are not a square.
    """
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be (T, T), got {weights.shape}")
    tokens = len(weights)
    size = 206 / tokens
    i, j = np.ogrid[:tokens, :tokens]
    kept = (j <= i) & ((i - j < window - num_sinks) | (j < num_sinks))
    first = weights[1:, 0].mean()
    lost = 1 - (weights * kept).sum(axis=1)[window:].mean()
    drawing = Drawing(
        size * tokens + 64,
        f"Two maps of {tokens} queries and keys. Left, a head's attention: its first column is "
        f"bright, {first:.0%} on average. Right, what {num_sinks} sinks and the last "
        f"{window - num_sinks} tokens keep: a column and a band; {lost:.0%} of the attention of "
        "later tokens is outside.",
    )
    drawing.text(0, 10, "where a head looks", anchor="start", bold=True)
    drawing.text(WIDTH / 2 + 10, 10, "what a window keeps", anchor="start", bold=True)
    for row in range(tokens):
        y = 22 + size * row
        for column in range(row + 1):
            x = size * column
            shade = float(np.sqrt(weights[row, column]))
            drawing.box(x, y, size, size, "series-1", opacity=shade, stroke_width=0.3)
            fill = "kept" if kept[row, column] else "free"
            drawing.box(WIDTH / 2 + 10 + x, y, size, size, fill, stroke_width=0.3)
    bottom = 22 + size * tokens
    drawing.text(0, bottom + 12, f"{first:.0%} falls on the first token", anchor="start", size=12)
    drawing.text(
        WIDTH / 2 + 10,
        bottom + 12,
        f"{lost:.0%} of the attention is outside",
        anchor="start",
        size=12,
    )
    drawing.key(
        bottom + 34,
        ("series-1", "attention (shade: square root)"),
        ("kept", "kept"),
        ("free", "dropped"),
    )
    return drawing


def shared_scales(keys: np.ndarray) -> Drawing:
    """Draw keys as shades, and which of them share a scale.

    Parameters
    ----------
    keys : ndarray of shape (T, D)
        Tokens and channels; few enough to be drawn.

    Returns
    -------
    Drawing
    """
    tokens, channels = keys.shape
    size = min(20.0, 200 / channels)
    strength = np.abs(keys) / np.abs(keys).max()
    largest = int(strength.mean(axis=0).argmax())
    drawing = Drawing(
        size * tokens + 70,
        f"Two grids of the same {tokens} keys in {channels} channels, stronger in colour where a "
        f"number is larger. Left, a scale for each token is a row; it crosses channel {largest}, "
        "which is the largest in the mean. Right, a scale for each channel is a column.",
    )
    for left, title, box in (
        (0.0, "one scale for a token", (0, size * (tokens // 2), size * channels, size)),
        (
            WIDTH / 2 + 10,
            "one scale for a channel",
            (size * largest, 0, size, size * tokens),
        ),
    ):
        drawing.text(left, 10, title, anchor="start", bold=True)
        for t in range(tokens):
            for c in range(channels):
                x, y = left + size * c, 24 + size * t
                shade = float(strength[t, c])
                drawing.box(x, y, size, size, "kept", opacity=shade, stroke_width=0.3)
        x, y, width, height = box
        drawing.box(left + x, 24 + y, width, height, "free", stroke_width=5)
    bottom = 24 + size * tokens
    drawing.text(0, bottom + 14, "rows: tokens, columns: channels", anchor="start", size=12)
    drawing.text(
        0,
        bottom + 32,
        "more colour: a larger number. Framed: these share a scale.",
        anchor="start",
        size=12,
    )
    return drawing


def block_tables(tables: Mapping[str, Sequence[int]], uses: Sequence[int]) -> Drawing:
    """Draw which blocks of a pool belong to which sequence.

    Parameters
    ----------
    tables : mapping of str to sequence of int
        For one or two sequences, their blocks in their order. The first is drawn above the pool and
        the second below it.
    uses : sequence of int
        For each block of the pool, how many sequences use it. Blocks behind the last used one are
        counted and not drawn.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are not one or two sequences.
    """
    if len(tables) not in (1, 2):
        raise ValueError(f"block tables are drawn for 1 or 2 sequences, got {len(tables)}")
    drawn = max(block for block, count in enumerate(uses) if count) + 1
    size = min(44.0, WIDTH / max(drawn, *map(len, tables.values())))
    pool_top, height = 96, 32
    bottom = pool_top + height + (116 if len(tables) == 2 else 20)
    shared = [block for block, count in enumerate(uses) if count > 1]
    drawing = Drawing(
        bottom + 32,
        f"Block tables and a pool of {len(uses)} blocks. "
        + " ".join(f"{name} has the blocks {list(blocks)}." for name, blocks in tables.items())
        + f" Blocks {shared} belong to more than one sequence.",
    )
    fills = ["series-3" if count > 1 else "free" for count in uses[:drawn]]
    for i, (name, blocks) in enumerate(tables.items()):
        top, end, start = (
            (20, 45, pool_top - 1) if i == 0 else (pool_top + 84, pool_top + 83, pool_top + 33)
        )
        drawing.text(0, top - 10 if i == 0 else top + 36, name, anchor="start", bold=True)
        for k, block in enumerate(blocks):
            if uses[block] == 1:
                fills[block] = f"series-{i + 1}"
            drawing.box(size * k, top, size - 2, 24, fills[block], text=str(block), size=12)
            drawing.line((size * (k + 0.5), end), (size * (block + 0.5), start), width=0.8)
    for block, fill in enumerate(fills):
        text = str(uses[block]) if uses[block] else ""
        drawing.box(size * block, pool_top, size - 2, height, fill, text=text, size=12)
    own = [(f"series-{i}", name) for i, name in enumerate(tables, 1)]
    said = f"middle: the pool, with how many use each block; {len(uses) - drawn} more are free"
    drawing.text(0, bottom, said, anchor="start", size=12)
    drawing.key(bottom + 22, *own, ("series-3", "shared"), ("free", "free"))
    return drawing


def tile_sweep(steps: Sequence[tuple[float, float, float]]) -> Drawing:
    """Draw what one query knows after each tile of keys.

    Parameters
    ----------
    steps : sequence of (float, float, float)
        After each tile, the largest score, the sum of the exponentials below it, and by what
        factor that which was known before was scaled.

    Returns
    -------
    Drawing
    """
    width = WIDTH / len(steps)
    drawing = Drawing(
        176,
        "Tiles of keys, one after the other; a query keeps three things. "
        + " ".join(
            f"After tile {i}: largest score {peak:.2f}, sum {total:.1f}, the old scaled by "
            f"{keep:.2f}."
            for i, (peak, total, keep) in enumerate(steps, 1)
        ),
    )
    for i, (peak, total, keep) in enumerate(steps):
        x = width * i
        drawing.box(x + 2, 4, width - 6, 30, "plain", text=f"tile {i + 1}")
        drawing.arrow(x + width / 2, 36, x + width / 2, 54)
        drawing.box(x + 2, 58, width - 6, 62, "series-1")
        for y, text in ((70, f"max {peak:.2f}"), (89, f"sum {total:.1f}"), (108, "output")):
            style = "fill: var(--pst-color-background, #fff)"
            drawing.text(x + width / 2, y, text, size=12, style=style)
        if i:
            drawing.text(x + width / 2, 136, f"old × {keep:.2f}", size=12)
    drawing.text(
        0,
        164,
        "At the end: output / sum. No row of scores was ever whole.",
        anchor="start",
        size=12,
    )
    return drawing


def ring(turns: np.ndarray) -> Drawing:
    """Draw whose keys each worker meets in each round.

    Parameters
    ----------
    turns : ndarray of shape (P, P), int
        For each round and worker the owner of the keys, or -1 where they lie in the future of all
        its queries.

    Returns
    -------
    Drawing
    """
    rounds, workers = turns.shape
    left, width, row = 68.0, (WIDTH - 68) / workers, 26
    idle = int((turns < 0).sum())
    drawing = Drawing(
        row * rounds + 98,
        f"{workers} workers and {rounds} rounds. Each box is a turn, with the number of the worker "
        f"whose keys are met in it. {idle} of {turns.size} turns are idle, because their keys lie "
        "in the future.",
    )
    for worker in range(workers):
        drawing.text(
            left + width * (worker + 0.5),
            10,
            f"worker {worker}" if workers < 6 else f"w{worker}",
            size=12,
        )
    for r in range(rounds):
        y = 22 + row * r
        drawing.text(left - 8, y + row / 2 - 1, f"round {r + 1}", anchor="end", size=12)
        for worker in range(workers):
            owner = int(turns[r, worker])
            fill, text = ("free", "") if owner < 0 else ("series-1", str(owner))
            drawing.box(left + width * worker, y, width - 2, row - 2, fill, text=text, size=12)
    bottom = 22 + row * rounds
    centres = [left + width * (worker + 0.5) for worker in range(workers)]
    for x in centres[:-1]:
        drawing.arrow(x, bottom + 8, x + width - 6, bottom + 8)
    if workers > 1:
        first, last, below = centres[0], centres[-1], bottom + 22
        drawing.line(
            (last, bottom + 12), (last, below), (first, below), (first, bottom + 13), arrow=True
        )
    drawing.text(left, bottom + 38, "after each round, keys pass on", anchor="start", size=12)
    drawing.key(bottom + 60, ("series-1", "whose keys"), ("free", f"idle: {idle} of {turns.size}"))
    return drawing
