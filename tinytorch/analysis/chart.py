"""How a figure of the chapter looks, and how it gets onto a light or a dark page."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.figure import Figure

INK = "#000001"
"""Stands for the colour of the surrounding text until the SVG is written."""

STATES = {"kept": "#2487c8", "now": "#d55e00", "again": "#7f7f7f"}
"""What a colour means in every drawing, chart and figure of the book: kept in the cache, computed
now, computed again. A run without a cache is drawn in the colour of "again", one with it in that
of "kept". A page may set ``--kept``, ``--now`` and ``--again``."""

GREEN, PINK, GOLD, VIOLET = "#00946e", "#c46a9b", "#a47a00", "#8d70d6"
COLOURS = (GREEN, PINK, GOLD, VIOLET)
"""For what has no such state: models, methods, machines.

All of them have at least 3:1 against a white and a near-black page, and are apart for colour-blind
readers: after Okabe and Ito 2008, "Color Universal Design", some of them darkened. A page may set
``--chart-1`` to ``--chart-4`` to shades with more contrast in its theme.
"""

LINE_STYLES = ("-", "--", "-.", ":")

SIZE = (6.1, 3.8)
"""Inches, which is 439 by 274 points: the text stays legible when a phone scales it down."""

STYLE = {
    "font.size": 12,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.use_mathtext": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "lines.linewidth": 2.2,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure and what it says, for readers who do not see it.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        The message of the figure in one or two sentences.
    """

    figure: Figure
    alt: str

    def svg(self) -> str:
        """Return the figure as one ``<svg>`` element that takes its page's text colour."""
        file = io.StringIO()
        salt = hashlib.sha256(self.alt.encode()).hexdigest()
        with rc_context(STYLE | {"svg.hashsalt": salt}):
            self.figure.savefig(file, format="svg", transparent=True)
        text = re.sub(r"<!DOCTYPE.*?>", "", file.getvalue(), flags=re.DOTALL)
        for i, colour in enumerate(COLOURS, start=1):
            text = text.replace(f": {colour}", f": var(--chart-{i}, {colour})")
        for state, colour in STATES.items():
            text = text.replace(f": {colour}", f": var(--{state}, {colour})")
        root = ElementTree.fromstring(text.replace(INK, "currentColor"))
        metadata = root.find(f"{{{SVG}}}metadata")
        if metadata is not None:
            root.remove(metadata)
        used = set(re.findall(r"#([\w-]+)", ElementTree.tostring(root, encoding="unicode")))
        for element in root.iter():
            if element.get("id") not in used:
                element.attrib.pop("id", None)
        del root.attrib["width"], root.attrib["height"]
        root.set("role", "img")
        root.set("aria-label", self.alt)
        return ElementTree.tostring(root, encoding="unicode")

    def _repr_html_(self) -> str:
        return f'<div class="tt-chart">{self.svg()}</div>'
