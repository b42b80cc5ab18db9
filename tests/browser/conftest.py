"""One browser of each kind and one server for all tests of the built site."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Playwright, sync_playwright

from tests.browser.drivers import Browser
from tests.browser.drivers.choice import (  # noqa: F401 - pytest calls them
    pytest_collection_modifyitems,
    pytest_generate_tests,
)
from tests.browser.drivers.firefox import Firefox, find_firefox
from tests.browser.drivers.webkit.browser import WebKit
from tests.browser.installed import find_chromium, find_minibrowser
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
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright) -> Iterator[Chromium]:
    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium found: run `make browser` first, or set CHROMIUM to its path")
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def firefox(playwright) -> Iterator[Firefox]:
    if find_firefox() is None:
        pytest.fail("no Firefox found: run `make browser` first")
    browser = Firefox(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def webkit() -> Iterator[WebKit]:
    if find_minibrowser() is None:
        pytest.fail("no WebKitGTK found: run `make browser` first")
    browser = WebKit()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def browser(request) -> Browser:
    """Each browser that is chosen, one after the other: drivers/choice.py."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def browser_name(request, browser) -> str:
    return request.node.callspec.params["browser"]


@pytest.fixture(params=[False, True], ids=["served", "from a file"])
def from_file(request) -> bool:
    return request.param
