"""WebKit for one kind of reader: who wants dark pages or not, and motion or not."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from selenium import webdriver
from selenium.webdriver.common.proxy import Proxy as ProxySettings
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from tests.browser.drivers.webkit.proxy import Proxy
from tests.browser.drivers.webkit.waiting import until
from tests.browser.installed import find_minibrowser

if TYPE_CHECKING:
    from tests.browser.drivers.webkit.page import WebKitPage

SCRIPT_S = 150
RESIZED_S = 60
SCREEN = "1600x1400x24"
STYLE = (
    "window * { min-width: 0; min-height: 0; padding: 0; margin: 0; border: 0; font-size: 1px; }"
)
"""For the browser's own bar, which would not let the window be as narrow as a telephone."""

CORNER = 5, 5
"""A place in the browser's bar, in a window of any size."""


class Reader(NamedTuple):
    """What GTK is told of the reader."""

    dark: bool
    calm: bool


class Session:
    """A browser with its screen, its proxy and its driver."""

    def __init__(self, reader: Reader):
        self.pages: list[WebKitPage] = []
        self.current: WebKitPage | None = None
        self.proxy = Proxy(lambda: self.current)
        self.stack = ExitStack()
        with ExitStack() as stack:
            stack.callback(self.proxy.close)
            self.driver = stack.enter_context(driver(reader, self.proxy.address))
            self.driver.set_script_timeout(SCRIPT_S)
            self.base = self.driver.current_window_handle
            self.window = self.base
            self.stack = stack.pop_all()

    def begin(self, page: WebKitPage) -> str:
        """Give a page a tab: the first one, or another while that is in use."""
        if all(other.handle != self.base for other in self.pages):
            handle = self.base
        else:
            self.driver.switch_to.new_window("tab")
            handle = self.window = self.driver.current_window_handle
        self.pages.append(page)
        return handle

    def driver_of(self, page: WebKitPage):
        """Return the driver, at a page's tab."""
        if self.window != page.handle:
            self.driver.switch_to.window(page.handle)
            self.window = page.handle
        self.current = page
        return self.driver

    def end(self, page: WebKitPage) -> None:
        """Take a page's tab back."""
        driver = self.driver_of(page)
        self.current = None
        driver.execute("clearActionState")
        if page.handle == self.base:
            driver.get("about:blank")
        else:
            driver.close()
            driver.switch_to.window(self.base)
            self.window = self.base
        self.pages.remove(page)

    def resize(self, page: WebKitPage, width: int, height: int) -> None:
        """Make the window so large that a page has a size."""
        driver = self.driver_of(page)

        def is_as_wanted() -> bool:
            found = driver.execute_script("return [innerWidth, innerHeight]")
            if found == [width, height]:
                return True
            outer = driver.get_window_size()
            missing = width - found[0], height - found[1]
            driver.set_window_size(outer["width"] + missing[0], outer["height"] + missing[1])
            return False

        until(is_as_wanted, RESIZED_S, f"WebKit's window does not become {width} x {height}")

    def close(self) -> None:
        """End the browser."""
        self.stack.close()


@contextmanager
def driver(reader: Reader, proxy: str) -> Iterator[webdriver.WebKitGTK]:
    """Start the browser of Debian's WebKitGTK, for a reader."""
    options = Options()
    options.binary_location = find_minibrowser()
    options.add_argument("--automation")
    options.proxy = ProxySettings({"proxyType": "manual", "httpProxy": proxy})
    with display() as screen, tempfile.TemporaryDirectory() as folder:
        write_settings(Path(folder), reader)
        environment = {**os.environ, "DISPLAY": screen, "XDG_CONFIG_HOME": folder}
        service = Service(shutil.which("WebKitWebDriver"), env=environment)
        with warnings.catch_warnings():  # Selenium calls what it deprecates itself
            warnings.simplefilter("ignore", DeprecationWarning)
            started = webdriver.WebKitGTK(options=options, service=service)
        try:
            yield started
        finally:
            started.quit()


def write_settings(folder: Path, reader: Reader) -> None:
    """Tell GTK what the reader wants."""
    file = folder / "gtk-3.0" / "settings.ini"
    file.parent.mkdir()
    lines = [
        "[Settings]",
        f"gtk-theme-name={'Adwaita-dark' if reader.dark else 'Adwaita'}",
        f"gtk-enable-animations={int(not reader.calm)}",
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    file.with_name("gtk.css").write_text(STYLE, encoding="utf-8")


@contextmanager
def display() -> Iterator[str]:
    """Give WebKitGTK a screen that nobody sees."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            name = f":{answer.readline().strip()}"
        put_pointer_in_corner(name)
        yield name
    finally:
        server.terminate()
        server.wait()


def put_pointer_in_corner(screen: str) -> None:
    """Give the focus to the browser: without a window manager it goes where the pointer is."""
    x11 = ctypes.CDLL(ctypes.util.find_library("X11"))
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XWarpPointer.argtypes = [ctypes.c_void_p, *[ctypes.c_ulong] * 2, *[ctypes.c_int] * 6]
    display = ctypes.c_void_p(x11.XOpenDisplay(screen.encode()))
    x11.XWarpPointer(display, 0, x11.XDefaultRootWindow(display), 0, 0, 0, 0, *CORNER)
    x11.XCloseDisplay(display)
