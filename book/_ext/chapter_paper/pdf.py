"""The book as a PDF, printed by Chromium, which sets MathML and keeps drawings as vectors."""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab
from pygments.formatters import HtmlFormatter
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from chapter_paper.book import Book
from chapter_paper.front import contents, title_page
from chapter_paper.hatch import with_lines
from chapter_paper.site import Page, PaperError, words

HERE = Path(__file__).parent
HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
PLACEHOLDER = re.compile(r'<svg data-drawn="([^"]+)"></svg>')
LIGHT = re.compile(r'html\[data-theme="light"\] {(.*?)}', re.DOTALL)
"""The book's colours on white, in book.css."""

COLUMN = 643
"""Pixels of a line: 170 mm at 96 an inch."""

WRITE_NUMBERS = """numbers => {
  for (const element of document.querySelectorAll("[data-page]")) {
    const number = numbers[element.dataset.page];
    element.textContent = element.className === "on-page" ? `, page ${number}` : number;
  }
}"""


def document(book: Book, site: str) -> str:
    """Return the book as one page of HTML.

    Parameters
    ----------
    book : Book
    site : str
        The folder of the website, seen from the page's file, for its images.
    """
    shown = "".join(section(page, site) for page in book.pages)
    return (
        f'<!doctype html>\n<html lang="{escape(book.language)}"><head><meta charset="utf-8">'
        f"<title>{escape(book.title)}</title><style>{style(book)}</style></head>"
        f"<body>{title_page(book)}{contents(book)}{shown}</body></html>\n"
    )


def section(page: Page, site: str) -> str:
    """Return a page of the website as a part of the book."""
    body = copy.copy(page.body)
    for image in body.find_all("img"):
        image["src"] = f"{site}/{image['src']}"
    return PLACEHOLDER.sub(lambda drawn: with_lines(page.pictures[drawn[1]]), str(body))


def style(book: Book) -> str:
    """Return the style sheet: colours, code, paper, and what stands at the top of each sheet."""
    (light,) = LIGHT.findall((book.site / "_static/book.css").read_text(encoding="utf-8"))
    code = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")
    heads = "".join(
        f"@page {named(page)} {{ @top-right {{ content: {quoted(page.title)} }} }}\n"
        f"#{page.name} {{ page: {named(page)} }}\n"
        for page in book.pages
    )
    sheet = (HERE / "paper.css").read_text(encoding="utf-8")
    return f":root {{{light}}}\n{code}\n{sheet}\n{heads}"


def named(page: Page) -> str:
    """Return the name of the sheets that a page is printed on."""
    return f"sheet-{page.name}"


def quoted(text: str) -> str:
    """Return a string of CSS."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_book(browser: Browser, file: Path) -> bytes:
    """Print a page of HTML, and once more with the numbers of the sheets that its links lead to.

    Raises
    ------
    PaperError
        If something is wider than the paper, a picture is missing, or numbers moved the text.
    """
    tab = browser.new_page(viewport={"width": COLUMN, "height": 900})
    missing: list[str] = []
    tab.on("requestfailed", lambda request: missing.append(request.url))
    tab.emulate_media(media="print")
    tab.goto(file.resolve().as_uri())
    too_wide = tab.evaluate((HERE / "fit.js").read_text(encoding="utf-8"))
    if missing or too_wide:
        raise PaperError(f"not loaded: {missing}; too wide for the paper: {too_wide}")
    tab.evaluate(WRITE_NUMBERS, dict.fromkeys(wanted(tab), "000"))
    numbers = page_numbers(sheets(tab))
    tab.evaluate(WRITE_NUMBERS, numbers)
    printed = sheets(tab)
    tab.close()
    if page_numbers(printed) != numbers:
        raise PaperError("the page numbers of the contents moved what they count")
    return printed


def wanted(tab: Tab) -> list[str]:
    """Return the ids whose page numbers are written somewhere."""
    return tab.evaluate("[...document.querySelectorAll('[data-page]')].map(e => e.dataset.page)")


def sheets(tab: Tab) -> bytes:
    """Print what a tab shows."""
    return tab.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)


def page_numbers(pdf: bytes) -> dict[str, int]:
    """Return on which sheet each link's target is, counted from 1."""
    reader = PdfReader(io.BytesIO(pdf))
    return {
        name.removeprefix("/"): reader.get_destination_page_number(target) + 1
        for name, target in reader.named_destinations.items()
    }


def headings(book: Book) -> list[str]:
    """Return the words of all headings, in their order."""
    return ["Contents"] + [
        words(heading) for page in book.pages for heading in page.body.find_all(HEADINGS)
    ]


def name_outline(writer: PdfWriter, titles: list[str]) -> None:
    """Name the outline's entries. Chromium repeats the words of a heading that begins a sheet.

    Raises
    ------
    PaperError
        If there are more or fewer entries than headings.
    """
    entries = list(below(writer.root_object["/Outlines"]))
    if len(entries) != len(titles):
        raise PaperError(f"the outline has {len(entries)} entries for {len(titles)} headings")
    for entry, title in zip(entries, titles, strict=True):
        if title.split()[-1] not in entry["/Title"]:
            raise PaperError(f"the outline has {entry['/Title']!r} for the heading {title!r}")
        entry[NameObject("/Title")] = TextStringObject(title)


def below(parent: DictionaryObject) -> Iterator[DictionaryObject]:
    """Yield the entries of an outline below one of them, in their order."""
    entry = parent.get("/First")
    while entry is not None:
        entry = entry.get_object()
        yield entry
        yield from below(entry)
        entry = entry.get("/Next")


def finished(pdf: bytes, book: Book) -> bytes:
    """Say in the file who wrote what and when, and let readers open it with its outline."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    date = f"D:{book.date:%Y%m%d%H%M%S}Z"
    writer.add_metadata(
        {
            "/Title": book.title,
            "/Author": ", ".join(book.authors),
            "/Subject": f"{book.summary} Version {book.version}. Licence: {book.licence}.",
            "/CreationDate": date,
            "/ModDate": date,
        }
    )
    name_outline(writer, headings(book))
    writer.page_mode = "/UseOutlines"
    writer.create_viewer_preferences().display_doctitle = True
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()
