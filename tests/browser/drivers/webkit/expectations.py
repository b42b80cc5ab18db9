"""What is expected of an element of a WebKit page, and waited for."""

import time
from typing import Any

from tests.browser.drivers.webkit.locator import WebKitLocator
from tests.browser.drivers.webkit.selectors import Text, flags_of

WITHIN_MS = 5_000
PAUSE_S = 0.05


def wanted(text: Text, **how: bool) -> list[dict]:
    """Describe an expected text to Playwright's engine."""
    if isinstance(text, str):
        return [{"string": text, **how}]
    return [{"regexSource": text.pattern, "regexFlags": flags_of(text), **how}]


class Expectation:
    """Playwright's assertions, as far as the tests use them."""

    def __init__(self, locator: WebKitLocator):
        self.locator = locator

    def _wait(
        self, expression: str, timeout: float | None, is_not: bool = False, **options: Any
    ) -> None:
        __tracebackhide__ = True
        asked = {"expression": expression, "isNot": is_not, **options}
        end = time.monotonic() + (WITHIN_MS if timeout is None else timeout) / 1000
        while True:
            found = self.locator.ask_once("expect", asked)
            if found["matches"] != is_not:
                return
            if time.monotonic() > end:
                negated = "not " if is_not else ""
                raise AssertionError(
                    f"{self.locator}: {negated}{expression} expected of {options}, "
                    f"found {found.get('received')!r}"
                )
            time.sleep(PAUSE_S)

    def to_be_visible(self, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self._wait("to.be.visible", timeout)

    def to_be_hidden(self, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self._wait("to.be.hidden", timeout)

    def to_be_focused(self, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self._wait("to.be.focused", timeout)

    def to_be_checked(self, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self._wait("to.be.checked", timeout, expectedValue={"checked": True})

    def to_have_count(self, count: int, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self._wait("to.have.count", timeout, expectedNumber=count)

    def to_have_attribute(self, name: str, value: Text, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self._wait(
            "to.have.attribute.value", timeout, expressionArg=name, expectedText=wanted(value)
        )

    def to_have_accessible_name(self, name: Text, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        text = wanted(name, normalizeWhiteSpace=True)
        self._wait("to.have.accessible.name", timeout, expectedText=text)

    def to_have_text(
        self, text: Text, *, timeout: float | None = None, is_not: bool = False
    ) -> None:
        __tracebackhide__ = True
        expected = wanted(text, normalizeWhiteSpace=True)
        self._wait("to.have.text", timeout, is_not, expectedText=expected)

    def to_contain_text(
        self, text: Text, *, timeout: float | None = None, is_not: bool = False
    ) -> None:
        __tracebackhide__ = True
        expected = wanted(text, normalizeWhiteSpace=True, matchSubstring=True)
        self._wait("to.have.text", timeout, is_not, expectedText=expected)

    def to_have_value(
        self, value: Text, *, timeout: float | None = None, is_not: bool = False
    ) -> None:
        __tracebackhide__ = True
        self._wait("to.have.value", timeout, is_not, expectedText=wanted(value))

    def not_to_have_text(self, text: Text, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self.to_have_text(text, timeout=timeout, is_not=True)

    def not_to_contain_text(self, text: Text, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self.to_contain_text(text, timeout=timeout, is_not=True)

    def not_to_have_value(self, value: Text, *, timeout: float | None = None) -> None:
        __tracebackhide__ = True
        self.to_have_value(value, timeout=timeout, is_not=True)
