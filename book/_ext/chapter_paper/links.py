"""Links inside the book: all pages together have ids of their own, and lead to each other."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from bs4 import Tag

from chapter_paper.site import Page, PaperError, fragment

UNSAFE = re.compile(r"[^\w.-]")
"""What XML does not allow in an id."""


class Website:
    """Where the website is that the book is made from.

    Parameters
    ----------
    address : str
        Of its first folder, with a slash at the end; nothing if nobody knows it.
    """

    def __init__(self, address: str = ""):
        self.address = address

    def place(self, page: Page, part: str) -> Tag:
        """Return an element that says where a part of a page is: a link, if that can be."""
        path = f"{page.document}.html#{part}"
        if self.address:
            return fragment(
                f'<a class="live-address" href="{self.address}{path}">{self.address}{path}</a>'
            )
        return fragment(f'<span class="live-address">{path} on the website</span>')


def anchor(page: Page, own: str = "") -> str:
    """Return what an id of a page is called in the book; without one, the page's own."""
    return f"{page.name}--{UNSAFE.sub('-', own)}" if own else page.name


def lead_inside(pages: Iterable[Page], website: Website) -> None:
    """Rename all ids, and let the links between pages lead to them.

    A link to a file that the book does not hold leads to the website, or stays as words.
    """
    by_document = {page.document: page for page in pages}
    for page in by_document.values():
        for element in page.body.find_all(id=True):
            element["id"] = anchor(page, element["id"])
        page.body["id"] = anchor(page)
        for image in page.body.find_all("img"):
            image["src"] = from_root(page, image["src"])
        for link in page.body.find_all("a", href=True):
            lead(link, page, by_document, website)


def lead(link: Tag, page: Page, by_document: dict[str, Page], website: Website) -> None:
    """Let a link of a page lead inside the book, if its target is there."""
    parts = urlsplit(link["href"])
    if parts.scheme:
        return
    path = from_root(page, parts.path) if parts.path else f"{page.document}.html"
    target = by_document.get(path.removesuffix(".html"))
    if target is not None:
        link["href"] = f"#{anchor(target, unquote(parts.fragment))}"
    elif website.address:
        link["href"] = website.address + path
    else:
        link.unwrap()


def from_root(page: Page, path: str) -> str:
    """Return the path of a file from the website's first folder."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page.document), unquote(path)))


def require_targets(pages: Iterable[Page]) -> None:
    """Check that ids are unique and that each link inside the book has a target.

    Raises
    ------
    PaperError
        If not; it lists what is wrong.
    """
    seen: set[str] = set()
    twice: set[str] = set()
    wanted: dict[str, str] = {}
    for page in pages:
        for element in (page.body, *page.body.find_all(id=True)):
            (twice if element["id"] in seen else seen).add(element["id"])
        for link in page.body.select('a[href^="#"]'):
            wanted[link["href"][1:]] = page.name
    lost = {target: name for target, name in wanted.items() if target not in seen}
    if twice or lost:
        raise PaperError(f"ids given twice: {sorted(twice)}; links that lead nowhere: {lost}")
