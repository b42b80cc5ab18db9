"""All figures in Firefox and WebKit: whatever a reader sets, they read as in Chromium."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.browser.drivers import Browser, Locator, Page, expect
from tests.browser.figures import WIDGETS
from tests.browser.pages import opened
from tests.browser.single import single
from tinytorch.widgets import ServerExplorer

pytestmark = [
    pytest.mark.everywhere,
    pytest.mark.only("firefox", "webkit", reason="they are compared with Chromium"),
]

CONTROLS = """() => {
  const folded = (e) => e.closest("details:not([open])");
  const usable = (e) => !e.disabled && !folded(e) && e.getClientRects().length > 0;
  const moving = /play|pause|copy link|reset|the model|race/i;
  let count = 0;
  for (const figure of document.querySelectorAll("[data-afm]")) {
    for (const e of figure.querySelectorAll("input[type=range], input[type=checkbox], button")) {
      if (usable(e) && !moving.test(e.textContent)) e.dataset.control = count++;
    }
  }
  return [...document.querySelectorAll("[data-control]")].map((e) => e.type);
}"""
"""Number the controls that show something at once; return what kind each is."""

READ = """() => {
  const figures = [...document.querySelectorAll("[data-afm] .tt-w")].map((figure) => {
    const values = [...figure.querySelectorAll("input, select")].map((e) =>
      ["checkbox", "radio"].includes(e.type) ? e.checked : e.value);
    const copy = figure.cloneNode(true);
    copy.querySelectorAll("[role=status]").forEach((e) => e.remove());
    return copy.textContent.replace(/\\s+/g, " ") + " " + values.join(" ");
  });
  return figures.join("\\n");
}"""
"""What the figures say, but for what is announced a moment later."""

DRAWN = """() => {
  const figures = [...document.querySelectorAll("[data-afm]")];
  const bands = [...document.querySelectorAll("svg.tt-band")];
  return figures.length > 0 && figures.every((e) => e.classList.contains("tt-alive"))
    && bands.every((e) => e.childElementCount > 0);
}"""

PAGES = sorted({WIDGETS[name] for name in WIDGETS if name not in ("CacheLab", "ServerExplorer")})
"""The cache lab's numbers are compared with Python's by test_cache_lab.py, run by run."""

CALM = {"reduced_motion": "reduce"}
KEYS = ("End", "Home", "ArrowRight")


def settled(page: Page) -> str:
    """Return what the figures say once they are done: one may compute a part a moment later."""
    expect(page.locator("[data-afm] fieldset[aria-busy]")).to_have_count(0)
    return page.evaluate(READ)


def used(page: Page) -> list[str]:
    """Use each control of a page's figures; return what they read before and after each."""
    page.wait_for_function(DRAWN)
    read = [settled(page)]
    for number, kind in enumerate(page.evaluate(CONTROLS)):
        control: Locator = page.locator(f'[data-control="{number}"]')
        if kind == "range":
            for key in KEYS:
                control.press(key)
                read.append(settled(page))
        elif control.is_visible():
            control.click()
            read.append(settled(page))
    return read


def used_on(browser: Browser, url: str) -> list[str]:
    """Return what the figures of a page read."""
    with opened(browser, url, url.partition("/book/")[0], **CALM) as (page, problems, _):
        read = used(page)
        assert problems == []
    return read


def used_alone(browser: Browser) -> list[str]:
    """Return what the server explorer reads."""
    with single(browser, ServerExplorer("pool too small"), **CALM) as (page, view):
        view.get_by_text("Settings").click()
        return used(page)


@cache
def in_chromium(read: Callable[..., list[str]], *arguments: object) -> list[str]:
    """Return what a function reads in Chromium, for both of the others."""
    return read(*arguments)


@pytest.mark.parametrize("page_name", PAGES)
def test_figures_read_the_same_as_in_chromium(browser, chromium, site_url, page_name):
    url = f"{site_url}/book/{page_name}.html"
    expected = in_chromium(used_on, chromium, url)
    assert len(set(expected)) > 3, "nothing that a reader does changes a figure"
    assert used_on(browser, url) == expected


def test_every_setting_of_the_server_explorer_reads_the_same(browser, chromium):
    expected = in_chromium(used_alone, chromium)
    assert len(set(expected)) > 30
    assert used_alone(browser) == expected
