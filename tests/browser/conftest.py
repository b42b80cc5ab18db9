"""One browser of each kind and one server for all tests of the built site."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import engines
from tests.browser.installed import find_chromium
from tests.browser.server import serve

SITE = Path(__file__).parents[2] / "_build" / "html"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def site_url() -> Iterator[str]:
    if not (SITE / "index.html").exists():
        pytest.fail(f"{SITE} is missing: run `make book` first")
    with serve(SITE) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium found: run `make browser` first, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def firefox() -> Iterator[engines.Firefox]:
    with engines.firefox() as engine:
        yield engine


@pytest.fixture(scope="session")
def webkit() -> Iterator[engines.WebKit]:
    with engines.webkit() as engine:
        yield engine


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def engine(request) -> Iterator[engines.Engine]:
    """Another engine than Chromium, which keeps no model from one file of tests to the next."""
    engine = request.getfixturevalue(request.param)
    yield engine
    engine.run(engines.FORGET)


@pytest.fixture(params=[False, True], ids=["served", "from a file"])
def from_file(request) -> bool:
    return request.param
