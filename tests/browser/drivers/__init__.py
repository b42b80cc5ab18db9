"""One interface to three browsers: the part of Playwright's that the tests use.

Playwright drives Chromium, and Debian's Firefox by WebDriver BiDi. `webkit` gives the same verbs to
Debian's WebKitGTK, which Playwright cannot drive.
"""

from playwright.sync_api import expect as playwright_expect

from tests.browser.drivers.interface import Browser, Locator, Page, Route
from tests.browser.drivers.webkit.expectations import Expectation
from tests.browser.drivers.webkit.locator import WebKitLocator

__all__ = ["Browser", "Locator", "Page", "Route", "expect"]


def expect(locator: Locator):
    """Return what can be expected of a locator: it is waited for."""
    if isinstance(locator, WebKitLocator):
        return Expectation(locator)
    return playwright_expect(locator)
