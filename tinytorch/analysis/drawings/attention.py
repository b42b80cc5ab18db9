"""What attention looks up, what stays the same in it, and which scores a pass forms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

UNCHANGED = 1e-5
"""A key that changes by less of its size differs by rounding only."""


def lookup(tokens: Sequence[str], scores: Sequence[float], weights: Sequence[float]) -> Drawing:
    """Draw how the last token's query meets the keys, and what becomes of the values.

    Parameters
    ----------
    tokens : sequence of str
        The text, whose last token asks.
    scores : sequence of float
        The products of its query with each key, divided by the root of the head's width.
    weights : sequence of float
        Their softmax.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there is not one score and one weight for each token.
    """
    if not len(tokens) == len(scores) == len(weights):
        raise ValueError(
            f"each token needs a score and a weight, got {len(tokens)} tokens, "
            f"{len(scores)} scores and {len(weights)} weights"
        )
    row, top = 24, 50
    shown = [token.strip() or "␣" for token in tokens]
    drawing = Drawing(
        top + row * len(tokens) + 42,
        f"The query of “{shown[-1]}” meets the key of each token. "
        + " ".join(
            f"“{token}”: score {score:.1f}, weight {weight:.0%}."
            for token, score, weight in zip(shown, scores, weights, strict=True)
        ),
    )
    drawing.text(0, 12, f"“{shown[-1]}” asks: whom should I look at?", anchor="start", bold=True)
    for x, heading, anchor in (
        (100, "its key", "end"),
        (190, "score", "end"),
        (214, "weight of its value", "start"),
    ):
        drawing.text(x, 36, heading, anchor=anchor, size=12)
    for i, (token, score, weight) in enumerate(zip(shown, scores, weights, strict=True)):
        y = top + row * i
        fill = "now" if i + 1 == len(tokens) else "kept"
        drawing.box(20, y, 84, row - 3, fill, text=token, size=12)
        drawing.text(190, y + row / 2 - 1, f"{score:.1f}", anchor="end", mono=True)
        drawing.box(214, y, max(150 * weight, 0.5), row - 3, fill)
        drawing.text(220 + 150 * weight, y + row / 2 - 1, f"{weight:.0%}", anchor="start", size=12)
    bottom = top + row * len(tokens)
    drawing.arrow(290, bottom, 290, bottom + 16)
    drawing.text(262, bottom + 28, "output: the values, each times its weight, added up")
    return drawing


def fingerprints(before: np.ndarray, after: np.ndarray) -> Drawing:
    """Draw the keys of two steps below each other, a column of numbers for each token.

    Parameters
    ----------
    before : ndarray of shape (T, D)
        The keys of one head in one step.
    after : ndarray of shape (T + 1, D)
        Those of the next step.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If the second step does not have one token more.
    """
    if after.shape != (before.shape[0] + 1, before.shape[1]):
        raise ValueError(f"the next step needs one token more, got {before.shape}, {after.shape}")
    steps = {len(before): before, len(after): after}
    largest = max(np.abs(keys).max() for keys in steps.values())
    size = min(30.0, (WIDTH - 84) / len(after))
    height = 7.0
    block = height * before.shape[1] + 34
    change = np.abs(after[:-1] - before).max()
    apart = f"{change:.0e} apart at most" if change else "equal to the last bit"
    drawing = Drawing(
        2 * block + 14,
        f"Two steps, each with a column of {before.shape[1]} numbers for each key. The first "
        f"{len(before)} columns look alike in both; they are {apart}. "
        f"Step {len(after)} has one column more.",
    )
    for i, (length, keys) in enumerate(steps.items()):
        y = 18 + block * i
        drawing.text(76, y + height * keys.shape[1] / 2, f"step {length}", anchor="end", bold=True)
        for token in range(length):
            if i == 0:
                drawing.text(84 + size * (token + 0.5), 8, str(token + 1), size=12)
            column = [[0.12 + 0.88 * float(abs(v)) / float(largest)] for v in keys[token]]
            rows = [["series-1"]] * keys.shape[1]
            x = 84 + size * token
            drawing.cells(x, y, rows, size - 4, height=height, opacities=column)
    last = 84 + size * (len(after) - 0.5)
    drawing.text(last, 18 + block - 12, str(len(after)), size=12)
    bottom = 2 * block - 8
    drawing.line((84, bottom), (84 + size * len(before) - 4, bottom))
    drawing.text(84, bottom + 12, f"computed again: {apart}", anchor="start", size=12)
    drawing.text(last, bottom + 12, "new", size=12)
    return drawing


def influence(panels: dict[str, np.ndarray]) -> Drawing:
    """Draw whose keys change, layer by layer, when a token is added.

    Parameters
    ----------
    panels : dict of str to ndarray of shape (L, T)
        For each kind of attention, how much each old key changed, as a share of the largest.

    Returns
    -------
    Drawing
    """
    row, size, gap = 34, 20, 26
    layers, tokens = next(iter(panels.values())).shape
    width = size * (tokens + 1)
    drawing = Drawing(
        row * layers + 92,
        f"{layers} layers and {tokens} old keys, and one token more. "
        + " ".join(
            f"{name}: "
            + (
                "no old key changes."
                if not (changes > UNCHANGED).any()
                else "old keys change in layers "
                + ", ".join(str(i) for i in range(layers) if (changes[i] > UNCHANGED).any())
                + "."
            )
            for name, changes in panels.items()
        ),
    )
    for p, (name, changes) in enumerate(panels.items()):
        left = 0 + p * (width + gap)
        drawing.text(left, 10, name, anchor="start", bold=True)
        for layer in range(layers):
            y = 26 + row * (layers - 1 - layer)
            for token in range(tokens + 1):
                new = token == tokens
                wrong = not new and changes[layer, token] > UNCHANGED
                x = left + size * token
                drawing.box(x, y, size - 2, 18, "now" if new else "plain" if wrong else "kept")
                if wrong:
                    drawing.cross(x + size / 2 - 1, y + 9, 5)
            if layer + 1 < layers:
                _arrows(
                    drawing, left, y, size, tokens, bool((changes[layer + 1] > UNCHANGED).any())
                )
        drawing.text(
            left,
            26 + row * layers + 4,
            f"tokens 1 to {tokens + 1}, layer 0 below",
            anchor="start",
            size=12,
        )
    y = row * layers + 60
    drawing.key(y, ("kept", "as in the step before"), ("now", "the token added"))
    drawing.box(0, y + 14, 12, 12)
    drawing.cross(6, y + 20, 4)
    drawing.text(17, y + 20, "another key: what was kept is wrong", anchor="start", size=12)
    return drawing


def _arrows(
    drawing: Drawing, left: float, y: float, size: float, tokens: int, reaches_back: bool
) -> None:
    """Draw from where the last token's next layer takes in, or what the last token reaches."""
    last = left + size * (tokens + 0.5) - 1
    for token in range(tokens + 1):
        x = left + size * (token + 0.5) - 1
        start, end = (last, x) if reaches_back else (x, last)
        drawing.line((start, y), (end, y - 15), width=0.6)


def row_and_column(num_tokens: int, query: int, key: int) -> Drawing:
    """Draw in which steps one query is needed, and in which one key.

    Parameters
    ----------
    num_tokens : int
    query, key : int
        Two tokens, from 1.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If one of the tokens is not in the text.
    """
    if not (1 <= query <= num_tokens and 1 <= key <= num_tokens):
        raise ValueError(f"tokens must be from 1 to {num_tokens}, got {query} and {key}")
    size, left, top = 28, 66, 26
    uses = num_tokens - key + 1
    drawing = Drawing(
        top + size * num_tokens + 30,
        f"A triangle of scores: row i is the query of token i and the step that computes it. Query "
        f"{query} fills one row, so one step needs it. Key {key} is in a column of {uses} scores, "
        f"one in each step from {key} on.",
    )
    for i in range(1, num_tokens + 1):
        y = top + size * (i - 1)
        drawing.text(left - 8, y + size / 2, f"step {i}", anchor="end", size=12, bold=i == query)
        drawing.text(left + size * (i - 0.5), 14, f"k{i}", size=12, bold=i == key)
        for j in range(1, i + 1):
            fill = "kept" if j == key else "now" if i == query else "plain"
            drawing.box(left + size * (j - 1), y, size - 2, size - 2, fill)
    right = left + size * num_tokens + 14
    drawing.text(right, top + size * (query - 0.5), f"query {query}: one step", anchor="start")
    drawing.text(
        left + size * (key - 0.5),
        top + size * num_tokens + 14,
        f"key {key}: {uses} steps",
    )
    return drawing


def score_shapes(prompt: int, chunk: int) -> Drawing:
    """Draw which scores four kinds of pass form.

    Parameters
    ----------
    prompt : int
        Tokens before the pass that uses the cache; at most 9.
    chunk : int
        Tokens that the last kind of pass takes in at once.

    Returns
    -------
    Drawing
    """
    size = 11
    shapes = [
        ("no cache", prompt + 1, prompt + 1, prompt),
        ("prefill", prompt, prompt, prompt),
        ("decode", 1, prompt + 1, 0),
        (f"{chunk} at once", chunk, prompt + chunk, 0),
    ]
    column = WIDTH / len(shapes)
    deepest = size * (prompt + 1)
    drawing = Drawing(
        deepest + 88,
        "Scores of four passes, a row for each query and a column for each key. "
        + " ".join(f"{name}: {rows} × {columns}." for name, rows, columns, _ in shapes)
        + f" Without a cache, {prompt} of {prompt + 1} rows are computed again.",
    )
    for i, (name, rows, columns, old) in enumerate(shapes):
        left = column * i
        drawing.text(left, 10, name, anchor="start", bold=True)
        drawing.text(left, 28, f"{rows} × {columns}", anchor="start", mono=True, size=12)
        for r in range(rows):
            for c in range(columns):
                visible = c <= columns - rows + r
                repeated = name == "no cache" and r < old
                fill = "masked" if not visible else "again" if repeated else "now"
                y = 44 + size * r
                drawing.box(left + size * c, y, size, size, fill, stroke_width=0.6)
    drawing.key(
        deepest + 62,
        ("now", "formed now"),
        ("again", "formed again"),
        ("masked", "masked: the future"),
    )
    return drawing


def ruler(passes: Sequence[tuple[str, int, int]]) -> Drawing:
    """Draw which positions each pass gives its tokens.

    Parameters
    ----------
    passes : sequence of (str, int, int)
        For each pass its name, the tokens that were in the cache before, and its new ones.

    Returns
    -------
    Drawing
    """
    longest = max(before + new for _, before, new in passes)
    left = 118.0
    size = min(30.0, (WIDTH - left) / longest)
    row = 36
    drawing = Drawing(
        row * len(passes) + 26,
        " ".join(
            f"{name}: {before} in the cache, new positions {before} to {before + new - 1}."
            for name, before, new in passes
        ),
    )
    for i, (name, before, new) in enumerate(passes):
        y = row * i
        drawing.text(left - 8, y + 12, name, anchor="end", size=12)
        for place in range(before + new):
            fill = "kept" if place < before else "now"
            drawing.box(left + size * place, y, size - 2, 24, fill, text=str(place), size=12)
    drawing.key(
        row * len(passes) + 12,
        ("kept", "in the cache: seq_pos of them"),
        ("now", "new: from seq_pos on"),
    )
    return drawing
