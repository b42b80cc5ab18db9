"""A tab of WebKit."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from re import Pattern
from typing import TYPE_CHECKING, Any

from selenium.common.exceptions import JavascriptException, WebDriverException

from tests.browser.drivers.webkit.in_page import CALL, ELEMENT, install_script
from tests.browser.drivers.webkit.input import Keyboard, Mouse
from tests.browser.drivers.webkit.locator import WebKitLocator
from tests.browser.drivers.webkit.said import Message
from tests.browser.drivers.webkit.selectors import Text
from tests.browser.drivers.webkit.waiting import until

if TYPE_CHECKING:
    from tests.browser.drivers.webkit.browser import WebKitContext
    from tests.browser.drivers.webkit.session import Session

WITHIN_S = 30
FORGET = "localStorage.clear(); sessionStorage.clear();"


class AbsentError(Exception):
    """There is no such element."""


class WebKitPage(WebKitLocator):
    """Playwright's `Page`, as far as `interface.Page` says."""

    def __init__(self, session: Session, context: WebKitContext):
        super().__init__(self, "")
        self.session, self.context = session, context
        self.closed = False
        self.listeners: dict[str, list[Callable]] = defaultdict(list)
        self.routes: list[tuple[Text, Callable]] = []
        self.keyboard, self.mouse = Keyboard(self._perform), Mouse(self._perform)
        self.handle = session.begin(self)

    # What Playwright's Page has beyond a locator.

    @property
    def url(self) -> str:
        return self._driver.current_url

    def goto(self, url: str, *, wait_until: str = "load") -> None:
        self._driver.get(url)
        if wait_until == "networkidle":
            self.session.proxy.wait_until_quiet()

    def reload(self) -> None:
        self._driver.refresh()

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        return self.ask("evaluate", expression, arg)

    def wait_for_function(self, expression: str) -> None:
        until(lambda: self.evaluate(expression), WITHIN_S, f"{expression} is not true")

    def wait_for_url(self, url: str) -> None:
        until(lambda: fnmatch.fnmatch(self.url, url), WITHIN_S, f"the address is not {url}")

    def wait_for_timeout(self, timeout: float) -> None:
        time.sleep(timeout / 1000)

    def set_viewport_size(self, viewport_size: dict[str, int]) -> None:
        self.session.resize(self, **viewport_size)

    def on(self, event: str, f: Callable[[Any], None]) -> None:
        self.listeners[event].append(f)

    def route(self, url: Text, handler: Callable) -> None:
        self.routes.append((url, handler))

    def unroute(self, url: Text) -> None:
        self.routes = [(other, handler) for other, handler in self.routes if other != url]

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(JavascriptException):  # an empty page stores nothing
                self._driver.execute_script(FORGET)
            self.closed = True
            self.session.end(self)

    # What this package asks of it.

    @property
    def _driver(self):
        return self.session.driver_of(self)

    def _perform(self, actions: list[dict]) -> None:
        self._driver.execute("actions", {"actions": actions})

    def emit(self, event: str, what: Any) -> None:
        """Tell those who listen."""
        for listener in self.listeners[event]:
            listener(what)

    def handler_of(self, url: str) -> Callable | None:
        """Return what answers a request, if it is not the host."""
        for pattern, handler in [*reversed(self.routes), *reversed(self.context.routes)]:
            if isinstance(pattern, Pattern):
                matches = pattern.search(url)
            else:
                matches = fnmatch.fnmatch(url, pattern)
            if matches:
                return handler
        return None

    def ask(self, verb: str, *given: Any) -> Any:
        """Ask the script in the page, and put it there if it is missing."""
        answer = {"missing": True}
        while answer.get("missing"):
            answer = self._driver.execute_async_script(CALL, verb, list(given))
            if answer.get("missing"):
                self._driver.execute_script(install_script())
        for event, text in answer["said"]:
            is_error = event == "pageerror"
            self.emit(*(("pageerror", text) if is_error else ("console", Message(event, text))))
        if answer.get("absent"):
            raise AbsentError(str(given[0]))
        if "error" in answer:
            raise WebDriverException(f"{verb} {given[:1]}: {answer['error']}")
        return json.loads(answer["value"])

    def ask_until_there(self, verb: str, *given: Any) -> Any:
        """Ask of an element: wait for it, and until it can be used."""
        end = time.monotonic() + WITHIN_S
        while True:
            try:
                answer = self.ask(verb, *given)
            except AbsentError:
                reason = "it is not there"
            else:
                if not (isinstance(answer, dict) and "waits" in answer):
                    return answer
                reason = answer["waits"]
            if time.monotonic() > end:
                raise TimeoutError(f"{verb} {given[0]}: {reason} within {WITHIN_S} s")
            time.sleep(0.05)

    def choose_files(self, locator: WebKitLocator, files: list[Path]) -> None:
        """Choose files in a field, instead of those chosen before."""
        locator.evaluate('(element) => { element.value = ""; }')
        element = self._driver.execute_script(ELEMENT, locator.selector)
        element.send_keys("\n".join(str(file) for file in files))
