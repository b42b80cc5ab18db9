"""What becomes of each block of a pool, pass by pass."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

FILLS = {"own": "kept", "shared": "series-3", "cached": "kept", "free": "free"}
PALE = {"cached": 0.3}
"""How strong the colour is of what nobody holds."""

MEANINGS = {
    "own": "one request's",
    "shared": "several hold it",
    "cached": "free, still known",
    "free": "free",
}
LEFT = 24


def block_life(
    passes: Sequence[Sequence[str]],
    arrivals: Mapping[int, str],
    evicted: Collection[tuple[int, int]],
) -> Drawing:
    """Draw the state of each block after each pass.

    Parameters
    ----------
    passes : sequence of sequence of str
        For each pass the state of each block: ``"own"``, ``"shared"``, ``"cached"`` or ``"free"``.
    arrivals : mapping of int to str
        Index of a pass to the name of a request that began to run in it.
    evicted : collection of (int, int)
        Index of a pass and block, where the text of a block was forgotten.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are no passes, or a state is unknown.
    """
    unknown = {state for states in passes for state in states} - set(FILLS)
    if unknown or not passes:
        raise ValueError(f"states must be of {list(FILLS)}, got {sorted(unknown) or 'no pass'}")
    num_blocks, width, row = len(passes[0]), (WIDTH - LEFT) / len(passes), 17
    top, most = 44, max(sum(state in ("own", "shared") for state in states) for states in passes)
    drawing = Drawing(
        top + row * num_blocks + 52,
        f"A row for each of {num_blocks} blocks, a column for each of {len(passes)} passes. "
        + " ".join(f"{name} begins in pass {i + 1}." for i, name in arrivals.items())
        + f" At most {most} blocks are held at once; {len(evicted)} times a known text is "
        "forgotten.",
    )
    drawing.text(0, 9, "a row for each block, a column for each pass", anchor="start", size=12)
    for i, name in arrivals.items():
        x = LEFT + width * i
        drawing.line((x, top - 6), (x, top + row * num_blocks), dashed=True, width=1)
        drawing.text(x + 3, top - 13, name, anchor="start", size=12, bold=True)
    for block in range(num_blocks):
        y, x = top + row * block, float(LEFT)
        drawing.text(LEFT - 6, y + row / 2 - 1, str(block), anchor="end", size=11)
        for state, same in itertools.groupby(states[block] for states in passes):
            length = len(list(same)) * width
            opacity = PALE.get(state, 1.0)
            drawing.box(x, y, length, row - 2, FILLS[state], opacity=opacity, stroke_width=0.6)
            x += length
    for i, block in evicted:
        drawing.cross(LEFT + width * i, top + row * (block + 0.5) - 1, 4)
    bottom = top + row * num_blocks
    x = 0.0
    for state, meaning in MEANINGS.items():
        opacity = PALE.get(state, 1.0)
        drawing.box(x, bottom + 8, 12, 12, FILLS[state], opacity=opacity)
        drawing.text(x + 17, bottom + 14, meaning, anchor="start", size=12)
        x += 26 + 6.6 * len(meaning)
    drawing.cross(6, bottom + 38, 4)
    drawing.text(17, bottom + 38, "its text is forgotten", anchor="start", size=12)
    return drawing
