"""Open a figure on its page, and read what it shows."""

import json
import re
from contextlib import contextmanager

from playwright.sync_api import Locator

from tests.browser.conftest import SITE
from tests.browser.pages import opened

WIDGETS = {
    "GenerationPlayer": "intro",
    "OperationExplorer": "speed",
    "CacheMemoryExplorer": "memory",
    "AttentionStepper": "redundancy",
    "LiveRace": "intro",
    "CacheLab": "bugs",
}


@contextmanager
def shown(browser, site_url, name, *, from_file=False, fragment="", **options):
    """Open the widget's page; yield page and widget, and see that nothing went wrong."""
    host = "file://" if from_file else site_url
    root = f"file://{SITE}" if from_file else site_url
    url = f"{root}/book/{WIDGETS[name]}.html{fragment}"
    with opened(browser, url, host, **options) as (page, problems, _):
        yield page, page.locator(f"[data-afm={name}] .tt-w")
        assert problems == []


def data_of(widget: Locator) -> dict:
    """Return what the page carries for a widget."""
    script = widget.locator("xpath=../../script")
    return json.loads(script.text_content())


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
