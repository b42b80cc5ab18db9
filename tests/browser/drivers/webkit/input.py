"""Keys and a mouse: WebDriver's actions, with the names that Playwright gives to keys."""

from collections.abc import Callable

from selenium.webdriver.common.keys import Keys

NAMED = {
    "ArrowDown": Keys.ARROW_DOWN,
    "ArrowLeft": Keys.ARROW_LEFT,
    "ArrowRight": Keys.ARROW_RIGHT,
    "ArrowUp": Keys.ARROW_UP,
    "Backspace": Keys.BACKSPACE,
    "Control": Keys.CONTROL,
    "Delete": Keys.DELETE,
    "End": Keys.END,
    "Enter": Keys.RETURN,
    "Escape": Keys.ESCAPE,
    "Home": Keys.HOME,
    "PageDown": Keys.PAGE_DOWN,
    "PageUp": Keys.PAGE_UP,
    "Shift": Keys.SHIFT,
    "Space": " ",
    "Tab": Keys.TAB,
}

Perform = Callable[[list[dict]], None]


def code_of(key: str) -> str:
    """Return what WebDriver sends for a key's name."""
    if key in NAMED:
        return NAMED[key]
    if len(key) != 1:
        raise ValueError(f"no key is called {key!r}; expected a character or one of {[*NAMED]}")
    return key


def chord(keys: str) -> list[dict]:
    """Return the actions for a key, with others held down: ``"Control+A"``."""
    *held, last = keys.split("+")
    if held and len(last) == 1 and "Shift" not in held:
        last = last.lower()  # a letter's name says nothing of Shift
    codes = [code_of(key) for key in (*held, last)]
    downs = [{"type": "keyDown", "value": code} for code in codes]
    return downs + [{"type": "keyUp", "value": code} for code in reversed(codes)]


class Keyboard:
    """Sends keys to what has the focus."""

    def __init__(self, perform: Perform):
        self.perform = perform

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        self._send(chord(key))

    def type(self, text: str) -> None:
        """Press the keys of a text."""
        for character in text:
            self._send(chord(character) if character != "+" else plus())

    def _send(self, actions: list[dict]) -> None:
        self.perform([{"type": "key", "id": "keyboard", "actions": actions}])


def plus() -> list[dict]:
    """Return the actions for the one character that joins the names of keys."""
    return [{"type": kind, "value": "+"} for kind in ("keyDown", "keyUp")]


class Mouse:
    """A pointer in the window."""

    def __init__(self, perform: Perform):
        self.perform = perform

    def move(self, x: float, y: float) -> None:
        """Move to a place of the window."""
        self._send([moved(x, y)])

    def click(self, x: float, y: float) -> None:
        """Press and let go at a place of the window."""
        buttons = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._send([moved(x, y), *buttons])

    def _send(self, actions: list[dict]) -> None:
        parameters = {"pointerType": "mouse"}
        pointer = {"type": "pointer", "id": "mouse", "parameters": parameters}
        self.perform([{**pointer, "actions": actions}])


def moved(x: float, y: float) -> dict:
    """Return the action that moves the pointer, by whole pixels."""
    place = {"x": round(x), "y": round(y), "origin": "viewport"}
    return {"type": "pointerMove", "duration": 0, **place}
