"""What a bug leaves in a cache, and which check finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinytorch.analysis.drawings.canvas import FREE, MASKED, WIDTH, Drawing

TOLERANCE = 1e-3
"""How far an entry may be from the right one, relative to the largest right number."""

RIGHT, WRONG, MISSING = "right", "wrong", "missing"


def entry_states(found: np.ndarray, expected: np.ndarray) -> list[list[str]]:
    """Compare the entries of a cache with those that should be in it.

    Parameters
    ----------
    found : ndarray of shape (L, T1, N)
        Keys or values as they are in the cache: layers, places, the numbers of an entry.
    expected : ndarray of shape (L, T2, N)
        Those of a correct cache after the same text.

    Returns
    -------
    list of list of str
        For each layer and each place of the longer cache: "right" if the entry is that of the
        correct cache, "missing" if it is all zeros or not there, else "wrong".

    Raises
    ------
    ValueError
        If the arrays do not have the same layers and entries.
    """
    if found.ndim != 3 or (found.shape[0], found.shape[2]) != (
        expected.shape[0],
        expected.shape[2],
    ):
        raise ValueError(f"both must be (L, T, N), got {found.shape} and {expected.shape}")
    limit = TOLERANCE * np.abs(expected).max()

    def state(layer: int, place: int) -> str:
        if place >= found.shape[1] or not found[layer, place].any():
            return MISSING
        if place >= expected.shape[1]:
            return WRONG
        distance = np.abs(found[layer, place] - expected[layer, place]).max()
        return RIGHT if distance <= limit else WRONG

    longest = max(found.shape[1], expected.shape[1])
    return [[state(layer, place) for place in range(longest)] for layer in range(len(found))]


def cache_strip(states: Sequence[Sequence[str]], seen: Sequence[int], *, pads: int = 0) -> Drawing:
    """Draw a cache's places, layer by layer, with what is wrong in them.

    Parameters
    ----------
    states : sequence of sequence of str
        As `entry_states` returns them.
    seen : sequence of int
        The places that the last token attended to.
    pads : int
        Places at the beginning that hold padding, and nothing that counts.

    Returns
    -------
    Drawing
    """
    num_places = len(states[0])
    size = min(28.0, (WIDTH - 60) / num_places)
    drawing = Drawing(22 * len(states) + 90, _strip_alt(states, seen, pads))
    left, top = 58.0, 22.0
    for place in range(num_places):
        drawing.text(left + size * (place + 0.5), 10, str(place), size=12)
    for layer, row in enumerate(states):
        y = top + 22 * layer
        drawing.text(left - 6, y + 11, f"layer {layer}", anchor="end", size=12)
        for place, state in enumerate(row):
            _entry(drawing, left + size * place, y, size, "padding" if place < pads else state)
    bottom = top + 22 * len(states) + 6
    for place in seen:
        x = left + size * place
        drawing.line((x + 2, bottom), (x + size - 2, bottom), width=3)
    drawing.text(left - 6, bottom, "seen", anchor="end", size=12)
    words = [s for s in (RIGHT, WRONG, MISSING) if any(s in row[pads:] for row in states)]
    x = 0.0
    for state in [*words, *(["padding"] if pads else [])]:
        _entry(drawing, x, bottom + 22, 22, state)
        meaning = {RIGHT: "as it should be", MISSING: "zeros, or not there"}.get(state, state)
        drawing.text(x + 28, bottom + 33, meaning, anchor="start", size=12)
        x += 44 + 6.8 * len(meaning)
    return drawing


def _entry(drawing: Drawing, x: float, y: float, width: float, state: str) -> None:
    fill = {RIGHT: "kept", WRONG: "plain", MISSING: "free", "padding": "masked"}[state]
    drawing.box(x, y, width, 22, fill)
    if state == WRONG:
        drawing.cross(x + width / 2, y + 11, 6)
    elif state == MISSING:
        drawing.text(x + width / 2, y + 11, "0", size=12)


def _strip_alt(states: Sequence[Sequence[str]], seen: Sequence[int], pads: int) -> str:
    parts = []
    for layer, row in enumerate(states):
        bad = [
            f"{place} {state}"
            for place, state in enumerate(row)
            if state != RIGHT and place >= pads
        ]
        parts.append(f"Layer {layer}: {', '.join(bad) if bad else 'all entries are right'}.")
    padding = f" The first {pads} are padding." if pads else ""
    missed = [place for place in range(pads, len(states[0])) if place not in seen]
    rest = f"all but {missed}" if missed else "all of them"
    return (
        f"A cache of {len(states)} layers and {len(states[0])} places.{padding} "
        f"{' '.join(parts)} The last token attends to {rest}."
    )


def seen_matrix(found: np.ndarray, expected: np.ndarray, cached: Sequence[int]) -> Drawing:
    """Draw which keys each query sees, and mark those that it must not see or that it misses.

    Parameters
    ----------
    found : ndarray of shape (T1, S), bool
        Whether a query, row by row, sees a key.
    expected : ndarray of shape (T2, S), bool
        Whether it should. Queries beyond the first T1 were not computed.
    cached : sequence of int
        How many keys were in the cache before the pass of each of the T2 queries.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are more queries than expected, or not the same keys.
    """
    num_queries, num_keys = expected.shape
    if found.ndim != 2 or found.shape[1] != num_keys or len(found) > num_queries:
        raise ValueError(f"{found.shape} queries and keys, expected up to {expected.shape}")
    seen = np.zeros_like(expected)
    seen[: len(found)] = found
    first = num_keys - num_queries  # the queries are the last tokens of the text
    size = min(24.0, (WIDTH - 96) / num_keys)
    drawing = Drawing(size * num_queries + 92, _seen_alt(len(found), seen, expected, first))
    left, top = 92.0, 24.0
    drawing.text(left - 8, 10, "key", anchor="end", size=12)
    for key in range(num_keys):
        drawing.text(left + size * (key + 0.5), 10, str(key), size=12)
    for row in range(num_queries):
        y = top + size * row
        what = f"query {first + row}" if row < len(found) else f"no query {first + row}"
        drawing.text(left - 8, y + size / 2, what, anchor="end", size=12)
        for key in range(num_keys):
            state = "kept" if key < cached[row] else "now"
            fill = state if seen[row, key] else FREE if expected[row, key] else MASKED
            wrong = seen[row, key] != expected[row, key]
            _seen_cell(drawing, left + size * key, y, size, fill, wrong)
        if row and cached[row] != cached[row - 1]:
            drawing.line((left - 4, y), (left + size * num_keys + 4, y), width=2.5)
    _seen_legend(drawing, top + size * num_queries + 14)
    return drawing


def _seen_cell(drawing: Drawing, x: float, y: float, size: float, fill: str, wrong: bool) -> None:
    drawing.box(x, y, size, size, fill)
    if wrong:
        drawing.cross(x + size / 2, y + size / 2, 0.26 * size)


def _seen_legend(drawing: Drawing, y: float) -> None:
    rows = (
        (("kept", False, "seen, from the cache"), ("now", False, "seen, of this pass")),
        ((FREE, True, "missed"), ("now", True, "seen, must not be"), (MASKED, False, "hidden")),
    )
    for i, row in enumerate(rows):
        x = 0.0
        for fill, wrong, meaning in row:
            _seen_cell(drawing, x, y + 26 * i, 18, fill, wrong)
            drawing.text(x + 24, y + 26 * i + 9, meaning, anchor="start", size=12)
            x += 40 + 6.8 * len(meaning)


def _seen_alt(num_computed: int, seen: np.ndarray, expected: np.ndarray, first: int) -> str:
    parts = []
    for row in range(len(expected)):
        wrong = np.flatnonzero(seen[row] & ~expected[row]).tolist()
        missed = np.flatnonzero(expected[row] & ~seen[row]).tolist()
        if row >= num_computed:
            parts.append(f"Query {first + row} is not computed.")
            continue
        if wrong:
            parts.append(f"Query {first + row} sees {wrong}, which it must not.")
        if missed:
            parts.append(f"Query {first + row} misses {missed}.")
    queries = "One query" if len(expected) == 1 else f"{len(expected)} queries"
    return (
        f"{queries} and {expected.shape[1]} keys. "
        f"{' '.join(parts) or 'Each query sees what it should.'}"
    )


def matrix(results: Mapping[str, Mapping[str, bool]]) -> Drawing:
    """Draw which check catches which bug.

    Parameters
    ----------
    results : mapping of str to mapping of str to bool
        For each bug, whether each check caught it.

    Returns
    -------
    Drawing
    """
    checks = list(next(iter(results.values())))
    left, top, row = 138.0, 84.0, 26.0
    column = (WIDTH - 34 - left) / len(checks)
    caught = {check: sum(hits[check] for hits in results.values()) for check in checks}
    drawing = Drawing(
        top + row * (len(results) + 1) + 34,
        f"{len(results)} bugs and {len(checks)} checks. "
        + " ".join(
            f"{bug}: caught by {', '.join(name for name in checks if hits[name]) or 'none'}."
            for bug, hits in results.items()
        ),
    )
    for j, check in enumerate(checks):
        drawing.text(
            left + column * (j + 0.5) - 8, top - 10, check, anchor="start", size=12, turn=-40
        )
    for i, (bug, hits) in enumerate(results.items()):
        y = top + row * i
        drawing.text(0, y + row / 2, bug, anchor="start", size=12)
        for j, check in enumerate(checks):
            fill = "series-1" if hits[check] else "free"
            mark = "✓" if hits[check] else "–"
            drawing.box(left + column * j, y, column, row, fill, text=mark)
    y = top + row * (len(results) + 0.5) + 4
    drawing.text(0, y, "bugs caught", anchor="start", size=12, bold=True)
    for j, check in enumerate(checks):
        count = f"{caught[check]} of {len(results)}"
        drawing.text(left + column * (j + 0.5), y, count, size=12, bold=True)
    drawing.key(y + 26, ("series-1", "✓ caught"), ("free", "– not seen"))
    return drawing
