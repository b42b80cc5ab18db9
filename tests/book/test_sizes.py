"""Sizes of what a browser lays out late."""

import chapter_code
import chapter_sizes
from bs4 import BeautifulSoup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

CHART = (
    '<div class="tt-chart tt-drawing"><svg xmlns="s" viewBox="0 0 440 236.667" role="img"/></div>'
)


def cell(code: str) -> str:
    html = highlight(code, PythonLexer(), HtmlFormatter())
    return f'<div class="cell_input docutils container">\n<div>{html}</div>\n</div>'


def test_a_chart_has_its_ratio():
    html = BeautifulSoup(chapter_sizes.with_sizes(f"<p></p>{CHART}{CHART}"), "html.parser")
    assert [box["style"] for box in html.select(".tt-chart")] == ["aspect-ratio: 440 / 236.667"] * 2
    assert len(html.select(".tt-chart > svg")) == 2


def test_code_has_its_number_of_lines():
    codes = ["a = 1\n", 'text = """\n\n\n"""\nb = 2\n']
    page = chapter_code.with_lines("".join(map(cell, codes)))
    html = BeautifulSoup(chapter_sizes.with_sizes(page), "html.parser")
    found = [box["style"] for box in html.select(".cell_input")]
    assert (
        found
        == [f"--lines: {code.count(chr(10))}" for code in codes]
        == ["--lines: 1", "--lines: 5"]
    )


def test_other_boxes_stay_as_they_are():
    html = '<div class="tt-chart">text</div><div class="cell_output docutils container"></div>'
    assert chapter_sizes.with_sizes(html) == html
