"""The small site, served by a host that misbehaves, in pages whose every error is noticed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.loader import faults
from tests.browser.loader.small_site import MODULES, SCRIPT, attempt, write_small_site


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_small_site(folder)
    return folder


@pytest.fixture
def host(site) -> Iterator[faults.Host]:
    with faults.host(site) as host:
        yield host


@pytest.fixture
def context(chromium) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    yield context
    context.close()


@pytest.fixture
def opened(context) -> Iterator[Callable[..., Page]]:
    """Open pages; in the end, neither they nor their workers may have an error unhandled."""
    pages, problems = [], []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            problems.append(message.text)

    def open_page(url: str, prepare: str = MODULES) -> Page:
        page = context.new_page()
        page.on("console", note)
        pages.append(page)
        page.goto(url)
        page.evaluate(prepare)
        return page

    yield open_page
    for page in pages:
        problems += page.evaluate("problems")
    assert problems == []


@pytest.fixture
def page(opened, host) -> Page:
    return opened(f"{host.url}/page.html")


@pytest.fixture
def file_page(opened, site) -> Page:
    return opened((site / "page.html").as_uri(), SCRIPT)


@pytest.fixture(scope="session")
def expected(chromium: Browser, site) -> list[int]:
    """The tokens of a model that was loaded without a fault."""
    with faults.host(site) as host:
        page = chromium.new_page()
        page.goto(f"{host.url}/page.html")
        page.evaluate(MODULES)
        assert attempt(page, "loaded()") == {"value": True}
        tokens = page.evaluate("tokens()")
        page.close()
    assert len(set(tokens)) == 8
    return tokens
