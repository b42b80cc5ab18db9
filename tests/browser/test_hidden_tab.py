"""A tab that the reader leaves while the model runs in it: frozen, hidden, and seen again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.marionette import Engine, firefox, wait_for
from tests.browser.races import PROMPT, WIDGET
from tests.browser.tabs import Tab, tab
from tinytorch.generation import generate
from tinytorch.models import load_smollm2

FROZEN_MS = 1000
NEW_TOKENS = 16
LAB = "[data-afm=CacheLab] .tt-w"

NOTE = """
window.events = [];
window.said = [];
for (const name of ["freeze", "resume", "visibilitychange"]) {
  document.addEventListener(name, () => events.push(name));
}
const words = document.querySelector("WORDS");
const all = { subtree: true, childList: true, characterData: true };
new MutationObserver(() => said.push(words.textContent)).observe(words, all);
const { Worker } = window;
window.Worker = class extends Worker {
  constructor(...given) {
    super(...given);
    window.lastWorker = this;
  }
};
"""
"""Note what happens to the tab, all that the figure says of its run, and the worker."""

HAS_FRAMES = """new Promise((resolve) => {
    requestAnimationFrame(() => resolve(true));
    setTimeout(() => resolve(false), 500);
})"""


def of(selector: str) -> str:
    """Return a script for the text of a figure's part, or "" where it is not there."""
    return f"return document.querySelector('{selector}')?.textContent ?? ''"


VERDICT = of(f"{WIDGET} .tt-verdict")
TEXTS = f"return [...document.querySelectorAll('{WIDGET} .tt-tokens')].map((e) => e.textContent)"


WHOLE = f"Both texts are equal: {NEW_TOKENS} tokens compared, one by one."


def load(page: Engine, figure: str, words: str) -> None:
    """Load the model into a figure."""
    wait_for(page, of(f"{figure} .tt-engine button"), "Load the model")
    page.run(NOTE.replace("WORDS", f"{figure} {words}"))
    page.click(f"{figure} .tt-engine button")
    wait_for(page, of(f"{figure} .tt-engine"), "The model runs in this page")


def begin(page: Engine, site_url: str) -> None:
    """Begin a race."""
    view = f"prompt={PROMPT.replace(' ', '+')}&new_tokens={NEW_TOKENS}"
    page.open(f"{site_url}/book/intro.html#LiveRace&{view}")
    load(page, WIDGET, ".tt-verdict")
    page.click(f"{WIDGET} .tt-play")
    wait_for(page, VERDICT, "Equal so far")


@pytest.fixture
def race(chromium: Browser, site_url) -> Iterator[Tab]:
    """A race that has begun."""
    with tab(chromium) as page:
        begin(page, site_url)
        yield page


def is_whole(page: Engine) -> bool:
    """Whether both lanes hold the text that tinytorch writes."""
    model, tokenizer = load_smollm2()
    expected = tokenizer.decode(generate(model, tokenizer.encode(PROMPT), NEW_TOKENS))
    found = [" ".join(text.split()) for text in page.run(TEXTS)]
    return found == [" ".join(expected.split())] * 2


def frozen(page: Tab, read: str) -> None:
    """Freeze a tab; see that nothing goes on in it."""
    page.freeze()
    page.wait(FROZEN_MS)
    before = page.run(read)
    page.wait(FROZEN_MS)
    assert page.run(read) == before
    assert page.evaluate("document.visibilityState") == "hidden"
    assert page.evaluate("events") == ["visibilitychange", "freeze"]


def test_a_race_in_a_tab_that_was_left_ends_whole(race):
    """Frozen it stands still; hidden it goes on, without a frame to show it; then all is there."""
    frozen(race, TEXTS)
    assert not any("Both texts" in words for words in race.evaluate("said"))
    race.thaw()
    assert not race.evaluate(HAS_FRAMES)
    wait_for(race, VERDICT, WHOLE)
    assert race.evaluate("document.visibilityState") == "hidden"
    *before, last = race.evaluate("said")
    assert last == WHOLE
    assert not any("Both texts" in words for words in before)
    race.show()
    assert race.evaluate(HAS_FRAMES)
    assert is_whole(race)
    heads = f"return [...document.querySelectorAll('{WIDGET} .tt-head')].map((e) => e.textContent)"
    assert all(f"{NEW_TOKENS} of {NEW_TOKENS}" in head for head in race.run(heads))


def test_a_race_in_a_hidden_tab_of_firefox_ends_whole(site_url):
    with firefox() as page:
        begin(page, site_url)
        page.hide()
        wait_for(page, "return document.visibilityState", "hidden")
        assert "Both texts" not in page.run(VERDICT)
        wait_for(page, VERDICT, WHOLE)
        assert page.run("return document.visibilityState") == "hidden"
        assert is_whole(page)


def test_a_worker_that_is_lost_in_a_frozen_tab_leaves_no_whole_answer(race):
    race.freeze()
    race.run("lastWorker.terminate()")
    race.wait(FROZEN_MS)
    race.thaw()
    wait_for(race, of(f"{WIDGET} .tt-problem"), "The engine was stopped by the browser")
    wait_for(race, VERDICT, "Stopped. Equal so far")
    assert not any("Both texts" in words for words in race.evaluate("said"))


def test_the_lab_in_a_tab_that_was_left_finds_what_python_found(chromium, site_url):
    with tab(chromium) as page:
        page.open(f"{site_url}/book/bugs.html#CacheLab&switch=off-by-one")
        recorded = page.run(of(f"{LAB} tbody"))
        load(page, LAB, ".tt-words")
        wait_for(page, of(f"{LAB} .tt-words"), "Running here")
        frozen(page, of(LAB))
        assert all("Running here" in words for words in page.evaluate("said"))
        page.thaw()
        same = "Computed in this page. The same tokens and loss as recorded by Python."
        wait_for(page, of(f"{LAB} .tt-note"), same)
        assert page.evaluate("document.visibilityState") == "hidden"
        assert page.run(of(f"{LAB} tbody")) == recorded
