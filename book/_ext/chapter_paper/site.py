"""The pages of the built website, in the order of the table of contents."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from bs4 import BeautifulSoup, Tag
from contents import documents_of

SVG = "http://www.w3.org/2000/svg"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")

SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
DRAWN = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


class PaperError(Exception):
    """What keeps the book from being written, or is wrong with what was written."""


@dataclass
class Page:
    """A page of the website, or one that exists on paper only.

    Attributes
    ----------
    name : str
        Its file without folder and ending, and the beginning of all its ids: "measure".
    document : str
        As Sphinx names it: "book/measure". Empty for a page that the website does not have.
    part : str
        The caption of its part in the table of contents, or nothing.
    body : bs4.Tag
        A ``<section>`` with the page's content.
    pictures : dict of str to str
        The drawings of the page, by their name in ``<svg data-drawn="name">``. They stay as they
        were written: a parser of HTML would change the names of their attributes.
    """

    name: str
    document: str
    part: str
    body: Tag
    pictures: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The words of the page's first heading, with its number."""
        return words(self.body.find("h1"))

    def headings(self, *names: str) -> list[Tag]:
        """Return the headings of some levels, in their order."""
        return self.body.find_all(names)


def words(element: Tag) -> str:
    """Return an element's text on one line."""
    return " ".join(element.get_text().split())


def fragment(html: str) -> Tag:
    """Return the one element that some HTML describes."""
    (element,) = BeautifulSoup(html, "html.parser").contents
    return element.extract()


def read_page(html: str, document: str, part: str) -> Page:
    """Read a page of the website.

    Raises
    ------
    PaperError
        If it has no article, or its article has no heading.
    """
    name = document.rsplit("/", 1)[-1]
    pictures: dict[str, str] = {}

    def put_aside(drawing: re.Match) -> str:
        key = f"{name}-{len(pictures) + 1}"
        pictures[key] = with_own_ids(drawing[0], key)
        return f'<svg data-drawn="{key}"></svg>'

    soup = BeautifulSoup(DRAWN.sub(put_aside, SCRIPT.sub("", html)), "html.parser")
    body = soup.select_one("article.bd-article")
    if body is None or body.find("h1") is None:
        raise PaperError(f"{document}.html has no article with a heading")
    body.extract()
    body.name = "section"
    body.attrs = {"class": ["page"]}
    return Page(name, document, part, body, pictures)


def with_own_ids(drawing: str, prefix: str) -> str:
    """Give a drawing's parts ids that no other drawing has, and its words as a title."""
    root = ElementTree.fromstring(drawing)
    own = {element.get("id"): f"{prefix}-{element.get('id')}" for element in root.iter()}
    own.pop(None, None)

    def renamed(reference: re.Match) -> str:
        return f"#{own.get(reference[1], reference[1])}"

    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, own[value] if name == "id" else re.sub(r"#([\w-]+)", renamed, value))
    if words_of_it := root.get("aria-label"):
        title = ElementTree.Element(f"{{{SVG}}}title")
        title.text = words_of_it
        root.insert(0, title)
    return ElementTree.tostring(root, encoding="unicode")


def read_site(site: Path, toc: Path) -> list[Page]:
    """Read all pages.

    Raises
    ------
    PaperError
        If a page is not built, or two have the same name.
    """
    documents = documents_of(toc)
    if missing := [name for name, _ in documents if not (site / f"{name}.html").exists()]:
        raise PaperError(f"not built: {', '.join(missing)} in {site}; run `make book` first")
    pages = [
        read_page((site / f"{document}.html").read_text(encoding="utf-8"), document, part)
        for document, part in documents
    ]
    if len({page.name for page in pages}) < len(pages):
        raise PaperError(f"two pages have one name: {sorted(page.name for page in pages)}")
    return pages
