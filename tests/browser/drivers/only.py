"""What not every browser can be made to do: the marks, with their reasons.

`make browsers` prints them for each test that is skipped.
"""

import pytest

TAP = pytest.mark.only(
    "chromium", reason="no touch reaches a page: of Firefox by BiDi, of WebKit by WebDriver"
)
FINGER = pytest.mark.only(
    "chromium", "firefox", reason="WebKitGTK cannot be told that the reader uses a finger"
)
PAPER = pytest.mark.only(
    "chromium", reason="WebDriver and BiDi print, but do not show a page as it is printed"
)
PRINTED = pytest.mark.only("chromium", reason="`make paper` prints with Chromium")
FRAMES = pytest.mark.only(
    "chromium", "firefox", reason="the driver of WebKit reaches neither frames nor second windows"
)
NO_SCRIPT = pytest.mark.only(
    "chromium", reason="the drivers of the others find elements by scripts in the page"
)
CLIPBOARD = pytest.mark.only(
    "chromium", reason="only Chromium lets a test read the clipboard without a reader's consent"
)
SHADOW = pytest.mark.only(
    "chromium", reason="the drivers of the others do not look for elements in shadow roots"
)
WORKERS = pytest.mark.only(
    "chromium", "firefox", reason="WebDriver does not tell which workers a page has"
)
KEEPS = pytest.mark.only(
    "chromium", "firefox", reason="Debian's WebKitGTK has no private file system to keep a model in"
)
