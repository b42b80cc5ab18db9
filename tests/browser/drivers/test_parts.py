"""The parts of the drivers that need no browser."""

import gzip
import http.client
import json
import re
from types import SimpleNamespace

import playwright.sync_api as playwright
import pytest
from playwright._impl.isomorphic import locator_utils

from tests.browser.drivers import interface
from tests.browser.drivers.choice import NAMES, chosen, pytest_collection_modifyitems
from tests.browser.drivers.firefox import Firefox
from tests.browser.drivers.pool import Pool
from tests.browser.drivers.relay import Relay
from tests.browser.drivers.webkit import selectors
from tests.browser.drivers.webkit.browser import WebKit, WebKitContext
from tests.browser.drivers.webkit.input import Keyboard, Mouse, chord
from tests.browser.drivers.webkit.locator import WebKitLocator
from tests.browser.drivers.webkit.page import WebKitPage
from tests.browser.drivers.webkit.proxy import Proxy, WebKitRoute
from tests.browser.drivers.webkit.said import watched
from tests.browser.server import serve

PARTS = {
    interface.Locator: (playwright.Locator, WebKitLocator),
    interface.Page: (playwright.Page, WebKitPage),
    interface.Context: (playwright.BrowserContext, WebKitContext),
    interface.Browser: (playwright.Browser, WebKit, Firefox),
    interface.Keyboard: (playwright.Keyboard, Keyboard),
    interface.Mouse: (playwright.Mouse, Mouse),
    interface.Route: (playwright.Route, WebKitRoute),
}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_driver_has_every_verb(part):
    verbs = {name for base in part.__mro__ for name in vars(base) if not name.startswith("_")}
    assert len(verbs) >= 1
    for driver in PARTS[part]:
        assert [verb for verb in sorted(verbs) if not hasattr(driver, verb)] == []


@pytest.mark.parametrize("text", ["Step", 'a "quoted" \\ word', re.compile("^Temp\\d", re.I)])
@pytest.mark.parametrize("exact", [False, True])
def test_selectors_are_those_of_playwright(text, exact):
    assert selectors.by_label(text, exact) == locator_utils.get_by_label_selector(text, exact)
    assert selectors.by_text(text, exact) == locator_utils.get_by_text_selector(text, exact)
    expected = locator_utils.get_by_role_selector("button", name=text, exact=exact)
    assert selectors.by_role("button", text, exact) == expected


def test_keys_are_held_while_the_last_is_pressed():
    control, letter = chord("Control+A")[:2]
    assert (control["type"], letter) == ("keyDown", {"type": "keyDown", "value": "a"})
    assert [one["type"] for one in chord("Control+A")] == ["keyDown"] * 2 + ["keyUp"] * 2
    assert [one["value"] for one in chord("Space")] == [" ", " "]
    with pytest.raises(ValueError, match="no key is called 'Entre'"):
        chord("Entre")


def test_a_pool_keeps_what_was_used_last_and_what_is_in_use():
    started, ended, busy = [], [], set()
    pool = Pool(lambda key: started.append(key) or key, ended.append, lambda one: one not in busy)
    for key in "aba":
        assert pool.get(key) == key
    assert started == ["a", "b"]
    pool.get("c")
    assert ended == ["b"]
    busy |= {"a", "c"}
    pool.get("d")
    assert ended == ["b"], "a browser with an open page is not closed"
    pool.close()
    assert sorted(ended) == ["a", "b", "c", "d"]


def test_browsers_are_chosen_by_name():
    assert chosen("all") == chosen("usual") == NAMES
    assert chosen("webkit,firefox") == ("webkit", "firefox")
    with pytest.raises(pytest.UsageError, match="--browsers: opera; expected all, usual"):
        chosen("firefox,opera")


class Item:
    """A test as pytest has collected it."""

    def __init__(self, browser: str | None, *markers: pytest.MarkDecorator):
        self.callspec = SimpleNamespace(params={"browser": browser} if browser else {})
        self.markers = [marker.mark for marker in markers]

    def iter_markers(self, name: str):
        return (marker for marker in self.markers if marker.name == name)

    def get_closest_marker(self, name: str):
        return next(self.iter_markers(name), None)

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.markers.append(marker.mark)


@pytest.mark.parametrize(("option", "left"), [("usual", 4), ("all", 6)])
def test_a_test_runs_where_it_should_or_says_why_not(option, left):
    only = pytest.mark.only("chromium", reason="a reason")
    items = [Item(name, pytest.mark.everywhere) for name in ("chromium", "webkit")]
    items += [Item(None), Item("firefox"), Item("chromium", only), Item("webkit", only)]
    config = SimpleNamespace(getoption={"--browsers": option}.get)
    pytest_collection_modifyitems(config, items)
    assert len(items) == left
    skipped = [list(item.iter_markers("skip")) for item in items]
    reasons = [marker.kwargs["reason"] for markers in skipped for marker in markers]
    assert reasons == (["only chromium: a reason"] if option == "all" else [])


class Page:
    """A page that notes what it hears, and answers one address."""

    closed = False

    def __init__(self):
        self.heard: list[tuple[str, str]] = []

    def emit(self, event: str, request) -> None:
        self.heard.append((event, request.url))

    def handler_of(self, url: str):
        if url.startswith("http://figure.invalid/"):
            return lambda route: route.fulfill(status=404, body="ä", content_type="text/plain")
        return None


def test_a_relay_answers_only_for_optional_commands_that_firefox_does_not_know():
    relay = Relay()
    for number, method in enumerate(["emulation.setMediaFeaturesOverride", "script.evaluate"], 1):
        command = json.dumps({"id": number, "method": method, "params": {}})
        assert relay.command(command) == command
    unknown = [
        json.dumps({"type": "error", "id": number, "error": "unknown command", "message": ""})
        for number in (1, 2)
    ]
    assert json.loads(relay.answer(unknown[0])) == {"type": "success", "id": 1, "result": {}}
    assert relay.answer(unknown[1]) == unknown[1]
    other = json.dumps({"type": "error", "id": 1, "error": "invalid argument"})
    assert relay.answer(other) == other


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_page_is_watched_before_its_own_scripts_and_keeps_its_doctype(is_compressed):
    page = b"<!doctype html><html><head><meta charset='utf-8'><script>own()</script></head>"
    found = watched(gzip.compress(page) if is_compressed else page, is_compressed)
    assert found.startswith(b"<!doctype html><html><head><script>")
    assert found.index(b"tinytorchSaid") < found.index(b"own()")
    assert found.endswith(page[page.index(b"<meta") :])


def test_a_proxy_passes_on_answers_and_tells(tmp_path):
    (tmp_path / "page.html").write_text("<p>a page</p>", encoding="utf-8")
    page = Page()
    proxy = Proxy(lambda: page)
    try:
        with serve(tmp_path) as url:
            browser = http.client.HTTPConnection("127.0.0.1", proxy.server_port, timeout=10)
            addresses = [f"{url}/page.html", "http://figure.invalid/x", f"{url}/none.html"]
            found = []
            for address in addresses:
                browser.request("GET", address, headers={"Accept-Encoding": "identity"})
                answer = browser.getresponse()
                found.append((answer.status, answer.read()))
            browser.close()
            proxy.wait_until_quiet()
    finally:
        proxy.close()
    assert [status for status, _ in found] == [200, 404, 404]
    assert found[1][1] == "ä".encode()
    ended = [(event, url) for url in addresses for event in ("request", "requestfinished")]
    assert page.heard == ended


def test_a_proxy_tells_what_failed():
    page = Page()
    proxy = Proxy(lambda: page)
    try:
        browser = http.client.HTTPConnection("127.0.0.1", proxy.server_port, timeout=10)
        browser.request("GET", "http://127.0.0.1:9/")  # the port of nobody
        with pytest.raises((http.client.HTTPException, OSError)):
            browser.getresponse()
        browser.close()
    finally:
        proxy.close()
    assert [event for event, _ in page.heard] == ["request", "requestfailed"]
