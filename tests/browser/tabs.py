"""A tab of Chromium that can be hidden and frozen.

Playwright emulates focus in every page that it opens, and Chromium neither hides nor freezes a page
with focus: there, `Page.setWebLifecycleState` answers and does nothing.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, CDPSession, Page

ANSWER_MS, LOADED_MS = 30_000, 60_000


class Tab:
    """A tab that is driven by Chromium's protocol alone; an `Engine` of marionette.py.

    https://chromedevtools.github.io/devtools-protocol/
    """

    def __init__(self, session: CDPSession, clock: Page):
        self.session, self.clock = session, clock
        self.answers: dict[int, dict] = {}
        self.count = 0
        self.context = session.send("Target.createBrowserContext")["browserContextId"]
        page = {"url": "about:blank", "browserContextId": self.context}
        target = session.send("Target.createTarget", page)["targetId"]
        attached = {"targetId": target, "flatten": False}
        self.id = session.send("Target.attachToTarget", attached)["sessionId"]
        session.on("Target.receivedMessageFromTarget", self._hear)

    def _hear(self, event: dict) -> None:
        message = json.loads(event["message"])
        self.answers[message.get("id", 0)] = message

    def send(self, method: str, **parameters) -> dict:
        """Send a command of the protocol; return its result."""
        self.count += 1
        message = json.dumps({"id": self.count, "method": method, "params": parameters})
        sent = {"sessionId": self.id, "message": message}
        self.session.send("Target.sendMessageToTarget", sent)
        end = time.monotonic() + ANSWER_MS / 1000
        while self.count not in self.answers:
            if time.monotonic() > end:
                raise TimeoutError(f"{method}: no answer within {ANSWER_MS} ms")
            self.clock.wait_for_timeout(10)
        answer = self.answers.pop(self.count)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def evaluate(self, expression: str):
        """Return an expression's value, or that of its promise."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self.send("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        end = time.monotonic() + LOADED_MS / 1000
        while self.evaluate("[document.readyState, location.href]") != ["complete", url]:
            if time.monotonic() > end:
                raise TimeoutError(f"{url} is not loaded within {LOADED_MS} ms")
            self.clock.wait_for_timeout(50)

    def run(self, script: str):
        return self.evaluate(f"(() => {{ {script} }})()")

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def freeze(self) -> None:
        """Hide the tab and stop all its tasks, as browsers do with one that is not looked at."""
        self.send("Page.setWebLifecycleState", state="frozen")

    def thaw(self) -> None:
        """Let its tasks run again; it stays hidden."""
        self.send("Page.setWebLifecycleState", state="active")

    def show(self) -> None:
        """Let it be seen again."""
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def wait(self, milliseconds: float) -> None:
        self.clock.wait_for_timeout(milliseconds)


@contextmanager
def tab(browser: Browser) -> Iterator[Tab]:
    """Open a tab, and close it in the end."""
    session, clock = browser.new_browser_cdp_session(), browser.new_page()
    opened = Tab(session, clock)
    try:
        yield opened
    finally:
        session.send("Target.disposeBrowserContext", {"browserContextId": opened.context})
        session.detach()
        clock.close()
