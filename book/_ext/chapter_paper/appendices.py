"""What is read later stands at the end of the book: functions that pages fold, and solutions."""

from __future__ import annotations

import re
from html import escape

from bs4 import Tag

from chapter_paper.site import Page, fragment, words

DEFINITION = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)
PAGE_NUMBER = '<span class="on-page" data-page="{}"></span>'
"""Where `pdf` writes ", page 12"; an EPUB has no pages."""


class Appendix:
    """A page at the end of the book that takes parts of other pages.

    Parameters
    ----------
    name : str
    title : str
    beginning : str
        Its first paragraph.
    """

    def __init__(self, name: str, title: str, beginning: str):
        head = f"<h1>{escape(title)}</h1><p>{escape(beginning)}</p>"
        body = fragment(f'<section class="page" id="{name}">{head}</section>')
        self.page = Page(name, "", "", body)
        self.count = 0
        self._last: Page | None = None

    def add(self, source: Page, title: str, back_to: str, back: str, content: Tag) -> str:
        """Add a part of a page: in HTML its title and the words that lead back; return its id.

        A page's ids and links must be those of the whole book already: see `links`.
        """
        if source is not self._last:
            self.page.body.append(fragment(f"<h2>{escape(source.title)}</h2>"))
            self._last = source
        self.count += 1
        own = f"{self.page.name}--{self.count}"
        link = f'<a href="#{back_to}">{back}{PAGE_NUMBER.format(back_to)}</a>'
        head = f'<h3>{title}</h3><p class="seek">{link}</p>'
        part = fragment(f'<section class="taken" id="{own}">{head}</section>')
        part.append(content)
        self.page.body.append(part)
        for drawing in content.select("svg[data-drawn]"):
            key = drawing["data-drawn"]
            self.page.pictures[key] = source.pictures.pop(key)
        return own


def new_folded() -> Appendix:
    """Return the page for functions that other pages fold."""
    return Appendix(
        "folded",
        "Folded code",
        "The website folds the code that draws figures and tables, and paper leaves it out. Here "
        "are the folded cells that define what the text or the printed code uses by name.",
    )


def new_solutions() -> Appendix:
    """Return the page for solutions."""
    beginning = "In the order of the exercises. Their cells ran on the exercises' pages."
    return Appendix("solutions", "Solutions", beginning)


def names_in_sight(page: Page) -> set[str]:
    """Return the names in a page's code that is not folded, and in the code of its sentences."""
    texts = [
        element.get_text()
        for element in page.body.select(".cell_input, code")
        if element.find_parent(class_="hide") is None
    ]
    return set(re.findall(r"\w+", " ".join(texts)))


def take_folded(page: Page, folded: Appendix) -> None:
    """Leave out folded code; what it defines for the rest of the page goes into the appendix."""
    in_sight = names_in_sight(page)
    for i, details in enumerate(page.body.select("details.hide"), start=1):
        code = details.select_one(".cell_input")
        summary = details.find("summary")
        summary.decompose()
        if code is not None:
            code.extract()
            names = [name for name in DEFINITION.findall(code.get_text()) if name in in_sight]
            if names:
                own = f"{page.name}--folded-{i}"
                details.insert_before(lead_to_code(page, own, names, code, folded))
        details.unwrap()
    for cell in page.body.select(".cell"):
        if not cell.get_text(strip=True) and not cell.find(["svg", "img", "math"]):
            cell.decompose()


def lead_to_code(page: Page, own: str, names: list[str], code: Tag, folded: Appendix) -> Tag:
    """Move code into the appendix; return the line that leads to it."""
    listed = ", ".join(f"<code>{name}</code>" for name in names)
    target = folded.add(page, listed, own, "Back to where it runs", code)
    return fragment(
        f'<p class="seek" id="{own}">The code of {listed}: '
        f'<a href="#{target}">at the end{PAGE_NUMBER.format(target)}</a></p>'
    )


def take_solutions(page: Page, solutions: Appendix) -> None:
    """Move a page's solutions into the appendix; each exercise and its solution link each other."""
    for solution in page.body.select(".solution"):
        exercise = solution.find_previous(class_="exercise")
        number = words(exercise.select_one(".admonition-title"))
        solution.select_one(".admonition-title").decompose()
        solution.extract()
        title = escape(f"Solution to {number}")
        target = solutions.add(page, title, exercise["id"], "Back to the exercise", solution)
        exercise.append(
            fragment(
                f'<p class="seek"><a href="#{target}">Solution{PAGE_NUMBER.format(target)}</a></p>'
            )
        )
        solution.name, solution.attrs = "div", {}
