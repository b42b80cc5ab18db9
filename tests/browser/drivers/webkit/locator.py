"""An element of a WebKit page, found anew at each use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser.drivers.webkit import selectors
from tests.browser.drivers.webkit.selectors import Text

if TYPE_CHECKING:
    from tests.browser.drivers.webkit.page import WebKitPage

POINTED_AT = ["visible", "stable"]
PRESSED = ["visible", "enabled", "stable"]


class WebKitLocator:
    """Playwright's `Locator`, as far as `interface.Locator` says."""

    def __init__(self, page: WebKitPage, selector: str):
        self.page, self.selector = page, selector

    def __repr__(self):
        return f"{type(self).__name__}({self.selector!r})"

    # What is found within.

    def locator(
        self, selector: str, *, has: WebKitLocator | None = None, has_text: Text | None = None
    ) -> WebKitLocator:
        inner = selectors.narrowed(selector, has and has.selector, has_text)
        return WebKitLocator(self.page, selectors.below(self.selector, inner))

    def get_by_role(
        self, role: str, *, name: Text | None = None, exact: bool = False
    ) -> WebKitLocator:
        return self.locator(selectors.by_role(role, name, exact))

    def get_by_label(self, text: Text, *, exact: bool = False) -> WebKitLocator:
        return self.locator(selectors.by_label(text, exact))

    def get_by_text(self, text: Text, *, exact: bool = False) -> WebKitLocator:
        return self.locator(selectors.by_text(text, exact))

    def filter(
        self, *, has: WebKitLocator | None = None, has_text: Text | None = None
    ) -> WebKitLocator:
        found = selectors.narrowed(self.selector, has and has.selector, has_text)
        return WebKitLocator(self.page, found)

    def nth(self, index: int) -> WebKitLocator:
        return self.locator(f"nth={index}")

    @property
    def first(self) -> WebKitLocator:
        return self.nth(0)

    @property
    def last(self) -> WebKitLocator:
        return self.nth(-1)

    def count(self) -> int:
        return self._ask("count")

    def all(self) -> list[WebKitLocator]:
        return [self.nth(index) for index in range(self.count())]

    # What a reader does.

    def click(self, *, position: dict[str, float] | None = None, force: bool = False) -> None:
        self.page.mouse.click(*self._point(PRESSED, position, force))

    def hover(self, *, position: dict[str, float] | None = None) -> None:
        self.page.mouse.move(*self._point(POINTED_AT, position))

    def press(self, key: str) -> None:
        self._ask("focus", True)
        self.page.keyboard.press(key)

    def fill(self, value: str) -> None:
        self._ask("fill", value)

    def check(self) -> None:
        self._set_checked(True)

    def uncheck(self) -> None:
        self._set_checked(False)

    def _set_checked(self, checked: bool) -> None:
        if self.is_checked() != checked:
            self.click()
        assert self.is_checked() == checked, f"{self} was clicked and is not as it should be"

    def select_option(self, value: str) -> list[str]:
        return self._ask("select", value)

    def set_input_files(self, files: Path | str | Sequence[Path | str]) -> None:
        many = [files] if isinstance(files, Path | str) else files
        self.page.choose_files(self, [Path(file).resolve() for file in many])

    def focus(self) -> None:
        self._ask("focus", False)

    def blur(self) -> None:
        self._ask("blur")

    def dispatch_event(self, type: str, event_init: dict | None = None) -> None:  # noqa: A002
        self._ask("dispatch", type, event_init)

    def scroll_into_view_if_needed(self) -> None:
        self._ask("scroll")

    # What a reader reads.

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        return self._ask("evaluateOn", expression, arg)

    def evaluate_all(self, expression: str, arg: Any = None) -> Any:
        return self._ask("evaluateAll", expression, arg)

    def inner_text(self) -> str:
        return self.evaluate("(element) => element.innerText")

    def inner_html(self) -> str:
        return self.evaluate("(element) => element.innerHTML")

    def text_content(self) -> str | None:
        return self.evaluate("(element) => element.textContent")

    def get_attribute(self, name: str) -> str | None:
        return self.evaluate("(element, name) => element.getAttribute(name)", name)

    def input_value(self) -> str:
        return self._ask("value")

    def bounding_box(self) -> dict[str, float] | None:
        return self._ask("box")

    def is_visible(self) -> bool:
        return self._ask("isVisible")

    def is_checked(self) -> bool:
        return self._ask("isChecked")

    def all_inner_texts(self) -> list[str]:
        return self.evaluate_all("(all) => all.map((element) => element.innerText)")

    def all_text_contents(self) -> list[str]:
        return self.evaluate_all("(all) => all.map((element) => element.textContent)")

    def ask_once(self, verb: str, *given: Any) -> Any:
        """Ask without waiting."""
        return self.page.ask(verb, self.selector, *given)

    def _ask(self, verb: str, *given: Any) -> Any:
        return self.page.ask_until_there(verb, self.selector, *given)

    def _point(
        self, needs: list[str], position: dict[str, float] | None, force: bool = False
    ) -> tuple[float, float]:
        point = self._ask("point", position, force, needs)
        return point["x"], point["y"]
