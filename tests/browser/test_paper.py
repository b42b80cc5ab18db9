"""The printed book, read by a library that did not write it."""

import io
import re
from pathlib import Path

import pytest
from chapter_paper import pdf, pdf_check
from chapter_paper.book import Book, gather
from chapter_paper.site import PaperError
from pypdf import PdfReader

from tests.book.paper_site import write_site
from tests.browser.drivers.only import PRINTED

pytestmark = PRINTED
ADDRESS = "https://someone.github.io/fork/"


def print_small(browser, root: Path, address: str) -> tuple[Book, bytes]:
    """Print the small book of a website at an address."""
    site = write_site(root)
    book = gather(root, site, address)
    file = root / "paper.html"
    file.write_text(pdf.document(book, str(site)), encoding="utf-8")
    return book, pdf.finished(pdf.print_book(browser, file), book)


@pytest.fixture(scope="module")
def printed(browser, tmp_path_factory) -> tuple[Book, bytes]:
    return print_small(browser, tmp_path_factory.mktemp("paper"), ADDRESS)


@pytest.fixture
def reader(printed) -> PdfReader:
    return PdfReader(io.BytesIO(printed[1]))


def sheet_with(reader: PdfReader, words: str) -> int:
    """Return the last sheet that shows some words, counted from 1."""
    texts = [" ".join(page.extract_text().split()) for page in reader.pages]
    return max(i for i, text in enumerate(texts, start=1) if words in text)


def test_nothing_is_wrong_with_it(printed):
    book, data = printed
    assert pdf_check.faults(data, book, num_solutions=2) == []


def test_nothing_is_wrong_with_that_of_a_website_without_address(browser, tmp_path):
    book, data = print_small(browser, tmp_path, "")
    assert pdf_check.faults(data, book, num_solutions=2) == []
    for page in book.pages:
        for place in page.body.select(".live-address"):
            place.string = "elsewhere.html"
    faults = pdf_check.faults(data, book, num_solutions=2)
    assert faults == ["the address elsewhere.html is not printed"]


def test_the_outline_has_every_heading(reader):
    entries = list(pdf_check.titles(reader.outline))
    assert entries[:5] == ["Contents", "A small book", "1. Second & last", "A part", "Words"]
    assert entries[5:] == [
        "Folded code",
        "1. Second & last",
        "helper",
        "Solutions",
        "1. Second & last",
        "Solution to Exercise 1.1",
        "Solution to Exercise 1.2",
    ]


def test_the_contents_give_the_sheets(reader):
    contents = reader.pages[1].extract_text()
    for title in ("1. Second & last", "Words", "Solutions"):
        number = re.search(rf"{title}\s+(\d+)\s", f"{contents} ")
        assert number, contents
        assert title in reader.pages[int(number[1]) - 1].extract_text()


def test_a_solution_is_found_by_its_page_number(reader):
    second = reader.pages[sheet_with(reader, "How many?") - 1].extract_text()
    assert f"Solution, page {sheet_with(reader, 'Seven.')}" in " ".join(second.split())


def test_it_says_what_it_is(reader):
    assert reader.metadata.title == "KV caching, measured"
    assert reader.metadata.author
    assert reader.trailer["/Root"]["/Lang"] == "en"
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    width, height = (float(side) / 72 * 25.4 for side in reader.pages[0].mediabox[2:])
    assert (round(width), round(height)) == (210, 297)


def test_what_is_wrong_is_found(printed, browser):
    book, _ = printed
    tab = browser.new_page()
    blank = "<div style='break-before: page; height: 1px'></div>"
    tab.set_content(f"<h1>Something else</h1><p>One<p>Two<p>Three<canvas></canvas>{blank}")
    tab.evaluate("document.querySelector('canvas').getContext('2d').fillRect(0, 0, 9, 9)")
    other = tab.pdf(outline=True, tagged=True)
    tab.close()
    faults = "\n".join(pdf_check.faults(other, book, num_solutions=2))
    for words in (
        "outline",
        "no link",
        "begins with 'Words'",
        "GenerationPlayer",
        "0 solutions",
        "page 2 is blank",
    ):
        assert words in faults
    assert "no vector" in faults


def test_what_does_not_fit_is_named(browser, tmp_path):
    file = tmp_path / "wide.html"
    file.write_text('<p><img src="gone.png"></p><table><td style="min-width: 5000px">wide</table>')
    with pytest.raises(PaperError, match=r"gone\.png.*too wide.*wide"):
        pdf.print_book(browser, file)
