"""The book as an EPUB 3: a file for each page, MathML, drawings that take the text's colour."""

from __future__ import annotations

import copy
import re
import uuid
import zipfile
from html import escape
from pathlib import Path

from bs4 import Tag
from playwright.sync_api import Browser

from chapter_paper.book import Book
from chapter_paper.front import parts, sections_of, title_page
from chapter_paper.pdf import PLACEHOLDER
from chapter_paper.site import Page, words

HERE = Path(__file__).parent
FOLDER = "EPUB"
VARIABLE = re.compile(r"var\(--[\w-]+, *([^()]+)\)")
"""A colour that a page may set. Not every reader knows variables, so the fallback is written."""

XHTML = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
    'lang="{language}" xml:lang="{language}"><head><title>{title}</title>'
    '<link rel="stylesheet" type="text/css" href="style.css"/></head><body>{body}</body></html>\n'
)
CONTAINER = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    f'<rootfile full-path="{FOLDER}/package.opf" media-type="application/oebps-package+xml"/>'
    "</rootfiles></container>\n"
)
ACCESSIBILITY = (
    ("accessMode", "textual"),
    ("accessMode", "visual"),
    ("accessModeSufficient", "textual"),
    ("accessibilityFeature", "alternativeText"),
    ("accessibilityFeature", "MathML"),
    ("accessibilityFeature", "structuralNavigation"),
    ("accessibilityFeature", "tableOfContents"),
    ("accessibilityHazard", "none"),
    (
        "accessibilitySummary",
        "Formulas are MathML, and each drawing says in words what it shows. Code is text.",
    ),
)
COVER = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; height: 960px; color: #fff; background: #14304a; font: 24px sans-serif; }}
img {{ display: block; width: 420px; padding: 150px 90px 60px; }}
h1 {{ margin: 0 50px 30px; font-size: 56px; line-height: 1.1; }} p {{ margin: 0 50px; }}
</style><img src="{logo}" alt=""><h1>{title}</h1><p>{authors}</p>"""


def write_epub(book: Book, file: Path, cover: bytes) -> None:
    """Write the book; the same book gives the same bytes."""
    texts = {"title.xhtml": title_page(book), "nav.xhtml": navigation(book)}
    files_of = {
        element["id"]: f"{page.name}.xhtml"
        for page in book.pages
        for element in (page.body, *page.body.find_all(id=True))
    }
    images: dict[str, Path] = {}
    for page in book.pages:
        texts[f"{page.name}.xhtml"] = shown(page, book.site, files_of, images)
    titles = {f"{page.name}.xhtml": page.title for page in book.pages}
    with zipfile.ZipFile(file, "w") as archive:

        def add(name: str, content: str | bytes, kind: int = zipfile.ZIP_DEFLATED) -> None:
            entry = zipfile.ZipInfo(name, book.date.timetuple()[:6])
            entry.compress_type = kind
            archive.writestr(entry, content)

        add("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        add("META-INF/container.xml", CONTAINER)
        add(f"{FOLDER}/package.opf", package(book, texts, images))
        add(f"{FOLDER}/style.css", (HERE / "epub.css").read_text(encoding="utf-8"))
        add(f"{FOLDER}/cover.png", cover)
        for name, path in images.items():
            add(f"{FOLDER}/{name}", path.read_bytes())
        for name, body in texts.items():
            title = escape(titles.get(name, book.title))
            xhtml = XHTML.format(language=book.language, title=title, body=body)
            add(f"{FOLDER}/{name}", VARIABLE.sub(r"\1", xhtml))


def shown(page: Page, site: Path, files_of: dict[str, str], images: dict[str, Path]) -> str:
    """Return a page's body as XHTML, and note the images that it shows."""
    body = copy.copy(page.body)
    for element in body.select(".on-page"):
        element.decompose()
    for element in body.select(".code-line"):
        element.unwrap()
    for link in body.select('a[href^="#"]'):
        link["href"] = between_files(link["href"][1:], page, files_of)
    for image in body.find_all("img"):
        name = f"images/{Path(image['src']).name}"
        images[name] = site / image["src"]
        image["src"] = name
    mark(body)
    return PLACEHOLDER.sub(lambda drawn: page.pictures[drawn[1]], body.decode(formatter="minimal"))


def between_files(target: str, page: Page, files_of: dict[str, str]) -> str:
    """Return the address of an id, seen from a page."""
    file = files_of[target]
    if file == f"{target}.xhtml":
        return file
    return f"#{target}" if file == f"{page.name}.xhtml" else f"{file}#{target}"


def mark(body: Tag) -> None:
    """Take away what XHTML does not know."""
    for table in body.find_all("table"):
        table.attrs.pop("border", None)


def navigation(book: Book) -> str:
    """Return the contents, which readers show beside the text too."""
    items = ""
    for caption, pages in parts(book):
        entries = "".join(entry(page) for page in pages)
        items += (
            f"<li><span>{escape(caption)}</span><ol>{entries}</ol></li>" if caption else entries
        )
    first = book.pages[0].name
    return (
        f'<nav epub:type="toc" role="doc-toc"><h1>Contents</h1><ol>{items}</ol></nav>'
        '<nav epub:type="landmarks" hidden="hidden"><ol>'
        '<li><a epub:type="toc" href="nav.xhtml">Contents</a></li>'
        f'<li><a epub:type="bodymatter" href="{first}.xhtml">Begin</a></li></ol></nav>'
    )


def entry(page: Page) -> str:
    """Return a page and its sections as an item of the contents."""
    sections = "".join(
        f'<li><a href="{page.name}.xhtml#{section["id"]}">{escape(words(heading))}</a></li>'
        for heading, section in sections_of(page)
    )
    inner = f"<ol>{sections}</ol>" if sections else ""
    return f'<li><a href="{page.name}.xhtml">{escape(page.title)}</a>{inner}</li>'


def package(book: Book, texts: dict[str, str], images: dict[str, Path]) -> str:
    """Return the package document: what the book is, its files and their order."""
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, book.website.address or book.title)
    creators = "".join(f"<dc:creator>{escape(author)}</dc:creator>" for author in book.authors)
    metas = "".join(
        f'<meta property="schema:{name}">{value}</meta>' for name, value in ACCESSIBILITY
    )
    items = "".join(
        f'<item id="{Path(name).stem}" href="{name}" media-type="application/xhtml+xml"'
        f"{properties(name, text)}/>"
        for name, text in texts.items()
    )
    items += "".join(
        f'<item id="image-{i}" href="{name}" media-type="{media_type(name)}"/>'
        for i, name in enumerate(images, start=1)
    )
    spine = "".join(f'<itemref idref="{Path(name).stem}"/>' for name in texts)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="book" '
        f'xml:lang="{book.language}"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="book">urn:uuid:{identifier}</dc:identifier>'
        f"<dc:title>{escape(book.title)}</dc:title><dc:language>{book.language}</dc:language>"
        f"{creators}<dc:description>{escape(book.summary)}</dc:description>"
        f"<dc:rights>{escape(book.licence)}</dc:rights><dc:date>{book.date:%Y-%m-%d}</dc:date>"
        f'<meta property="dcterms:modified">{book.date:%Y-%m-%dT%H:%M:%SZ}</meta>{metas}</metadata>'
        '<manifest><item id="style" href="style.css" media-type="text/css"/>'
        '<item id="cover" href="cover.png" media-type="image/png" properties="cover-image"/>'
        f"{items}</manifest><spine>{spine}</spine></package>\n"
    )


def properties(name: str, text: str) -> str:
    """Return what a reader must be able to show for a file."""
    found = ["nav"] if name == "nav.xhtml" else []
    found += [kind for kind, tag in (("mathml", "<math"), ("svg", "<svg")) if tag in text]
    return f' properties="{" ".join(found)}"' if found else ""


def media_type(name: str) -> str:
    """Return the type of an image's file."""
    types = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
    return types[Path(name).suffix]


def cover(browser: Browser, book: Book, folder: Path) -> bytes:
    """Draw the picture that stands for the book in a library."""
    tab = browser.new_page(viewport={"width": 600, "height": 960}, device_scale_factor=2)
    page = folder / "cover.html"
    logo = (book.site / "_static/logo.svg").resolve().as_uri()
    authors = escape(", ".join(book.authors))
    html = COVER.format(logo=logo, title=escape(book.title), authors=authors)
    page.write_text(html, encoding="utf-8")
    tab.goto(page.resolve().as_uri())
    picture = tab.screenshot()
    tab.close()
    page.unlink()
    return picture
