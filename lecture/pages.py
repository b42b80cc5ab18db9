"""What slides take from the built pages: drawings, live figures, code, tables, numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from lecture.source import LectureError, Reference

RIGHT = "Right."
"""How the reason of a question's right answer begins."""


@dataclass(frozen=True)
class Answer:
    """An answer to choose, and why it is chosen."""

    letter: str
    text: str
    reason: str

    @property
    def is_right(self) -> bool:
        """Whether it is the right one."""
        return self.reason.startswith(RIGHT)


@dataclass(frozen=True)
class Question:
    """A question with answers to choose from."""

    stem: str
    answers: tuple[Answer, ...]


class Book:
    """The pages of the built site.

    Parameters
    ----------
    site : Path
        The folder with the site's ``book``.
    """

    def __init__(self, site: Path):
        self.site = site
        self.page = cache(self._read)

    def _read(self, name: str) -> BeautifulSoup | None:
        file = (self.site / "book" / name).with_suffix(".html")
        if not file.is_file():
            return None
        return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")

    def find(self, reference: Reference) -> Tag:
        """Return the element that a label stands before.

        Raises
        ------
        LectureError
            If there is no such page, or it has no such label.
        """
        page = self.page(reference.page)
        if page is None:
            raise LectureError(
                f"{reference}: {self.site} has no such page; is it in _toc.yml? "
                "If so, run `make book` first"
            )
        element = page.find(id=reference.label)
        if element is None:
            raise LectureError(
                f"{reference}: the built page has no element with this label; "
                f"is there a line ({reference.label})= in book/{reference.page}?"
            )
        return element

    def drawing(self, reference: Reference) -> str:
        """Return a chart, a drawing or a listing that a cell shows; of a figure, its picture."""
        return str(self._within(reference, ".cell_output :is(.tt-chart, .tt-diff)"))

    def live(self, reference: Reference) -> Tag:
        """Return a figure's element, with its data and its picture."""
        return self._within(reference, ".cell_output .tt-widget[data-afm]")

    def code(self, reference: Reference) -> str:
        """Return the highlighted code of a cell."""
        return str(self._within(reference, ".cell_input .highlight"))

    def table(self, reference: Reference) -> str:
        """Return the table that a cell shows."""
        return str(self._within(reference, ".cell_output table"))

    def formula(self, reference: Reference) -> str:
        """Return a formula of a line of its own."""
        return str(self._within(reference, "math"))

    def numbers(self, reference: Reference) -> str:
        """Return a list of numbers with what they say."""
        return str(self._within(reference, ".cell_output .tt-numbers"))

    def value(self, reference: Reference) -> str:
        """Return what the group of a pattern matches in the text of an element.

        Raises
        ------
        LectureError
            If it matches nothing.
        """
        element = self.find(reference)
        said = [element.get_text(" "), *(part["aria-label"] for part in labelled(element))]
        text = " ".join(" ".join(said).split())
        match = re.search(reference.pattern, text)
        if match is None:
            raise LectureError(f"{reference}: nothing there matches the pattern")
        return match[1]

    def question(self, reference: Reference) -> Question:
        """Return a question with its answers, as a cell shows it."""
        output = self._within(reference, ".cell_output .text_html:has(.tt-stem)")
        rows = [
            [cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])]
            for row in output.select("tbody tr")
        ]
        stem = output.select_one(".tt-stem").get_text(" ", strip=True)
        return Question(stem, tuple(Answer(*row) for row in rows))

    def _within(self, reference: Reference, selector: str) -> Tag:
        """Return the first part of an element that a selector matches."""
        element = self.find(reference).select_one(selector)
        if element is None:
            raise LectureError(
                f"{reference}: there is no {reference.kind} behind this label on the built page"
            )
        return element


def labelled(element: Tag) -> list[Tag]:
    """Return the parts with a text alternative: what a drawing says."""
    return element.find_all(attrs={"aria-label": True})
