"""How a cache lies in memory: its axes, its copies, and the order of its writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

TOKEN_AXIS = -2
"""Keys and values have the axes (..., H, T, D)."""


@dataclass(frozen=True)
class Moment:
    """What a cache held at one moment of a pass.

    Attributes
    ----------
    title : str
        What had just been called.
    layers : sequence of sequence of str
        For each layer, the states of its places, as `slot_states` returns them.
    seq_pos : int
        The tokens counted.
    """

    title: str
    layers: Sequence[Sequence[str]]
    seq_pos: int


def slot_states(entries: np.ndarray, counted: int, *, moved: bool = False) -> list[str]:
    """Read from a cache's array what became of each place in an update.

    Parameters
    ----------
    entries : ndarray of shape (..., T, D)
        The keys of one layer. A place whose numbers are all zero was never written.
    counted : int
        The tokens that were in the cache before the update.
    moved : bool
        Whether the array is a new one, into which the counted entries were copied.

    Returns
    -------
    list of str
        For each place "free", "now" for an entry written in the update, and for a counted one
        "kept", or "again" if it was copied.
    """
    axes = tuple(axis for axis in range(entries.ndim) if axis != entries.ndim + TOKEN_AXIS)
    filled = np.any(entries != 0, axis=axes)
    old = "again" if moved else "kept"
    return [
        "free" if not full else old if place < counted else "now"
        for place, full in enumerate(filled)
    ]


def axes_box(shape: tuple[int, int, int, int]) -> Drawing:
    """Draw an array of keys as stacks of sheets, with one token's key in all of them.

    Parameters
    ----------
    shape : tuple of int
        The axes (B, H, T, D); at most two sequences, six heads and eight tokens.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If the array is too large to be drawn, or has not four axes.
    """
    if len(shape) != 4 or any(n < 1 for n in shape) or any(np.greater(shape[:3], (2, 6, 8))):
        raise ValueError(f"shape must be (B, H, T, D), at most (2, 6, 8, D), got {shape}")
    batch, heads, tokens, head_dim = shape
    row, sheet = 18, 104
    shift = min(20, 60 / max(heads - 1, 1))
    depth = shift * (heads - 1)
    bottom = 36 + depth + row * tokens
    drawing = Drawing(
        bottom + 78,
        f"Keys of the shape (B, H, T, D) = {shape}. {batch} stacks, one for each sequence, hold "
        f"{heads} sheets, one for each head. A sheet has {tokens} rows, one for each token, of "
        f"{head_dim} numbers. One token's key is one row of every sheet in its stack.",
    )
    for b in range(batch):
        left = 44 + b * 214
        drawing.text(left - 42, 11, f"B: sequence {b + 1} of {batch}", anchor="start", bold=True)
        for head in range(heads - 1, -1, -1):
            x, y = left + shift * head, 36 + depth - shift * head
            for token in range(tokens):
                fill = "now" if token + 1 == tokens else "kept"
                drawing.box(x, y + row * token, sheet, row, fill, stroke_width=0.7)
        for place in range(1, head_dim):
            x = left + place * sheet / head_dim
            drawing.line((x, bottom - row * tokens), (x, bottom), width=0.3)
        middle = bottom - row * tokens / 2
        drawing.text(left - 6, middle, f"T = {tokens}", anchor="end", mono=True, size=12)
        drawing.text(left + sheet / 2, bottom + 13, f"D = {head_dim}", mono=True, size=12)
        edge = left + sheet + depth / 2 + 4
        side = bottom - depth / 2 + 10
        drawing.text(edge, side, f"H = {heads}", anchor="start", mono=True, size=12)
    drawing.key(
        bottom + 42, ("kept", "tokens before"), ("now", "one new token: a row in each head")
    )
    drawing.text(
        0,
        bottom + 66,
        f"New keys of one step: (B, H, 1, D) = ({batch}, {heads}, 1, {head_dim})",
        anchor="start",
    )
    return drawing


def tapes(copied: Sequence[Sequence[str]], in_place: Sequence[Sequence[str]]) -> Drawing:
    """Draw the same updates of two caches: one that copies itself, one that writes in place.

    Parameters
    ----------
    copied, in_place : sequence of sequence of str
        The states of the places before the first update, then after each, as `slot_states`
        returns them.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are no updates, or not the same number of both.
    """
    if len(copied) < 2 or len(copied) != len(in_place):
        raise ValueError(
            f"both need the same updates, after the state before, got {len(copied)} and "
            f"{len(in_place)} states"
        )
    longest = max(len(states) for states in [*copied, *in_place])
    size, right, row = min(24.0, 202 / longest), 237, 50
    bottom = 44 + row * len(copied)
    again = _count(copied, "again")
    now = _count(in_place, "now")
    drawing = Drawing(
        bottom + 52,
        f"{len(copied) - 1} updates. On the left each makes a new array and copies all entries "
        f"into it: {again} copies for {_count(copied, 'now')} new entries. On the right the array "
        f"stays where it is, and each update writes behind its entries: {now} writes, "
        f"{_count(in_place, 'again')} copies.",
    )
    for x, name, what, states in (
        (0.5, "Concatenate", "a new array in each step", copied),
        (right, "Write in place", "always the same array", in_place),
    ):
        drawing.text(x, 10, name, anchor="start", bold=True)
        drawing.text(x, 29, what, anchor="start")
        for i, places in enumerate(states):
            drawing.cells(x, 42 + row * i, [places], size, height=24)
            for place, state in enumerate(places):
                if state == "again":
                    middle, y = x + (place + 0.5) * size, 42 + row * i
                    drawing.arrow(middle, y - row + 25, middle, y - 1)
        sums = f"{_count(states, 'again')} copied, {_count(states, 'now')} new"
        drawing.text(x, bottom, sums, anchor="start", bold=True)
    entries = (("again", "copied"), ("kept", "left where it is"), ("now", "new"), ("free", "room"))
    drawing.key(bottom + 36, *entries)
    return drawing


def views(states: Sequence[str], seq_pos: int) -> Drawing:
    """Draw what `update` returns and what `get` returns, as parts of one layer's array.

    Parameters
    ----------
    states : sequence of str
        The states of the layer's places after an update, as `slot_states` returns them.
    seq_pos : int
        The tokens counted, at least one.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If nothing was written behind the counted tokens.
    """
    new = list(states).count("now")
    if seq_pos < 1 or not new:
        raise ValueError(f"an update needs counted and new entries, got {list(states)}")
    size, y, stop = (WIDTH - 1) / len(states), 44, seq_pos + new
    drawing = Drawing(
        122,
        f"A layer's array with room for {len(states)} tokens. update returns its first {stop}, "
        f"with the {new} just written; get returns the {seq_pos} that are counted.",
    )
    drawing.text(0, 10, f"update returns a view of {stop}", anchor="start", bold=True)
    drawing.line((1, y - 6), (1, y - 14), (stop * size, y - 14), (stop * size, y - 6))
    drawing.cells(0.5, y, [states], size, height=28)
    drawing.line((1, y + 34), (1, y + 42), (seq_pos * size, y + 42), (seq_pos * size, y + 34))
    drawing.text(0, y + 58, f"get returns a view of {seq_pos}", anchor="start", bold=True)
    drawing.text(WIDTH, y + 58, f"max_seq_len = {len(states)}", anchor="end", mono=True)
    return drawing


def moments(events: Sequence[Moment], names: Sequence[str] = ()) -> Drawing:
    """Draw the layers of a cache at some moments of a pass, and where its count stood.

    Parameters
    ----------
    events : sequence of Moment
    names : sequence of str
        What the legend calls "kept", "now" and "free". Default: counted; written, but not counted;
        free. An entry that no box shows is left out.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are no events.
    """
    if not events:
        raise ValueError("there must be at least one moment, got none")
    names = names or ("counted", "written, not counted", "free")
    num_layers = max(len(event.layers) for event in events)
    left, row = 66, 26
    longest = max(len(states) for event in events for states in event.layers)
    size = min(46.0, (WIDTH - left - 1) / longest)
    block = 60 + row * num_layers
    told = [
        f"{event.title}: "
        + "; ".join(f"layer {i} {_told(states)}" for i, states in enumerate(event.layers))
        + f"; seq_pos is {event.seq_pos}."
        for event in events
    ]
    drawing = Drawing(block * len(events) + 22, " ".join(told))
    for i, event in enumerate(events):
        y = block * i
        drawing.text(0, y + 10, event.title, anchor="start", mono=True, bold=True)
        for layer, states in enumerate(event.layers):
            drawing.text(0, y + 24 + row * (layer + 0.5), f"layer {layer}", anchor="start")
            drawing.cells(left, y + 24 + row * layer, [states], size, height=row - 4)
        cursor, under = left + size * event.seq_pos, y + 24 + row * num_layers
        drawing.arrow(cursor, under + 18, cursor, under)
        beside, anchor = (8, "start") if cursor < WIDTH - 110 else (-8, "end")
        count = f"seq_pos = {event.seq_pos}"
        drawing.text(cursor + beside, under + 12, count, anchor=anchor, mono=True)
    shown = {state for event in events for states in event.layers for state in states}
    legend = zip(("kept", "now", "free"), names, strict=True)
    drawing.key(block * len(events) + 10, *(entry for entry in legend if entry[0] in shown))
    return drawing


def _told(states: Sequence[str]) -> str:
    """Say in words which places of a layer have which state."""
    said = []
    for state in dict.fromkeys(states):
        places = [str(place) for place, found in enumerate(states) if found == state]
        said.append(f"{state} at {', '.join(places)}")
    return " and ".join(said)


def _count(rows: Sequence[Sequence[str]], state: str) -> int:
    return sum(list(states).count(state) for states in rows)
