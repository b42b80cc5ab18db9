"""The cache lab in Firefox and in WebKit: what Python recorded, and the same as in Chromium."""

import pytest

from tests.browser.engines import Engine, chromium, wait_for

LAB = "[data-afm=CacheLab] .tt-w"
HAS_LOAD = f"return document.querySelector('{LAB} .tt-engine button') !== null"
SOURCE = f"return document.querySelector('{LAB} .tt-note').textContent"
SAME = "Computed in this page. The same tokens and loss as recorded by Python."
CHOSEN = f"return document.querySelector('{LAB} tbody .tt-chosen th').textContent"
READ = f"""
const parts = document.querySelectorAll('{LAB} tbody td, {LAB} .tt-words, {LAB} .tt-tokens');
return [...parts].map((part) => part.textContent);
"""


def ran(engine: Engine, site_url: str) -> list[list[str]]:
    """Load the model, run two switches; return what the lab reads before and after each."""
    engine.open(f"{site_url}/book/bugs.html#CacheLab&switch=no-prefill")
    wait_for(engine, HAS_LOAD, "True")
    read = [engine.run(READ)]
    engine.click(f"{LAB} .tt-engine button")
    wait_for(engine, SOURCE, SAME)
    read.append(engine.run(READ))
    engine.click(f"{LAB} tbody tr:nth-child(4) input")
    wait_for(engine, CHOSEN, "3 off by one")
    wait_for(engine, SOURCE, "Recorded by Python")
    engine.click(f"{LAB} .tt-play")
    wait_for(engine, SOURCE, SAME)
    return [*read, engine.run(READ)]


@pytest.fixture(scope="module")
def expected(browser, site_url) -> list[list[str]]:
    with chromium(browser) as engine:
        return ran(engine, site_url)


def test_the_lab_finds_the_same_as_python_and_as_in_chromium(engine, site_url, expected):
    assert ran(engine, site_url) == expected
    recorded, first, second = expected
    assert recorded == first, "the engine has the numbers that Python recorded"
    assert first != second, "another switch is read"
