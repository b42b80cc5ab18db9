"""Debian's Firefox, which Playwright drives by WebDriver BiDi."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import playwright.sync_api as playwright

from tests.browser.drivers import relay
from tests.browser.drivers.pool import Pool

CHANNEL = "moz-firefox"
"""Mozilla's own Firefox: Playwright speaks BiDi to it, and not the protocol of its own build."""

START = f"""#!/bin/sh
exec '{sys.executable}' '{relay.__file__}' "$@"
"""
INSERT = """
Object.defineProperty(window, "__pw_bidiInsertText", {
  get: () => (text) => {
    document.execCommand(text ? "insertText" : "delete", false, text);
  },
  set: () => {},
});
"""
"""What `fill` does in Firefox. Playwright's own appends to a number, and fires no change event."""

COARSE, FINE_AND_HOVERS = 1, 6
"""Firefox's bits for what a pointer can."""


class Reader(NamedTuple):
    """What Firefox is told of the reader by its preferences."""

    dark: bool
    calm: bool
    touch: bool

    def preferences(self) -> dict[str, int]:
        pointer = COARSE if self.touch else FINE_AND_HOVERS
        return {
            "layout.css.prefers-color-scheme.content-override": int(not self.dark),
            "ui.prefersReducedMotion": int(self.calm),
            "ui.primaryPointerCapabilities": pointer,
            "ui.allPointerCapabilities": pointer,
            "dom.w3c_touch_events.enabled": int(self.touch),
        }


class Firefox:
    """Starts a Firefox for each kind of reader: BiDi sets neither colours nor motion nor touch."""

    def __init__(self, driver: playwright.Playwright):
        self.driver = driver
        self.folder = tempfile.TemporaryDirectory()
        self.start = Path(self.folder.name) / "firefox"
        self.start.write_text(START, encoding="utf-8")
        self.start.chmod(0o700)
        self.pool = Pool(self._start, lambda one: one.close(), lambda one: not one.contexts)

    def _start(self, reader: Reader) -> playwright.Browser:
        return self.driver.firefox.launch(
            channel=CHANNEL,
            executable_path=self.start,
            env={**os.environ, relay.FIREFOX: find_firefox()},
            firefox_user_prefs=reader.preferences(),
        )

    def _of(self, options: dict[str, Any]) -> tuple[playwright.Browser, dict[str, Any]]:
        """Return the Firefox that begins with some options, and those left for its context."""
        left = {**options}
        reader = Reader(
            dark=left.get("color_scheme") == "dark",
            calm=left.pop("reduced_motion", None) == "reduce",
            touch=bool(left.get("has_touch")),
        )
        left.pop("is_mobile", None)  # the width of the window decides all that pages ask for
        return self.pool.get(reader), left

    def new_context(self, **options: Any) -> playwright.BrowserContext:
        """Open a context; options are those of Playwright."""
        browser, left = self._of(options)
        context = browser.new_context(**left)
        context.add_init_script(INSERT)
        return context

    def new_page(self, **options: Any) -> playwright.Page:
        """Open a page with a context of its own."""
        browser, left = self._of(options)
        page = browser.new_page(**left)
        page.add_init_script(INSERT)
        return page

    def close(self) -> None:
        """End every Firefox."""
        self.pool.close()
        self.folder.cleanup()


def find_firefox() -> str | None:
    """Return Debian's Firefox, or another one on the PATH."""
    return shutil.which("firefox-esr") or shutil.which("firefox")
