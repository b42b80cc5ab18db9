"""A generation without a cache: its loop, and what it takes in again and again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

CHARACTER = 7.4
"""Width of a character of the usual size; a little more than most of them need."""

NUMBER_WIDTH, NUMBER_HEIGHT = 116, 50
"""Room for the large number of `staircase`, in its empty corner or above."""

NUM_WORDS = 4
"""Tokens at the end of a text that a drawing spells out."""


def loop(tokens: Sequence[str], choices: Sequence[tuple[str, float]], num_layers: int) -> Drawing:
    """Draw one turn of a generation: the whole text in, one token out, and back to the start.

    Parameters
    ----------
    tokens : sequence of str
        The text that goes in, at least four tokens.
    choices : sequence of (str, float)
        The three or four next tokens with the highest logits, the highest first.
    num_layers : int

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are too few tokens, or no choices.
    """
    if len(tokens) < NUM_WORDS or not choices:
        raise ValueError(
            f"a turn needs at least {NUM_WORDS} tokens and one choice, "
            f"got {len(tokens)} and {len(choices)}"
        )
    best = _shown(choices[0][0])
    shown = [_shown(token) for token in tokens[-NUM_WORDS:]]
    drawing = Drawing(
        250,
        f"A loop. {len(tokens)} tokens, which end in “{' '.join(shown)}”, go through all "
        f"{num_layers} layers. Of the next tokens, “{best}” has the highest logit, "
        f"{choices[0][1]:.1f}. It is put behind the text, and the whole text goes in again.",
    )
    drawing.text(0, 10, f"The whole text goes in: {len(tokens)} tokens", anchor="start", bold=True)
    first = f"{len(tokens) - NUM_WORDS} more"
    x = _words(drawing, 0, 26, [first, *shown], ["free"] + NUM_WORDS * ["plain"])
    slot, slot_width = x, _width(best)
    drawing.box(slot, 26, slot_width, 28, "free", text="?")

    middle = x / 2
    drawing.arrow(middle, 58, middle, 82)
    for shift in (8, 4, 0):
        drawing.box(middle - 78 + shift, 92 - shift, 156, 34, "plain")
    drawing.text(middle, 109, f"{num_layers} layers")
    drawing.arrow(middle, 130, middle, 154)
    drawing.text(0, 165, "One logit for each possible next token", anchor="start", bold=True)

    x = _words(drawing, 0, 180, ["…", *(_shown(text) for text, _ in choices[:0:-1])])
    drawing.box(x, 180, slot_width, 28, "now", text=best)
    drawing.text(x + slot_width / 2, 220, f"{choices[0][1]:.1f}", mono=True)
    right = _centres(0, ["…", *(_shown(text) for text, _ in choices[:0:-1])])[1:]
    for centre, (_, logit) in zip(right, choices[:0:-1], strict=True):
        drawing.text(centre, 220, f"{logit:.1f}", mono=True)

    end = max(x + slot_width, slot + slot_width) + 22
    drawing.line(
        (x + slot_width + 2, 194), (end, 194), (end, 40), (slot + slot_width + 3, 40), arrow=True
    )
    drawing.text(0, 241, f"The highest wins. “{best}” goes behind the text.", anchor="start")
    return drawing


def staircase(passes: Sequence[int]) -> Drawing:
    """Draw what the passes of a generation without a cache take in: each the whole text again.

    Parameters
    ----------
    passes : sequence of int
        The tokens that went through the model in each pass, the prompt's first.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are fewer than two passes, or one is not longer than the one before.
    """
    lengths = [int(length) for length in passes]
    steps = [after - before for before, after in itertools.pairwise(lengths)]
    if not steps or lengths[0] < 1 or min(steps) < 1:
        raise ValueError(f"passes must be two or more lengths, each longer, got {lengths}")
    taken, needed = sum(lengths), lengths[-1]
    repeats = f"{1 - needed / taken:.0%}"
    unit, height = WIDTH / needed, 210 / len(lengths)
    edge = lengths[int(NUMBER_HEIGHT / height)] * unit
    top = 26 if edge <= WIDTH - NUMBER_WIDTH else 26 + NUMBER_HEIGHT
    bottom = top + 210
    drawing = Drawing(
        bottom + 104,
        f"A staircase of {len(lengths)} passes. The first takes in {lengths[0]} tokens, the last "
        f"{needed}, {taken:,} in all. Only {needed} of them are new, the end of each row; "
        f"{repeats} went through the model in a pass before.",
    )
    drawing.text(0, top - 15, f"pass 1: all {lengths[0]} are new", anchor="start")
    before = 0
    for i, length in enumerate(lengths):
        y = top + i * height
        if before:
            drawing.box(0, y, before * unit, height, "again", stroke_width=0.6)
        drawing.box(before * unit, y, (length - before) * unit, height, "now", stroke_width=0.6)
        before = length
    drawing.text(WIDTH, 40, repeats, anchor="end", size=30, bold=True)
    drawing.text(WIDTH, 64, "went in before", anchor="end")
    drawing.text(
        WIDTH, bottom + 13, f"pass {len(lengths)}: {needed} tokens, {steps[-1]} new", anchor="end"
    )
    drawing.box(0, bottom + 38, WIDTH, 26, "now", text=f"needed: each token once, {needed}")
    drawing.key(bottom + 90, ("again", f"again: {taken - needed:,}"), ("now", f"new: {needed}"))
    return drawing


def one_pass(length: int, num_chosen: int) -> Drawing:
    """Draw one pass over a finished text, and the logits that its generation needed besides.

    Parameters
    ----------
    length : int
        Tokens in the pass.
    num_chosen : int
        Tokens that the generation chose, the first of them with the logits of the prompt's last
        token, the last with those of the pass's last token.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are more chosen tokens than places.
    """
    if not 1 < num_chosen <= length:
        raise ValueError(f"num_chosen must be from 2 to {length}, got {num_chosen}")
    unit, missing = WIDTH / length, num_chosen - 1
    drawing = Drawing(
        146,
        f"One pass takes {length} tokens through the layers, each once. The generation chose "
        f"{num_chosen} tokens, each from the logits of one place: the last {num_chosen}. The pass "
        f"gives the logits of its last place; those of the {missing} before it are missing.",
    )
    drawing.text(0, 10, f"Layers: {length} tokens, each once", anchor="start", bold=True)
    drawing.text(0, 76, f"Logits: {num_chosen} places chose a token", anchor="start", bold=True)
    for i in range(length):
        drawing.box(i * unit, 24, unit, 24, "now", stroke_width=0.6)
        if i >= length - num_chosen:
            fill = "now" if i + 1 == length else "free"
            drawing.box(i * unit, 90, unit, 24, fill, stroke_width=0.8)
    start = (length - num_chosen) * unit
    end = WIDTH - unit
    drawing.line((start, 118), (start, 125), (end, 125), (end, 118))
    drawing.text((start + end) / 2, 137, f"{missing} missing")
    last = min(WIDTH - unit / 2, WIDTH - 6)
    drawing.arrow(last, 51, last, 88)
    return drawing


def _shown(token: str) -> str:
    """Return a token as a reader sees it: without spaces, its line end as an arrow."""
    return token.strip(" ").replace("\n", "↵")


def _width(word: str) -> float:
    return 16 + CHARACTER * len(word)


def _centres(x: float, words: Sequence[str]) -> list[float]:
    centres = []
    for word in words:
        centres.append(x + _width(word) / 2)
        x += _width(word) + 4
    return centres


def _words(
    drawing: Drawing, x: float, y: float, words: Sequence[str], fills: Sequence[str] = ()
) -> float:
    """Draw words in boxes from left to right, and return where the next one would start."""
    for word, fill in zip(words, fills or ["plain"] * len(words), strict=True):
        drawing.box(x, y, _width(word), 28, fill, text=word)
        x += _width(word) + 4
    return x
