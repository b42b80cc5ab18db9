"""Read a written PDF again, with a library that did not write it, and say what is wrong with it."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Iterator

from pypdf import PageObject, PdfReader
from pypdf.generic import DictionaryObject

from chapter_paper.book import Book
from chapter_paper.site import words

SHOWN = re.compile(rb"\bT[jJ]\b|\b[fSB]\*?\n")
"""Where a sheet's content shows letters, or fills or draws a line."""

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def faults(pdf: bytes, book: Book, num_solutions: int) -> list[str]:
    """Return what is wrong with a PDF of a book whose sources have a number of solutions."""
    reader = PdfReader(io.BytesIO(pdf))
    return [
        *wrong_outline(reader, book),
        *wrong_links(reader),
        *wrong_order(reader, book),
        *lost_addresses(reader, book),
        *wrong_solutions(reader, num_solutions),
        *(f"page {i} is blank" for i in blank(reader)),
        *(
            f"page {i} holds {name}, which is no vector"
            for i, page in enumerate(reader.pages, start=1)
            for name in rasters(page)
        ),
        *loose_fonts(reader),
    ]


def joined(text: str) -> str:
    """Return a text without what breaks lines, and with ligatures taken apart."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def titles(outline: Iterable) -> Iterator[str]:
    """Yield the outline's entries in their order, at all levels."""
    for entry in outline:
        if isinstance(entry, list):
            yield from titles(entry)
        else:
            yield " ".join(entry.title.split())


def wrong_outline(reader: PdfReader, book: Book) -> Iterator[str]:
    """Compare the outline with the headings of all pages."""
    expected = ["Contents"]
    expected += [words(h) for page in book.pages for h in page.body.find_all(HEADINGS)]
    found = list(titles(reader.outline))
    if found != expected:
        pairs = zip(found, expected, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), None)
        yield f"the outline has {len(found)} entries, the pages {len(expected)}; first: {first}"


def links(reader: PdfReader) -> Iterator[DictionaryObject]:
    """Yield the links of all sheets."""
    for page in reader.pages:
        for annotation in page.get("/Annots", ()):
            if annotation.get_object().get("/Subtype") == "/Link":
                yield annotation.get_object()


def wrong_links(reader: PdfReader) -> Iterator[str]:
    """Look up each link's target; a link to a file would lead to this machine."""
    known = reader.named_destinations
    inside = 0
    for link in links(reader):
        action = link.get("/A", {})
        target = link.get("/Dest", action.get("/D"))
        address = action.get("/URI")
        if target is not None:
            inside += 1
            if isinstance(target, str) and target not in known and f"/{target}" not in known:
                yield f"a link leads to {target}, which is not there"
        elif address is None or not str(address).startswith(("http://", "https://", "mailto:")):
            yield f"a link leads to {address}"
    if not inside:
        yield "no link leads inside the book"


def wrong_order(reader: PdfReader, book: Book) -> Iterator[str]:
    """Look whether each page begins on a sheet of its own, with its title, in their order."""
    last = 0
    for page in book.pages:
        begin = first_sheet(reader, page.name)
        shown = "" if begin is None else joined(reader.pages[begin].extract_text())
        title = joined(page.title)
        if title not in shown[: 3 * len(title) + 20] or begin <= last:
            yield f"no sheet after {last + 1} begins with {page.title!r}"
        else:
            last = begin


def first_sheet(reader: PdfReader, name: str) -> int | None:
    """Return the sheet on which a page begins, counted from 0, if a link leads to it."""
    known = reader.named_destinations
    target = known.get(name) or known.get(f"/{name}")
    return None if target is None else reader.get_destination_page_number(target)


def lost_addresses(reader: PdfReader, book: Book) -> Iterator[str]:
    """Look for the address of each live figure: a link, or words where nobody knows the website."""
    linked = {str(link.get("/A", {}).get("/URI")) for link in links(reader)}
    expected = [place for page in book.pages for place in page.body.select(".live-address")]
    if any(place.name != "a" for place in expected):
        text = "".join(joined(page.extract_text()) for page in reader.pages)
    for place in expected:
        found = place["href"] in linked if place.name == "a" else joined(place.get_text()) in text
        if not found:
            yield f"the address {place.get_text()} is not printed"


def wrong_solutions(reader: PdfReader, expected: int) -> Iterator[str]:
    """Count the solutions of the outline."""
    found = sum(title.startswith("Solution to ") for title in titles(reader.outline))
    if found != expected:
        yield f"{found} solutions are printed, the sources have {expected}"


def blank(reader: PdfReader) -> Iterator[int]:
    """Yield the numbers of the sheets that show at most a running title and a number."""
    for i, page in enumerate(reader.pages, start=1):
        content = page.get_contents()
        if content is None or len(SHOWN.findall(content.get_data())) <= 2:
            yield i


def rasters(page: PageObject) -> Iterator[str]:
    """Yield the pictures of a sheet that are made of pixels, also those inside drawings."""
    seen: set[int] = set()

    def below(resources: DictionaryObject) -> Iterator[str]:
        for kind in ("/XObject", "/Pattern"):
            for name, reference in resources.get(kind, {}).items():
                thing = reference.get_object()
                if id(thing) in seen:
                    continue
                seen.add(id(thing))
                if thing.get("/Subtype") == "/Image":
                    yield name
                yield from below(thing.get("/Resources", DictionaryObject()).get_object())

    yield from below(page["/Resources"].get_object())


def loose_fonts(reader: PdfReader) -> Iterator[str]:
    """Name the fonts that the file does not bring along."""
    loose: set[str] = set()
    for page in reader.pages:
        for reference in page["/Resources"].get_object().get("/Font", {}).values():
            font = reference.get_object()
            (inner, *_) = font.get("/DescendantFonts", [font])
            descriptor = inner.get_object().get("/FontDescriptor", DictionaryObject()).get_object()
            embedded = {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)
            if not embedded and font.get("/Subtype") != "/Type3":
                loose.add(str(font.get("/BaseFont")))
    yield from (f"the font {name} is not in the file" for name in sorted(loose))
