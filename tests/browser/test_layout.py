"""What a reader looks at: code that fits, outputs that are there, enough pictures."""

import ast
from pathlib import Path

import jupytext
import pytest
from bs4 import BeautifulSoup

from tests.browser.conftest import SITE
from tests.browser.pages import opened

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    page for page in (ROOT / "book").glob("*.md") if "{code-cell}" in page.read_text("utf-8")
)
NAMES = [page.stem for page in SOURCES]
CHAPTER = [
    *("intro", "measure", "redundancy", "build", "enable", "memory", "speed"),
    *("smollm2", "bugs", "beyond", "serve", "distributed"),
]

MAKERS = ("plots.", "table(", "drawings.", "CodeDiff(", "AnswerField(")
"""How an expression begins that makes a picture, a table or a figure."""

PLUMBING = MAKERS[:3]
FOLDED = {"hide-input", "hide-cell", "remove-input"}

LONGEST_STRETCH = 2_500
TALLEST_TEXT = 420
"""Pixels, 1,280 wide."""

CODE_LINES = """() => {
  let all = 0, cut = [];
  for (const pre of document.querySelectorAll("article .cell_input pre")) {
    if (!pre.getClientRects().length || pre.closest("details:not([open])")) continue;
    const style = getComputedStyle(pre);
    const room = pre.clientWidth - parseFloat(style.paddingLeft);
    const probe = document.createElement("span");
    probe.textContent = "m".repeat(100);
    pre.append(probe);
    const width = probe.getBoundingClientRect().width / 100;
    probe.remove();
    for (const line of pre.textContent.split("\\n")) {
      if (!line.trim()) continue;
      all += 1;
      if (line.length * width > room + 1) cut.push(line);
    }
  }
  return [all, cut];
}"""
"""How many lines of code stand open, and those that are wider than their box."""

SWIPED = """() => [...document.querySelectorAll("article pre")]
  .filter((e) => e.getClientRects().length)
  .filter((e) => e.scrollWidth > e.clientWidth || parseFloat(getComputedStyle(e).fontSize) < 12)
  .map((e) => e.textContent.slice(0, 60))"""
"""Code that would have to be moved sideways, or is too small."""

TALL_TEXTS = """(most) => [...document.querySelectorAll("article .cell_output pre")]
  .filter((e) => e.getBoundingClientRect().height > most)
  .map((e) => e.textContent.slice(0, 60))"""

STRETCHES = """() => {
  const article = document.querySelector("article.bd-article").getBoundingClientRect();
  const boxes = [...document.querySelectorAll(
    "article :is(.tt-chart, .tt-widget, .tt-w, table, img)")]
    .filter((e) => !e.closest("details:not([open])"))
    .map((e) => e.getBoundingClientRect()).filter((box) => box.height > 30);
  boxes.sort((a, b) => a.top - b.top);
  let end = article.top, longest = [0, 0];
  for (const box of [...boxes, {top: article.bottom, bottom: article.bottom}]) {
    if (box.top - end > longest[0]) longest = [box.top - end, end - article.top];
    end = Math.max(end, box.bottom);
  }
  return longest.map(Math.round);
}"""
"""The longest way down a page without a picture, a table or a figure, and where it begins."""


@pytest.fixture(scope="module", params=NAMES)
def opened_page(request, browser, site_url):
    url = f"{site_url}/book/{request.param}.html"
    with opened(browser, url, site_url) as (page, _, _sizes):
        yield request.param, page


@pytest.fixture
def wide(opened_page):
    """A page's name, and the page on a desk."""
    opened_page[1].set_viewport_size({"width": 1280, "height": 900})
    return opened_page


@pytest.fixture
def narrow(opened_page):
    """A page on a phone."""
    opened_page[1].set_viewport_size({"width": 390, "height": 780})
    return opened_page[1]


def test_no_line_of_code_is_cut(wide):
    name, page = wide
    all_lines, cut = page.evaluate(CODE_LINES)
    assert all_lines > 0 or name in ("intro", "summary", "reflect", "lecture")
    assert cut == []


def test_no_printed_output_is_tall(wide):
    assert wide[1].evaluate(TALL_TEXTS, TALLEST_TEXT) == []


def test_no_long_way_without_something_to_see(wide):
    name, page = wide
    if name in CHAPTER:
        longest, begins = page.evaluate(STRETCHES)
        assert longest <= LONGEST_STRETCH, f"from {begins} px on"


def test_code_can_be_read_on_a_phone_without_a_sideways_swipe(narrow):
    assert narrow.evaluate(SWIPED) == []


def cells(name: str):
    """Yield the code cells of a page's source, each with its element of the built page."""
    config = jupytext.config.load_jupytext_config(str(ROOT / "book"))
    notebook = jupytext.read(ROOT / f"book/{name}.md", config=config)
    html = BeautifulSoup((SITE / f"book/{name}.html").read_text("utf-8"), "html.parser")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code = [cell for cell in code if "remove-cell" not in cell.metadata.get("tags", [])]
    built = html.select("article div.cell.docutils.container")
    assert len(code) == len(built)
    yield from zip(code, built, strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_cell_makes_is_on_the_page(name):
    for cell, element in cells(name):
        *earlier, last = [ast.unparse(node) for node in ast.parse(cell.source).body]
        assert not [code for code in earlier if code.startswith(MAKERS)]
        if last.startswith(MAKERS):
            assert element.select(".cell_output :is(svg, table, .tt-widget)"), last


@pytest.mark.parametrize("name", NAMES)
def test_plot_and_table_arguments_are_folded(name):
    for cell, element in cells(name):
        tags = set(cell.metadata.get("tags", []))
        if tags & FOLDED or element.find_parent(class_="dropdown"):
            continue
        lines = [line for line in cell.source.splitlines() if "import" not in line]
        assert not [line for line in lines if any(word in line for word in PLUMBING)]
