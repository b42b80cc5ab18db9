"""A race in Firefox and in WebKit: the same text in both lanes, and the same as in Chromium."""

import time

import pytest

from tests.browser.engines import Chromium, Engine, firefox, webkit
from tests.browser.races import WIDGET

WITHIN_S = 90
IS_READY = f"return !document.querySelector('{WIDGET} .tt-play').hidden"
VERDICT = f"return document.querySelector('{WIDGET} .tt-verdict').textContent"
TEXTS = f"return [...document.querySelectorAll('{WIDGET} .tt-tokens')].map((e) => e.textContent)"


def wait_for(engine: Engine, script: str, text: str) -> None:
    """Return when a script's result holds a text."""
    end = time.monotonic() + WITHIN_S
    while text not in (found := str(engine.run(script))):
        assert time.monotonic() < end, found
        time.sleep(0.2)


def raced(engine: Engine, site_url: str) -> list[str]:
    """Load the model, race, and return both texts."""
    prompt = "prompt=The+cat+sat+on+the+mat%2C+and"
    engine.open(f"{site_url}/book/intro.html#LiveRace&{prompt}&new_tokens=5")
    engine.click(f"{WIDGET} .tt-engine button")
    wait_for(engine, IS_READY, "True")
    engine.click(f"{WIDGET} .tt-play")
    wait_for(engine, VERDICT, "Both texts are equal: 5 tokens compared")
    return engine.run(TEXTS)


@pytest.fixture(scope="module")
def expected(browser, site_url) -> list[str]:
    engine = Chromium(browser)
    texts = raced(engine, site_url)
    engine.page.close()
    return texts


@pytest.mark.parametrize("start", [firefox, webkit])
def test_a_race_reads_the_same_as_in_chromium(start, site_url, expected):
    with start() as engine:
        assert raced(engine, site_url) == expected
    assert expected[0] == expected[1]
