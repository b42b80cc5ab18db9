"""All figures in Chromium, Firefox and WebKit: they live, react, and read the same."""

import pytest

from tests.browser.engines import Chromium, Engine, wait_for

PREPARE = """
window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
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
"""
"""Number the controls that show something at once; return what kind each is."""

SHOW = 'dispatchEvent(new KeyboardEvent("keydown", { key: "Shift" }));'
"""Figures that are still far below are shown at the first key."""

DRAWN = """
const figures = [...document.querySelectorAll("[data-afm]")];
const bands = [...document.querySelectorAll("svg.tt-band")];
return figures.length > 0 && figures.every((e) => e.classList.contains("tt-alive"))
  && bands.every((e) => e.childElementCount > 0) ? "all drawn" : "not yet";
"""

READ = """
const figures = [...document.querySelectorAll("[data-afm] .tt-w")].map((figure) => {
  const values = [...figure.querySelectorAll("input, select")].map((e) =>
    ["checkbox", "radio"].includes(e.type) ? e.checked : e.value);
  const copy = figure.cloneNode(true);
  copy.querySelectorAll("[role=status]").forEach((e) => e.remove());
  return copy.textContent.replace(/\\s+/g, " ") + " " + values.join(" ");
});
return figures.join("\\n");
"""
"""What the figures say, but for what is announced a moment later."""

SETTLED = """
return document.querySelector("[data-afm] fieldset[aria-busy]") ? "busy" : "settled";
"""
"""A figure may compute a part of what it says a moment later."""

PAGES = ("intro", "memory", "speed", "redundancy")


@pytest.fixture(scope="module")
def chromium(browser):
    engine = Chromium(browser)
    yield engine
    engine.page.close()


def settled(engine: Engine) -> str:
    """Return what the figures say once they are done."""
    wait_for(engine, SETTLED, "settled")
    return engine.run(READ)


def used(engine: Engine, url: str) -> list[str]:
    """Use each control of a page's figures; return what they read before and after each."""
    engine.open(url)
    engine.run(SHOW)
    wait_for(engine, DRAWN, "all drawn")
    kinds = engine.run(PREPARE)
    read = [settled(engine)]
    for number, kind in enumerate(kinds):
        control = f'[data-control="{number}"]'
        if kind == "range":
            for key in ("End", "Home", "ArrowRight"):
                engine.press(control, key)
                read.append(settled(engine))
        elif engine.run(f"return document.querySelector('{control}')?.getClientRects().length"):
            engine.click(control)
            read.append(settled(engine))
    assert engine.run("return window.problems") == []
    return read


@pytest.mark.parametrize("page", PAGES)
def test_figures_read_the_same_as_in_chromium(engine, chromium, site_url, page):
    url = f"{site_url}/book/{page}.html"
    expected = used(chromium, url)
    assert len(set(expected)) > 3, "nothing that a reader does changes a figure"
    assert used(engine, url) == expected
