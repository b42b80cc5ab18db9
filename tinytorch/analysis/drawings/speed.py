"""What three speedups count, and what becomes of them on the clock."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing


def counts(num_passes: int) -> Drawing:
    """Draw the keys and the pairs of each pass, without a cache above and with one below.

    Parameters
    ----------
    num_passes : int
        From 2 to 7: pass i has i tokens.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are more passes than can be drawn.
    """
    if not 2 <= num_passes <= 7:
        raise ValueError(f"num_passes must be from 2 to 7, got {num_passes}")
    n, size = num_passes, 9.0
    line, triangle = n, n * (n + 1) // 2
    pyramid = sum(i * i for i in range(1, n + 1))
    column = [size * i * (i + 1) / 2 + 12 * i for i in range(n)]
    width = column[-1] + size * n
    left = WIDTH - width
    drawing = Drawing(
        2 * (24 + 22) + size * (n + 1) + 22,
        f"{n} passes; pass i has i tokens. Keys: a line of {line} with a cache, a triangle of "
        f"{triangle} without. Query-key pairs: a triangle of {triangle} with a cache, a pyramid of "
        f"{pyramid} without.",
    )
    kinds = (
        (f"keys: {triangle} or {line}", lambda i: (1, i)),
        (f"pairs: {pyramid} or {triangle}", lambda i: (i, i)),
    )
    y = 0.0
    for title, shape in kinds:
        drawing.text(0, y + 10, title, anchor="start", bold=True)
        rows = max(shape(i)[0] for i in range(1, n + 1))
        for i in range(1, n + 1):
            height, length = shape(i)
            for r in range(height):
                for c in range(length):
                    newest = r == height - 1 and (c == length - 1 if rows == 1 else True)
                    x = left + column[i - 1] + size * c
                    fill = "now" if newest else "again"
                    drawing.box(x, y + 24 + size * r, size, size, fill, stroke_width=0.5)
        y += 24 + size * rows + 22
    for i in range(1, n + 1):
        middle = left + column[i - 1] + size * i / 2
        drawing.text(middle, y - 10, f"{i}", size=12)
    drawing.text(left - 8, y - 10, "pass", anchor="end", size=12)
    drawing.key(y + 12, ("now", "with a cache too"), ("again", "only without: again"))
    return drawing


def slopes(cases: Mapping[str, tuple[float, float]]) -> Drawing:
    """Draw how many times fewer operations become how many times less time.

    Parameters
    ----------
    cases : mapping of str to (float, float)
        For each case the ratio of operations and the ratio of times.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If a ratio is not positive.
    """
    if any(min(ratios) <= 0 for ratios in cases.values()):
        raise ValueError(f"ratios must be positive, got {dict(cases)}")
    top, height, x0, x1 = 40.0, 190.0, 60.0, 190.0
    highest = math.log10(max(max(ratios) for ratios in cases.values()) * 1.1)
    lowest = min(0.0, math.log10(min(min(ratios) for ratios in cases.values())))

    def place(ratio: float) -> float:
        return top + height * (highest - math.log10(ratio)) / (highest - lowest)

    drawing = Drawing(
        top + height + 24,
        "Lines that fall from times fewer operations to times less time. "
        + " ".join(
            f"{name}: {operations:.1f} to {time:.1f}." for name, (operations, time) in cases.items()
        ),
    )
    drawing.text(x0, 10, "fewer operations", size=12, bold=True)
    drawing.text(x1, 10, "less time", size=12, bold=True)
    for x in (x0, x1):
        drawing.line((x, top - 10), (x, top + height), width=1)
    drawing.line((x0, place(1)), (x1, place(1)), dashed=True, width=1)
    drawing.text(x0 - 8, place(1), "1×", anchor="end", size=12)
    beside_left = _apart({name: place(ratios[0]) for name, ratios in cases.items()})
    beside_right = _apart({name: place(ratios[1]) for name, ratios in cases.items()})
    for name, (operations, time) in cases.items():
        drawing.line((x0, place(operations)), (x1, place(time)), width=2.4)
        drawing.dot(x0, place(operations), 3.5)
        drawing.dot(x1, place(time), 3.5)
        drawing.text(x0 - 8, beside_left[name], f"{operations:.1f}×", anchor="end", size=12)
        drawing.text(x1 + 10, beside_right[name], f"{time:.1f}×  {name}", anchor="start", size=12)
    return drawing


def _apart(places: Mapping[str, float], least: float = 15.0) -> dict[str, float]:
    """Move labels down until none covers another."""
    moved: dict[str, float] = {}
    last = -math.inf
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        last = max(place, last + least)
        moved[name] = last
    return moved


def reuse(num_tokens: int) -> Drawing:
    """Draw how often a pass uses a weight that it has read once.

    Parameters
    ----------
    num_tokens : int
        Of a prefill; a decoding step has one.

    Returns
    -------
    Drawing
    """
    side = math.ceil(math.sqrt(num_tokens))
    size = min(9.0, 120 / side)
    drawing = Drawing(
        side * size + 60,
        f"One weight, four bytes read. A prefill of {num_tokens} tokens uses it {num_tokens} "
        "times; a decoding step uses it once.",
    )
    for left, title, uses in (
        (0.0, "prefill", num_tokens),
        (WIDTH / 2 + 10, "decode", 1),
    ):
        drawing.text(left, 10, title, anchor="start", bold=True)
        drawing.box(left, 34, 44, 24, "series-1", text="4 bytes", size=12)
        drawing.arrow(left + 48, 46, left + 68, 46)
        for k in range(uses):
            x, y = left + 74 + size * (k % side), 26 + size * (k // side)
            drawing.box(x, y, size, size, "now", stroke_width=0.4)
        noun = "multiply-add" if uses == 1 else "multiply-adds"
        drawing.text(left, side * size + 44, f"{uses:,} {noun}", anchor="start", size=12)
    return drawing
