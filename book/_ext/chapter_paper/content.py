"""What paper shows of a page: nothing to click, and nothing that a reader would miss."""

from __future__ import annotations

import re
from collections.abc import Callable

from bs4 import Tag

from chapter_paper.site import Page, fragment, words

LEFT_OUT = (
    ".headerlink",
    ".toctree-wrapper",
    ".tt-paper",
    ".tt-term > [role=tooltip]",  # its link leads to the same words in the glossary
    "button",
    "style",
)
REPEATED = ["exercise-content", "solution-content"]
"""Ids that sphinx-exercise gives to all its elements."""

BLOCKS = ["p", "ul", "ol", "dl", "div", "pre", "table"]
"""What Sphinx puts into paragraphs of docstrings, and no paragraph may hold."""

EMOJI = "✅"
"""What myst-nb writes for a page that was executed. Few fonts for paper have it."""

ATTRIBUTES = ("tabindex", "aria-describedby")
WITHOUT_VIEW = "AnswerField"
"""The widget that checks a number. Paper has a line for it to be written on."""


def prepare(page: Page, address: Callable[[Page, str], Tag]) -> None:
    """Leave in a page what paper can show.

    Parameters
    ----------
    page : Page
    address : callable
        Gives the element that says where a fragment of a page is on the website.
    """
    body = page.body
    for element in body.select(", ".join(LEFT_OUT)):
        element.decompose()
    for element in body.find_all(id=REPEATED):
        del element["id"]
    for element in body.find_all(True):
        for name in ATTRIBUTES:
            element.attrs.pop(name, None)
    for element in body.select(".cell_input, .tt-chart"):
        element.attrs.pop("style", None)
    for link in body.select(".tt-term > a"):
        link["class"] = "term"
    for element in body.select(".tt-term, .pst-scrollable-table-container"):
        element.unwrap()
    for element in body.select(".tt-widget"):
        show_fallback(page, element, address)
    for element in body.select("details:not(.hide)"):
        unfold(element)
    for text in body.find_all(string=re.compile(EMOJI)):
        text.replace_with(text.replace(EMOJI, "✓"))
    for paragraph in body.find_all("p"):
        if paragraph.find(BLOCKS):
            paragraph.name = "div"


def show_fallback(page: Page, widget: Tag, address: Callable[[Page, str], Tag]) -> None:
    """Put what a live figure shows without scripts in its place, and say where the live one is."""
    name = widget["data-afm"]
    fallback = widget.select_one(".tt-fallback")
    if name == WITHOUT_VIEW:
        widget.replace_with(fragment(f'<div class="answer">{fallback.decode_contents()}</div>'))
        return
    figure = fragment(f'<figure class="live">{fallback.decode_contents()}</figure>')
    if page.body.find(id=name) is None:
        figure["id"] = name
    caption = fragment("<figcaption>Live: </figcaption>")
    caption.append(address(page, name))
    figure.append(caption)
    widget.replace_with(figure)


def unfold(details: Tag) -> None:
    """Show what a reader would open, under the words that say what it is."""
    if summary := details.find("summary"):
        summary.replace_with(fragment(f"<p><strong>{words(summary)}</strong></p>"))
    details.unwrap()
