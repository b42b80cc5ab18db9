"""A sheet to draw on: boxes, words and arrows, whose colours mean the same in the whole book."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from tinytorch.analysis.chart import COLOURS, STATES

WIDTH = 440
"""Units of a sheet, which a phone shows at 0.8 pixels each: text of 13 stays legible."""

TEXT_SIZE = 13
PLAIN, FREE, AGAIN, MASKED = "plain", "free", "again", "masked"
FILLS = (*STATES, PLAIN, FREE, MASKED, *(f"series-{i}" for i in range(1, len(COLOURS) + 1)))
"""What a box can be: a state of the book, plain, free, masked, or one of the series' colours."""


class Drawing:
    """A drawing in SVG that shows itself in a notebook and takes its page's text colour.

    Parameters
    ----------
    height : float
        Of the sheet, in its units.
    alt : str
        What the drawing says, for readers who do not see it.
    width : float
        Of the sheet; a page scales it to the width that it has.

    Notes
    -----
    x grows to the right and y downwards. A box's fill is one of `FILLS`; "again" is hatched, "free"
    an empty outline and "masked" a dot, so that colour is never the only difference.
    """

    def __init__(self, height: float, alt: str, width: float = WIDTH):
        self.width, self.height, self.alt = width, height, alt
        self._parts: list[str] = []
        self._id = hashlib.sha256(alt.encode()).hexdigest()[:8]

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str = PLAIN,
        *,
        text: str = "",
        opacity: float = 1.0,
        size: float = TEXT_SIZE,
        stroke_width: float = 1.0,
    ) -> None:
        """Draw a rectangle with its text in the middle.

        Raises
        ------
        ValueError
            If `fill` is none of `FILLS`.
        """
        if fill not in FILLS:
            raise ValueError(f"fill must be one of {FILLS}, got {fill!r}")
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        line = f'stroke="currentColor" stroke-width="{stroke_width:g}" stroke-opacity="0.45"'
        self._parts.append(f"<rect {place} {line} {self._paint(fill, opacity)}/>")
        if fill == MASKED:
            self.dot(x + width / 2, y + height / 2)
        if text:
            filled = fill in (*STATES, *FILLS[-len(COLOURS) :]) and fill != AGAIN and opacity > 0.6
            style = "fill: var(--pst-color-background, #fff)" if filled else ""
            self.text(x + width / 2, y + height / 2, text, size=size, style=style)

    def cells(
        self,
        x: float,
        y: float,
        rows: Iterable[Iterable[str]],
        size: float,
        *,
        height: float | None = None,
        opacities: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Draw a matrix of boxes; an empty string leaves a cell out."""
        height = size if height is None else height
        for i, row in enumerate(rows):
            for j, fill in enumerate(row):
                opacity = 1.0 if opacities is None else float(opacities[i][j])
                if fill:
                    self.box(x + j * size, y + i * height, size, height, fill, opacity=opacity)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "middle",
        size: float = TEXT_SIZE,
        bold: bool = False,
        mono: bool = False,
        turn: float = 0,
        style: str = "",
    ) -> None:
        """Write a line of text; `y` is its middle, about whose start it is turned by degrees."""
        weight = ' font-weight="700"' if bold else ""
        family = ' font-family="monospace"' if mono else ""
        look = f' style="{style}"' if style else ' fill="currentColor"'
        turned = f' transform="rotate({turn:g} {x:g} {y:g})"' if turn else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y + 0.36 * size:g}" text-anchor="{anchor}" '
            f'font-size="{size:g}"{weight}{family}{look}{turned}>{escape(text)}</text>'
        )

    def line(
        self,
        *points: tuple[float, float],
        arrow: bool = False,
        dashed: bool = False,
        width: float = 1.4,
    ) -> None:
        """Draw a line through points, with an arrow at its end if wanted."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        head = f' marker-end="url(#head-{self._id})"' if arrow else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="currentColor" '
            f'stroke-width="{width:g}"{dash}{head}/>'
        )

    def arrow(self, x0: float, y0: float, x1: float, y1: float, *, dashed: bool = False) -> None:
        """Draw a straight arrow."""
        self.line((x0, y0), (x1, y1), arrow=True, dashed=dashed)

    def dot(self, x: float, y: float, radius: float = 1.5) -> None:
        """Draw a dot."""
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="currentColor"/>')

    def cross(self, x: float, y: float, radius: float) -> None:
        """Draw a cross, which marks what is wrong."""
        for slope in (1, -1):
            ends = (x - radius, y - slope * radius), (x + radius, y + slope * radius)
            self.line(*ends, width=2.2)

    def key(self, y: float, *entries: tuple[str, str], x: float = 0, gap: float = 16) -> None:
        """Write a legend in one line: pairs of a fill and what it means."""
        for fill, meaning in entries:
            self.box(x, y - 6, 12, 12, fill)
            self.text(x + 17, y, meaning, anchor="start", size=12)
            x += 17 + 6.6 * len(meaning) + gap

    def svg(self) -> str:
        """Return the drawing as one ``<svg>`` element."""
        hatch, head = f"again-{self._id}", f"head-{self._id}"
        grey = _variable("again")
        definitions = ""
        if any(f"#{hatch}" in part for part in self._parts):
            definitions += (
                f'<pattern id="{hatch}" width="5" height="5" patternUnits="userSpaceOnUse" '
                f'patternTransform="rotate(45)"><rect width="5" height="5" fill-opacity="0.25" '
                f'style="fill: {grey}"/><path d="M0 0V5" stroke-width="3" '
                f'style="stroke: {grey}"/></pattern>'
            )
        if any(f"#{head}" in part for part in self._parts):
            definitions += (
                f'<marker id="{head}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
                'markerHeight="7" orient="auto-start-reverse">'
                '<path d="M0 0L8 4L0 8Z" fill="currentColor"/></marker>'
            )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} '
            f'{self.height:g}" role="img" aria-label="{escape(self.alt)}" '
            'font-family="system-ui, sans-serif">'
            f"{f'<defs>{definitions}</defs>' if definitions else ''}{''.join(self._parts)}</svg>"
        )

    def _repr_html_(self) -> str:
        return f'<div class="tt-chart tt-drawing">{self.svg()}</div>'

    def _paint(self, fill: str, opacity: float) -> str:
        if fill in (FREE, MASKED):
            return 'fill="none"'
        if fill == PLAIN:
            return f'fill="currentColor" fill-opacity="{0.08 * opacity:g}"'
        if fill == AGAIN:
            return f'fill="url(#again-{self._id})" fill-opacity="{opacity:g}"'
        return f'style="fill: {_variable(fill)}" fill-opacity="{opacity:g}"'


def _variable(fill: str) -> str:
    """Return the CSS variable of a state or a series, with its colour for other hosts."""
    if fill in STATES:
        return f"var(--{fill}, {STATES[fill]})"
    number = int(fill.removeprefix("series-"))
    return f"var(--chart-{number}, {COLOURS[number - 1]})"
