"""WebKit as a browser whose contexts have options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.drivers.pool import Pool
from tests.browser.drivers.webkit.page import WebKitPage
from tests.browser.drivers.webkit.selectors import Text
from tests.browser.drivers.webkit.session import Reader, Session

VIEWPORT = {"width": 1280, "height": 720}
"""As in Playwright."""


class WebKitContext:
    """Pages of one reader; `interface.Context`."""

    def __init__(self, session: Session, viewport: dict[str, int]):
        self.session, self.viewport = session, viewport
        self.routes: list[tuple[Text, Callable]] = []
        self.pages: list[WebKitPage] = []

    def new_page(self) -> WebKitPage:
        page = WebKitPage(self.session, self)
        self.pages.append(page)
        try:
            page.set_viewport_size(self.viewport)
        except TimeoutError:
            page.close()
            raise
        return page

    def route(self, url: Text, handler: Callable) -> None:
        self.routes.append((url, handler))

    def close(self) -> None:
        for page in self.pages:
            page.close()


class WebKit:
    """Starts a WebKit for each kind of reader: WebDriver sets neither colours nor motion."""

    def __init__(self):
        self.pool = Pool(Session, lambda one: one.close(), lambda one: not one.pages)

    def new_context(
        self,
        *,
        viewport: dict[str, int] = VIEWPORT,
        color_scheme: str = "light",
        reduced_motion: str = "no-preference",
        **others: Any,
    ) -> WebKitContext:
        """Open a context; options are those of Playwright that WebKitGTK can follow."""
        if others:
            raise NotImplementedError(
                f"WebKitGTK cannot follow {', '.join(others)}: mark the test `only`, with a reason"
            )
        reader = Reader(dark=color_scheme == "dark", calm=reduced_motion == "reduce")
        return WebKitContext(self.pool.get(reader), viewport)

    def new_page(self, **options: Any) -> WebKitPage:
        """Open a page with a context of its own."""
        return self.new_context(**options).new_page()

    def close(self) -> None:
        """End every WebKit."""
        self.pool.close()
