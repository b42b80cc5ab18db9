"""Drawings are well-formed, named, and in the colours of the book."""

import re
from xml.etree import ElementTree

import pytest

from tinytorch.analysis.chart import STATES
from tinytorch.analysis.drawings import Drawing
from tinytorch.analysis.drawings.canvas import FILLS

ALT = 'Boxes & arrows that say "kept".'


def draw() -> Drawing:
    drawing = Drawing(100, ALT)
    for i, fill in enumerate(FILLS):
        drawing.box(20 * i, 0, 20, 20, fill, text="a<b")
    drawing.cells(0, 30, [["kept", "", "again"]], 10, opacities=[[0.5, 1, 1]])
    drawing.arrow(0, 50, 100, 50)
    drawing.key(80, ("kept", "kept"), ("free", "free"))
    return drawing


def test_a_drawing_is_inline_svg_with_a_text_alternative():
    root = ElementTree.fromstring(draw().svg())
    assert root.get("role") == "img"
    assert root.get("aria-label") == ALT
    assert "width" not in root.attrib
    assert root.get("viewBox") == "0 0 440 100"
    assert draw()._repr_html_().startswith('<div class="tt-chart tt-drawing"><svg ')


def test_every_reference_has_its_definition_and_two_drawings_share_none():
    def ids(svg: str) -> set[str]:
        found = set(re.findall(r'\bid="([^"]+)"', svg))
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) == found
        return found

    other = Drawing(10, "Another.")
    other.box(0, 0, 5, 5, "again")
    other.arrow(0, 0, 5, 5)
    assert len(ids(draw().svg())) == len(ids(other.svg())) == 2
    assert not ids(draw().svg()) & ids(other.svg())
    assert not ids(Drawing(10, ALT).svg())


@pytest.mark.parametrize("state", STATES)
def test_a_state_has_the_variable_of_the_page(state):
    drawing = Drawing(10, ALT)
    drawing.box(0, 0, 5, 5, state)
    assert f"var(--{state}, {STATES[state]})" in drawing.svg()


def test_an_empty_cell_is_left_out():
    drawing = Drawing(10, ALT)
    drawing.cells(0, 0, [["kept", "", "now"], ["", "", "free"]], 10)
    assert drawing.svg().count("<rect") == 3


def test_an_unknown_fill_is_refused():
    with pytest.raises(ValueError, match=r"fill must be one of .*'stale'"):
        Drawing(10, ALT).box(0, 0, 5, 5, "stale")
