"""A tab of Firefox that can be hidden: Playwright opens each page in a window of its own."""

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from tests.browser.drivers.firefox import find_firefox

SIZE = {"width": 1280, "height": 900}
PREFERENCES = {"marionette.port": 0, "ui.prefersReducedMotion": 1}
STARTED = 60  # seconds
WITHIN_S = 120  # of a model that is loaded and runs


class Engine(Protocol):
    """What test_hidden_tab.py does with a tab, of Firefox or of Chromium."""

    def open(self, url: str) -> None: ...
    def run(self, script: str): ...
    def click(self, selector: str) -> None: ...


def wait_for(engine: Engine, script: str, text: str) -> None:
    """Return when a script's result holds a text."""
    end = time.monotonic() + WITHIN_S
    while text not in (found := str(engine.run(script))):
        assert time.monotonic() < end, found
        time.sleep(0.2)


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

    def hide(self) -> None:
        """Open another tab in front, and go on in this one."""
        this = self.client.command("WebDriver:GetWindowHandle")
        other = self.client.command("WebDriver:NewWindow", type="tab")["handle"]
        self.client.command("WebDriver:SwitchToWindow", handle=other, focus=True)
        self.client.command("WebDriver:SwitchToWindow", handle=this, focus=False)

    def _find(self, selector: str) -> str:
        found = self.client.command("WebDriver:FindElement", using="css selector", value=selector)
        return next(iter(found.values()))


@contextmanager
def firefox() -> Iterator[Firefox]:
    """Start Debian's Firefox without a window, with a fresh profile."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder)
        lines = (f'user_pref("{key}", {value});' for key, value in PREFERENCES.items())
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        command = [find_firefox(), "--marionette", "--headless", "--profile", folder]
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
