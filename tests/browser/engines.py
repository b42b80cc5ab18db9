"""One way to drive three engines: Chromium, Firefox by Marionette, WebKitGTK by WebDriver."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Browser
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from tests.browser.installed import find_minibrowser

KEYS = {"ArrowRight": Keys.ARROW_RIGHT, "End": Keys.END, "Home": Keys.HOME}
"""Keys as Playwright names them, and as WebDriver sends them."""

SIZE = {"width": 1280, "height": 900}
PREFERENCES = {"marionette.port": 0, "ui.prefersReducedMotion": 1}
STARTED = 60  # seconds
WITHIN_S = 120  # of a model that is loaded and runs


FORGET = """
const files = navigator.storage?.getDirectory?.();
return files ? files.then(async (root) => {
  for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });
}) : null;
"""
"""Remove the model that a page has kept."""


class Engine(Protocol):
    """What a test may do with a page."""

    def open(self, url: str) -> None: ...
    def run(self, script: str): ...
    def click(self, selector: str) -> None: ...
    def press(self, selector: str, key: str) -> None: ...
    def choose(self, selector: str, file: Path) -> None: ...


def wait_for(engine: Engine, script: str, text: str) -> None:
    """Return when a script's result holds a text."""
    end = time.monotonic() + WITHIN_S
    while text not in (found := str(engine.run(script))):
        assert time.monotonic() < end, found
        time.sleep(0.2)


class Chromium:
    def __init__(self, browser: Browser):
        self.page = browser.new_page(viewport=SIZE, reduced_motion="reduce")

    def open(self, url: str) -> None:
        self.page.goto(url)

    def run(self, script: str):
        return self.page.evaluate(f"() => {{ {script} }}")

    def click(self, selector: str) -> None:
        self.page.locator(selector).click()

    def press(self, selector: str, key: str) -> None:
        self.page.locator(selector).press(key)

    def choose(self, selector: str, file: Path) -> None:
        self.page.locator(selector).set_input_files(file)


@contextmanager
def chromium(browser: Browser) -> Iterator[Chromium]:
    """Open a page of the tests' own browser."""
    engine = Chromium(browser)
    yield engine
    engine.page.close()


class Marionette:
    """Firefox's own protocol: WebDriver's commands, as JSON with its length in front.

    https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
    """

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.stream = self.socket.makefile("rb")
        self.count = 0
        self._receive()  # the greeting

    def command(self, name: str, **parameters):
        """Send a command and return its result, or raise what Firefox says."""
        self.count += 1
        message = json.dumps([0, self.count, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            raise RuntimeError(f"{name}: {error['error']}: {error['message']}")
        return result.get("value", result) if isinstance(result, dict) else result

    def _receive(self):
        length = b""
        while not length.endswith(b":"):
            byte = self.stream.read(1)
            if not byte:
                raise RuntimeError("Firefox closed the connection")
            length += byte
        return json.loads(self.stream.read(int(length[:-1])))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


class Firefox:
    def __init__(self, client: Marionette):
        self.client = client

    def open(self, url: str) -> None:
        self.client.command("WebDriver:Navigate", url=url)

    def run(self, script: str):
        return self.client.command("WebDriver:ExecuteScript", script=script, args=[])

    def click(self, selector: str) -> None:
        self.client.command("WebDriver:ElementClick", id=self._find(selector))

    def press(self, selector: str, key: str) -> None:
        self.client.command("WebDriver:ElementSendKeys", id=self._find(selector), text=KEYS[key])

    def choose(self, selector: str, file: Path) -> None:
        element = self._find(selector)
        self.client.command("WebDriver:ElementSendKeys", id=element, text=str(file))

    def hide(self) -> None:
        """Open another tab in front, and go on in this one."""
        this = self.client.command("WebDriver:GetWindowHandle")
        other = self.client.command("WebDriver:NewWindow", type="tab")["handle"]
        self.client.command("WebDriver:SwitchToWindow", handle=other, focus=True)
        self.client.command("WebDriver:SwitchToWindow", handle=this, focus=False)

    def _find(self, selector: str) -> str:
        found = self.client.command("WebDriver:FindElement", using="css selector", value=selector)
        return next(iter(found.values()))


class WebKit:
    def __init__(self, driver: webdriver.WebKitGTK):
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def run(self, script: str):
        return self.driver.execute_script(script)

    def click(self, selector: str) -> None:
        element = self.driver.find_element("css selector", selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def press(self, selector: str, key: str) -> None:
        element = self.driver.find_element("css selector", selector)
        element.send_keys(KEYS[key])

    def choose(self, selector: str, file: Path) -> None:
        self.driver.find_element("css selector", selector).send_keys(str(file))


@contextmanager
def firefox() -> Iterator[Firefox]:
    """Start Debian's Firefox without a window, with a fresh profile."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder)
        lines = (f'user_pref("{key}", {value});' for key, value in PREFERENCES.items())
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        command = [shutil.which("firefox-esr"), "--marionette", "--headless", "--profile", folder]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            with closing(Marionette(port_of(profile))) as client:
                client.command("WebDriver:NewSession")
                client.command("WebDriver:SetWindowRect", **SIZE)
                yield Firefox(client)
                client.command("Marionette:Quit", flags=["eForceQuit"])
        finally:
            process.terminate()
            process.wait()


def port_of(profile: Path) -> int:
    """Wait until Firefox has written the port that it listens at."""
    file = profile / "MarionetteActivePort"
    deadline = time.monotonic() + STARTED
    while not (file.exists() and file.read_text().strip()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Firefox has not started within {STARTED} s")
        time.sleep(0.1)
    return int(file.read_text())


@contextmanager
def display() -> Iterator[str]:
    """Give WebKitGTK a screen that nobody sees."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def webkit() -> Iterator[WebKit]:
    """Start the browser of Debian's WebKitGTK, for a reader who wants less motion."""
    options = Options()
    options.binary_location = find_minibrowser()
    options.add_argument("--automation")
    with display() as name, tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "gtk-3.0" / "settings.ini"
        settings.parent.mkdir()
        settings.write_text("[Settings]\ngtk-enable-animations=0\n", encoding="utf-8")
        environment = {**os.environ, "DISPLAY": name, "XDG_CONFIG_HOME": folder}
        service = Service(shutil.which("WebKitWebDriver"), env=environment)
        with warnings.catch_warnings():  # Selenium calls what it deprecates itself
            warnings.simplefilter("ignore", DeprecationWarning)
            driver = webdriver.WebKitGTK(options=options, service=service)
        try:
            driver.set_window_size(**SIZE)
            yield WebKit(driver)
        finally:
            driver.quit()
