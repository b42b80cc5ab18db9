"""Debian's Firefox, which Playwright drives by WebDriver BiDi."""

import shutil
from typing import Any

import playwright.sync_api as playwright

from tests.browser.drivers.pool import Pool

CHANNEL = "moz-firefox"
"""Mozilla's own Firefox: Playwright speaks BiDi to it, and not the protocol of its own build."""

COARSE, FINE_AND_HOVERS = 1, 6
"""Firefox's bits for what a pointer can."""


class Firefox:
    """Starts a Firefox for each kind of reader: BiDi sets colours, but neither motion nor touch."""

    def __init__(self, driver: playwright.Playwright):
        self.driver = driver
        self.pool = Pool(self._start, lambda one: one.close(), lambda one: not one.contexts)

    def _start(self, key: tuple[bool, bool]) -> playwright.Browser:
        is_calm, has_touch = key
        pointer = COARSE if has_touch else FINE_AND_HOVERS
        preferences = {
            "ui.prefersReducedMotion": int(is_calm),
            "ui.primaryPointerCapabilities": pointer,
            "ui.allPointerCapabilities": pointer,
        }
        return self.driver.firefox.launch(
            channel=CHANNEL,
            executable_path=find_firefox(),
            firefox_user_prefs=preferences,
        )

    def _of(self, options: dict[str, Any]) -> tuple[playwright.Browser, dict[str, Any]]:
        """Return the Firefox that begins with some options, and those left for its context."""
        left = {**options}
        is_calm = left.pop("reduced_motion", None) == "reduce"
        left.pop("is_mobile", None)  # the width of the window decides all that pages ask for
        return self.pool.get((is_calm, bool(options.get("has_touch")))), left

    def new_context(self, **options: Any) -> playwright.BrowserContext:
        """Open a context; options are those of Playwright."""
        browser, left = self._of(options)
        return browser.new_context(**left)

    def new_page(self, **options: Any) -> playwright.Page:
        """Open a page with a context of its own."""
        browser, left = self._of(options)
        return browser.new_page(**left)

    def close(self) -> None:
        """End every Firefox."""
        self.pool.close()


def find_firefox() -> str | None:
    """Return Debian's Firefox, or another one on the PATH."""
    return shutil.which("firefox-esr") or shutil.which("firefox")
