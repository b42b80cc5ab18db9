"""What a drawing holds: its words and its boxes, in the order in which they were drawn."""

import re
from xml.etree import ElementTree

from tinytorch.analysis.chart import STATES
from tinytorch.analysis.drawings import Drawing


def elements(drawing: Drawing, name: str) -> list[ElementTree.Element]:
    """Return a drawing's elements of one name, without those of its patterns."""
    root = ElementTree.fromstring(drawing.svg())
    inside = {
        part for defs in root.iter("{http://www.w3.org/2000/svg}defs") for part in defs.iter()
    }
    found = root.findall(f".//{{http://www.w3.org/2000/svg}}{name}")
    return [element for element in found if element not in inside]


def texts(drawing: Drawing) -> list[str]:
    """Return the words of a drawing."""
    return [element.text for element in elements(drawing, "text")]


def fills(drawing: Drawing) -> list[str]:
    """Return what its boxes are: a state, "series-N", "free" for an outline, or "plain"."""
    return [_fill(rect) for rect in elements(drawing, "rect")]


def _fill(rect: ElementTree.Element) -> str:
    paint = rect.get("style", "") + rect.get("fill", "")
    if paint == "none":
        return "free"
    series = re.search(r"--chart-(\d),", paint)
    if series:
        return f"series-{series[1]}"
    return next(
        (state for state in STATES if f"--{state}," in paint or f"#{state}-" in paint), "plain"
    )
