"""While a model runs in the page, the page's own thread only shows it, and little at a time."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.figures import shown
from tests.browser.races import CALM, PROMPT, WITHIN, ask_for, button, load_model, verdict

MOST_CHANGES = {"LiveRace": 50, "CacheLab": 60}
"""Of a figure between two events: nodes put in, taken out or written, and attributes set."""

WATCH = """(figure) => {
    const nodes = ({ addedNodes, removedNodes }) => addedNodes.length + removedNodes.length || 1;
    window.changes = [];
    new MutationObserver((records) => {
        changes.push(records.reduce((sum, record) => sum + nodes(record), 0));
    }).observe(figure, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


def layouts(page: Page) -> int:
    """Return how often the page was laid out."""
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")
    metrics = client.send("Performance.getMetrics")["metrics"]
    client.detach()
    return next(item["value"] for item in metrics if item["name"] == "LayoutCount")


def without_engine(page: Page) -> None:
    """Leave the page no way to run WebAssembly in its own thread; its workers keep theirs."""
    left = "Object.getOwnPropertyNames(WebAssembly)"
    page.evaluate(f"{left}.forEach((name) => name === 'validate' || delete WebAssembly[name])")
    assert page.evaluate(left) == ["validate"]


def watched(page: Page, widget: Locator) -> int:
    """Begin to note what changes; return how often the page was laid out."""
    widget.evaluate(WATCH)
    return layouts(page)


@pytest.mark.parametrize("prompt", [PROMPT, " ".join([PROMPT] * 20)], ids=["short", "long"])
def test_a_race_computes_in_its_worker_and_each_token_changes_little(chromium, site_url, prompt):
    with shown(chromium, site_url, "LiveRace", **CALM) as (page, widget):
        without_engine(page)
        load_model(widget)
        ask_for(widget, prompt, 8)
        button(widget, "Start the race").click()
        expect(verdict(widget)).to_contain_text("Equal so far", timeout=WITHIN)
        before = watched(page, widget)
        expect(verdict(widget)).to_contain_text("Both texts are equal: 8", timeout=WITHIN)
        changes = page.evaluate("changes")
        assert len(changes) >= 7, "the race went on while it was watched"
        assert max(changes) <= MOST_CHANGES["LiveRace"]
        assert layouts(page) - before <= 2 * 8 + 4, "a token has one frame, and a frame one layout"


def test_the_lab_computes_in_its_worker_and_each_token_changes_little(chromium, site_url):
    fragment = "#CacheLab&switch=no-prefill"
    with shown(chromium, site_url, "CacheLab", fragment=fragment, **CALM) as (page, widget):
        without_engine(page)
        before = watched(page, widget)
        widget.get_by_role("button", name="Load the model").click()
        same = "Computed in this page. The same tokens and loss"
        expect(widget).to_contain_text(same, timeout=2 * WITHIN)
        changes = page.evaluate("changes")
        assert len(changes) >= 2 * 14, "two runs of 14 tokens"
        assert max(changes) <= MOST_CHANGES["CacheLab"]
        assert layouts(page) - before <= len(changes)
