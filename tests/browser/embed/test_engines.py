"""Figures in somebody else's page, in each browser: the same texts, and unharmed."""

import pytest

from tests.browser.embed.courses import NAMES, course, figure, page_of
from tests.browser.embed.test_figures import ALL, CALM_STYLE, DRAWN, HOSTILE

pytestmark = pytest.mark.everywhere

SHOWN = """() => {
    const roots = [...document.querySelectorAll("tt-figure")].map((figure) => figure.shadowRoot);
    const all = (root) => root?.querySelector(".tt-w") && !root.querySelector("fieldset[aria-busy]")
        && [...root.querySelectorAll("svg.tt-band")].every((band) => band.childElementCount);
    return roots.length > 0 && roots.every(all);
}"""
READ = """() => {
    const views = [...document.querySelectorAll("tt-figure")].map((e) => e.shadowRoot.firstChild);
    return views.map((view) => {
        const copy = view.cloneNode(true);
        copy.querySelectorAll("[role=status]").forEach((e) => e.remove());
        return copy.textContent.replace(/\\s+/g, " ");
    });
}"""
KEY = """() => {
    const player = document.querySelector("tt-figure[name=GenerationPlayer]");
    const e = player.shadowRoot.querySelector(".tt-play");
    e.focus();
    const right = { key: "ArrowRight", bubbles: true, composed: true };
    e.dispatchEvent(new KeyboardEvent("keydown", right));
    return e.getRootNode().querySelector("[aria-label=Step]").value;
}"""
WRONG = """() => document.querySelector("tt-figure").shadowRoot.querySelector("[role=alert]")"""
BACK = """() => {
    const figure = document.querySelector("tt-figure[name=OperationExplorer]");
    const { parentNode } = figure;
    figure.remove();
    parentNode.append(figure);
    dispatchEvent(new KeyboardEvent("keydown", { key: "Shift" }));
}"""


def drawn(page) -> list:
    page.wait_for_function(SHOWN)
    return page.evaluate(f"() => [...document.querySelectorAll('tt-figure')].map({DRAWN})")


def different(parts: list, others: list) -> list[str]:
    """Return what is not the same in parts and in the others."""
    pairs = (pair for both in zip(parts, others, strict=True) for pair in zip(*both, strict=True))
    return [f"{one} became {other}" for one, other in pairs if one != other]


def test_figures_read_the_same_as_in_chromium(at, chromium, tmp_path, embed_url):
    with course(chromium, tmp_path, page_of(embed_url, ALL, CALM_STYLE), [embed_url]) as (page, _):
        page.wait_for_function(SHOWN)
        expected = page.evaluate(READ)
    assert len(expected) == len(NAMES)
    with at(ALL, CALM_STYLE) as (page, problems):
        page.wait_for_function(SHOWN)
        assert page.evaluate(READ) == expected
        before = int(page.evaluate(KEY))
        assert int(page.evaluate(KEY)) == before + 1
        page.evaluate(BACK)
        page.wait_for_function(SHOWN)
        assert problems == []


def test_a_hostile_page_changes_nothing_here_either(at):
    with at(ALL, CALM_STYLE) as (page, _):
        calm = drawn(page)
    with at(ALL, HOSTILE) as (page, _):
        hostile = drawn(page)
    for name, one, other in zip(NAMES, calm, hostile, strict=True):
        assert len(one) == len(other)
        assert set(different(one, other)) == set(), name


def test_a_mistake_is_named_here_too(at):
    with at(figure("Lab")) as (page, _):
        page.wait_for_function(f"({WRONG})() !== null")
        said = page.evaluate(f"({WRONG})().textContent")
        assert "no figure is called “Lab”. Expected is one of" in said
