"""Start Firefox, and answer for it the one command of Playwright that Debian's does not know yet.

Playwright starts this in the place of Firefox, and talks WebDriver BiDi through it. To a command of
`OPTIONAL` that Firefox calls unknown, it hears that all is well: what the command asks for is in
the preferences that Firefox was started with, or nothing that a test sees.
"""

import json
import os
import re
import subprocess
import sys
from functools import partial

import trio
from trio_websocket import ConnectionClosed, connect_websocket_url, serve_websocket

FIREFOX = "TINYTORCH_TESTS_FIREFOX"
OPTIONAL = {
    "emulation.setMediaFeaturesOverride",
    "emulation.setScreenSettingsOverride",
    "emulation.setScreenOrientationOverride",
}
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
LARGEST = 2**30  # bytes of a message


class Relay:
    """Passes messages on in both directions, and notes the commands that may be unknown."""

    def __init__(self):
        self.optional: set[int] = set()

    def command(self, text: str) -> str:
        """Note a command of Playwright."""
        if '"emulation.' in text:
            message = json.loads(text)
            if message.get("method") in OPTIONAL:
                self.optional.add(message["id"])
        return text

    def answer(self, text: str) -> str:
        """Say that all is well where Firefox knows no optional command."""
        if '"unknown command"' in text:
            message = json.loads(text)
            if message.get("error") == "unknown command" and message["id"] in self.optional:
                return json.dumps({"type": "success", "id": message["id"], "result": {}})
        return text


async def passed_on(source, target, change, scope: trio.CancelScope) -> None:
    """Pass messages on until one side closes."""
    try:
        while True:
            await target.send_message(change(await source.get_message()))
    except ConnectionClosed:
        scope.cancel()


async def serve(url: str, request) -> None:
    """Connect Playwright, which has come, with Firefox."""
    relay = Relay()
    path = request.path
    client = await request.accept()
    async with trio.open_nursery() as nursery:
        address = re.sub(r"^(ws://[^/]+).*", rf"\1{path}", url)
        firefox = await connect_websocket_url(nursery, address, max_message_size=LARGEST)
        scope = nursery.cancel_scope
        nursery.start_soon(passed_on, client, firefox, relay.command, scope)
        nursery.start_soon(passed_on, firefox, client, relay.answer, scope)


async def main(arguments: list[str]) -> None:
    """Run Firefox; tell at which port it is reached through this process."""
    process = subprocess.Popen([os.environ[FIREFOX], *arguments], stderr=subprocess.PIPE, text=True)

    def said() -> str:
        return process.stderr.readline()

    async with trio.open_nursery() as nursery:
        while line := await trio.to_thread.run_sync(said):
            if found := LISTENING.search(line):
                run = partial(serve_websocket, max_message_size=LARGEST)
                server = await nursery.start(run, partial(serve, found[1]), "127.0.0.1", 0, None)
                line = f"WebDriver BiDi listening on ws://127.0.0.1:{server.port}\n"
            sys.stderr.write(line)
            sys.stderr.flush()
        nursery.cancel_scope.cancel()
    sys.exit(process.wait())


if __name__ == "__main__":
    trio.run(main, sys.argv[1:])
