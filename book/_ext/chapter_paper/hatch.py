"""The hatch of "computed again" as lines: Chromium prints the pattern of an SVG as a picture."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import ceil, floor, sqrt
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from chapter_paper.site import SVG

RECT, PATH, GROUP, PATTERN = (f"{{{SVG}}}{name}" for name in ("rect", "path", "g", "pattern"))


def with_lines(drawing: str) -> str:
    """Fill each hatched rectangle of a drawing with lines."""
    if "<pattern" not in drawing:
        return drawing
    root = ElementTree.fromstring(drawing)
    patterns = {f"url(#{pattern.get('id')})": pattern for pattern in root.iter(PATTERN)}
    for parent in list(root.iter()):
        for place, child in enumerate(parent):
            pattern = patterns.get(child.get("fill", ""))
            if child.tag == RECT and pattern is not None:
                parent[place] = hatched(child, pattern)
    return ElementTree.tostring(root, encoding="unicode")


def hatched(rect: Element, pattern: Element) -> Element:
    """Return a group that looks like a rectangle filled with one of `Drawing`'s patterns.

    The pattern's tile is a square with a tint and a line along its left side, turned by 45 degrees.
    Half of the line lies outside the tile.
    """
    tint, line = pattern.find(RECT), pattern.find(PATH)
    opacity = float(rect.get("fill-opacity", 1))
    group = Element(GROUP)
    filled = copy.copy(rect)
    filled.set("style", tint.get("style"))
    filled.attrib.pop("fill")
    filled.set("fill-opacity", f"{opacity * float(tint.get('fill-opacity')):g}")
    x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
    step = float(pattern.get("width")) * sqrt(2)
    segments = diagonals(x, y, width, height, step)
    lines = {
        "d": "".join(f"M{x0:.2f} {y0:.2f}L{x1:.2f} {y1:.2f}" for x0, y0, x1, y1 in segments),
        "style": line.get("style"),
        "stroke-width": f"{float(line.get('stroke-width')) / 2:g}",
        "stroke-opacity": f"{opacity:g}",
    }
    group.append(filled)
    group.append(Element(PATH, lines))
    return group


def diagonals(
    x: float, y: float, width: float, height: float, step: float
) -> Iterator[tuple[float, float, float, float]]:
    """Yield where the lines ``x + y = n * step`` cross a rectangle, from the left to the right."""
    for n in range(ceil((x + y) / step), floor((x + width + y + height) / step) + 1):
        total = n * step
        left, right = max(x, total - y - height), min(x + width, total - y)
        if left < right:
            yield left, total - left, right, total - right
