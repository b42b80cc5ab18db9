"""A race in Firefox and in WebKit: the same text in both lanes, and the same as in Chromium."""

import pytest

from tests.browser.engines import Engine, chromium, wait_for
from tests.browser.races import WIDGET

HAS_LOAD = f"return document.querySelector('{WIDGET} .tt-engine button') !== null"
IS_READY = f"return !document.querySelector('{WIDGET} .tt-play').hidden"
VERDICT = f"return document.querySelector('{WIDGET} .tt-verdict').textContent"
TEXTS = f"return [...document.querySelectorAll('{WIDGET} .tt-tokens')].map((e) => e.textContent)"


def raced(engine: Engine, site_url: str) -> list[str]:
    """Load the model, race, and return both texts."""
    prompt = "prompt=The+cat+sat+on+the+mat%2C+and"
    engine.open(f"{site_url}/book/intro.html#LiveRace&{prompt}&new_tokens=5")
    wait_for(engine, HAS_LOAD, "True")
    engine.click(f"{WIDGET} .tt-engine button")
    wait_for(engine, IS_READY, "True")
    engine.click(f"{WIDGET} .tt-play")
    wait_for(engine, VERDICT, "Both texts are equal: 5 tokens compared")
    return engine.run(TEXTS)


@pytest.fixture(scope="module")
def expected(browser, site_url) -> list[str]:
    with chromium(browser) as engine:
        return raced(engine, site_url)


def test_a_race_reads_the_same_as_in_chromium(engine, site_url, expected):
    assert raced(engine, site_url) == expected
    assert expected[0] == expected[1]
