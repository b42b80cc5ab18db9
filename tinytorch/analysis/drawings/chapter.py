"""The chapter on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

COLUMNS = 3


def chapter_map(stops: Sequence[tuple[str, str, str]]) -> Drawing:
    """Draw the chapter's pages as a way that turns at the end of each row.

    Parameters
    ----------
    stops : sequence of (str, str, str)
        For each page its subject, its number, and what the number is.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there are no pages.
    """
    if not stops:
        raise ValueError("a map needs at least one page, got none")
    gap, row = 16, 104
    width, height = (WIDTH - gap * (COLUMNS - 1)) / COLUMNS, 80
    rows = -(-len(stops) // COLUMNS)
    drawing = Drawing(
        row * rows - 12,
        "The chapter as a way through its pages. "
        + " ".join(
            f"{i}, {subject}: {number} {what}."
            for i, (subject, number, what) in enumerate(stops, 1)
        ),
    )

    def place(i: int) -> tuple[float, float]:
        line, step = divmod(i, COLUMNS)
        column = COLUMNS - 1 - step if line % 2 else step
        return column * (width + gap), row * line

    for i, (subject, number, what) in enumerate(stops):
        x, y = place(i)
        drawing.box(x, y, width, height)
        drawing.text(x + width / 2, y + 16, f"{i + 1}  {subject}", size=12)
        drawing.text(x + width / 2, y + 40, number, size=19, bold=True)
        drawing.text(x + width / 2, y + 64, what, size=12)
        if i + 1 == len(stops):
            continue
        to_x, to_y = place(i + 1)
        if to_y > y:
            drawing.arrow(x + width / 2, y + height + 2, x + width / 2, to_y - 2)
        elif to_x > x:
            drawing.arrow(x + width + 2, y + height / 2, to_x - 2, y + height / 2)
        else:
            drawing.arrow(x - 2, y + height / 2, to_x + width + 2, y + height / 2)
    return drawing
