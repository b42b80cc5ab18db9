"""Open a figure on its page, and read what it shows."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal

from tests.browser.conftest import SITE
from tests.browser.drivers import Browser, Locator, Page, expect
from tests.browser.pages import opened

WIDGETS = {
    "GenerationPlayer": "intro",
    "OperationExplorer": "speed",
    "CacheMemoryExplorer": "memory",
    "AttentionStepper": "redundancy",
    "LiveRace": "intro",
    "CacheLab": "bugs",
    "ServerExplorer": "serve",
}

TEXTS = """(figure) => {
  const frame = figure.getBoundingClientRect();
  const walker = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT);
  const boxes = [], wrong = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.textContent.trim()) continue;
    if (node.parentElement.closest("select, .tt-unseen, details")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width < 1) continue;
      const text = node.textContent.trim();
      if (box.left < frame.left - 1 || box.right > frame.right + 1) wrong.push(`outside: ${text}`);
      for (const [other, name] of boxes) {
        const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (wide > 1 && high > 4) wrong.push(`${name} / ${text}`);
      }
      boxes.push([box, text]);
    }
  }
  return wrong;
}"""
"""Texts of a figure that lie over each other or outside of it."""


def reached(page: Page, name: str) -> Locator:
    """Scroll to a figure, as a reader does; return its view."""
    page.locator(f"[data-afm={name}]").first.scroll_into_view_if_needed()
    return page.locator(f"[data-afm={name}] .tt-w")


@contextmanager
def shown(
    browser: Browser,
    site_url: str,
    name: str,
    *,
    on: str | None = None,
    until: str | None = None,
    from_file: bool = False,
    fragment: str = "",
    **options,
) -> Iterator[tuple[Page, Locator]]:
    """Open a page at a figure; yield both, and see that nothing went wrong.

    Parameters
    ----------
    browser, site_url, name
    on : str, optional
        The page, if it is another than that of `WIDGETS`.
    until : str, optional
        What the figure shows once it is ready: a selector.
    from_file : bool
    fragment : str
        Of the page's address: ``"#CacheLab&switch=window"`` asks for a view.
    **options
        Of the browser's context.
    """
    host = "file://" if from_file else site_url
    root = f"file://{SITE}" if from_file else site_url
    url = f"{root}/book/{on or WIDGETS[name]}.html{fragment}"
    with opened(browser, url, host, **options) as (page, problems, _):
        widget = reached(page, name)
        if until:
            expect(widget.locator(until).first).to_be_visible()
        yield page, widget
        assert problems == []


def data_of(widget: Locator) -> dict:
    """Return what the page carries for a widget."""
    script = widget.locator("xpath=../../script")
    return json.loads(script.text_content())


def fixed(value: float, digits: int) -> str:
    """Write a number as JavaScript's ``toFixed``: halfway between two, it takes the larger."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def cells(widget: Locator, heading: str) -> list[str]:
    """Return a row of the widget's table by the beginning of its heading."""
    row = widget.locator("tr").filter(
        has=widget.page.locator("th", has_text=re.compile(f"^{heading}"))
    )
    return row.first.locator("td").all_inner_texts()


def card(widget: Locator, name: str) -> list[str]:
    """Return a card of the operation explorer: its ratio, and from what to what."""
    found = widget.locator(".tt-card", has_text=name)
    return [found.locator("strong").inner_text(), found.locator(".tt-from").inner_text()]


def answer(widget: Locator, name: str) -> str:
    """Return how many sequences of a model fit, as the memory explorer's bars say."""
    return widget.locator(".tt-answer-line", has_text=name).locator("strong").inner_text()


def legend(widget: Locator) -> list[str]:
    """Return the values that the chart's cursor reads."""
    return widget.locator(".tt-plot strong").all_inner_texts()
