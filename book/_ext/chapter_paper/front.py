"""What stands before the first page: the title, how to read this book, and its contents."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from chapter_paper.book import Book
from chapter_paper.site import Page, words


def title_page(book: Book) -> str:
    """Return the title page, in HTML."""
    address = book.website.address
    live = "where the live one is on the website"
    if address:
        link = f'<a href="{address}">{address}</a>'
        live = f"the address of the live one on the website, {link}"
    about = [
        f"Version {escape(book.version)}, {book.date:%-d %B %Y}. Licence: {escape(book.licence)}.",
        "Every number was computed when the website was built, on the machine that built it.",
        f"A live figure is printed as a drawing, with {live}.",
        "The code that draws figures and tables is left out. Folded functions that the text uses, "
        "and the solutions of all exercises, stand at the end.",
    ]
    return (
        '<section class="title-page">'
        f'<p class="title">{escape(book.title)}</p>'
        f'<p class="summary">{escape(book.summary)}</p>'
        f'<p class="authors">{escape(", ".join(book.authors))}</p>'
        f"{''.join(f'<p>{line}</p>' for line in about)}</section>"
    )


def parts(book: Book) -> Iterator[tuple[str, list[Page]]]:
    """Yield the parts of the book: a caption, which may be empty, and pages."""
    for caption, pages in groupby(book.pages, key=lambda page: page.part):
        yield caption, list(pages)


def contents(book: Book) -> str:
    """Return the contents with room for page numbers, in HTML."""
    lines = []
    for caption, pages in parts(book):
        if caption:
            lines.append(f'<p class="part">{escape(caption)}</p>')
        lines += [entry(page) for page in pages]
    return f'<section class="page" id="contents"><h1>Contents</h1>{"".join(lines)}</section>'


def entry(page: Page) -> str:
    """Return a page's line of the contents, and its sections in small."""
    sections = " · ".join(
        f'<a href="#{section["id"]}">{escape(words(heading))}</a>'
        for heading, section in sections_of(page)
    )
    return (
        f'<div class="entry"><p><a href="#{page.name}"><span>{escape(page.title)}</span>'
        f'<span class="dots"></span><span data-page="{page.name}">000</span></a></p>'
        f'<p class="sections">{sections}</p></div>'
    )


def sections_of(page: Page) -> Iterator[tuple]:
    """Yield the headings of a page's sections with what can be linked to."""
    for heading in page.headings("h2"):
        if heading.parent.name == "section" and heading.parent.get("id") != page.name:
            yield heading, heading.parent
