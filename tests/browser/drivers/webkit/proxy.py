"""What a WebKit session asks for goes through here: noted, answered by the test, or passed on."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.browser.drivers.webkit.said import Message, watched
from tests.browser.drivers.webkit.waiting import until

OF_A_CONNECTION = {"connection", "proxy-connection", "keep-alive", "transfer-encoding"}
OF_A_CACHE = {"cache-control", "etag", "expires", "last-modified"}
QUIET_S = 0.3
"""As long as this nothing is asked for once a page is idle."""

LOADED_S = 30


class Request:
    """A request, with what became of it."""

    def __init__(self, url: str):
        self.url = url
        self.failure: str | None = None
        self.size = 0
        self.status = 0

    def sizes(self) -> dict[str, int]:
        """Return how many bytes the body of the answer had on its way."""
        return {"responseBodySize": self.size}


class WebKitRoute:
    """A request that the test answers; `interface.Route`."""

    def __init__(self, request: Request):
        self.request = request
        self.answer: tuple[int, bytes, str | None] | None = None
        self.done = threading.Event()

    def fulfill(
        self, *, status: int = 200, body: str = "", content_type: str | None = None
    ) -> None:
        self.answer = status, body.encode(), content_type
        self.done.set()

    def abort(self) -> None:
        self.done.set()


class AbortedError(ConnectionError):
    """The test let a request fail."""


class Handler(BaseHTTPRequestHandler):
    """Answers one connection of the browser."""

    protocol_version = "HTTP/1.1"
    server: "Proxy"

    def do_GET(self) -> None:
        page = self.server.page()
        request = Request(self.path)
        emit = page.emit if page else lambda event, what: None
        with self.server.noted():
            emit("request", request)
            try:
                handler = page.handler_of(self.path) if page else None
                if handler:
                    self._answer_by(handler, page, request)
                else:
                    self._pass_on(request)
            except (OSError, http.client.HTTPException) as error:
                request.failure = f"{type(error).__name__}: {error}"
                if not isinstance(error, BrokenPipeError | ConnectionResetError):
                    emit("requestfailed", request)
                self.close_connection = True
            else:
                emit("requestfinished", request)
                if request.status >= 400:  # other browsers say so in their consoles
                    text = f"Failed to load resource: status {request.status}"
                    emit("console", Message("error", text, {"url": request.url}))

    do_HEAD = do_POST = do_GET  # noqa: N815

    def do_CONNECT(self) -> None:
        """Note that a page asks for another host by TLS, and refuse."""
        if page := self.server.page():
            page.emit("request", Request(f"https://{self.path}"))
        self.send_error(502)

    def _answer_by(self, handler: Callable, page, request: Request) -> None:
        route = WebKitRoute(request)
        handler(route)
        while not route.done.wait(0.1):
            if page.closed:
                raise AbortedError("the page was closed")
        if route.answer is None:
            raise AbortedError("by the test")
        status, body, kind = route.answer
        if kind and kind.startswith("text/html"):
            body = watched(body)
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        request.size = len(body)

    def _pass_on(self, request: Request) -> None:
        parts = urlsplit(self.path)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        size = int(self.headers.get("Content-Length") or 0)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in OF_A_CONNECTION}
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=LOADED_S)
        try:
            connection.request(self.command, path, self.rfile.read(size) or None, headers)
            answer = connection.getresponse()
            request.status = answer.status
            kind = answer.headers.get_content_type()
            if kind == "text/html" and answer.status == 200 and self.command == "GET":
                self._pass_page_on(answer, request)
            else:
                self._pass_parts_on(answer, request)
        finally:
            connection.close()

    def _pass_head_on(self, answer: http.client.HTTPResponse, but: set[str]) -> None:
        self.send_response_only(answer.status, answer.reason)
        for key, value in answer.getheaders():
            if key.lower() not in OF_A_CONNECTION | OF_A_CACHE | but:
                self.send_header(key, value)
        self.send_header("Cache-Control", "no-store")  # a new reader has seen nothing yet

    def _pass_page_on(self, answer: http.client.HTTPResponse, request: Request) -> None:
        """Pass a page on, with the script that notes what it says."""
        body = answer.read()
        request.size = len(body)
        page = watched(body, answer.headers.get("Content-Encoding") == "gzip")
        self._pass_head_on(answer, {"content-encoding", "content-length"})
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _pass_parts_on(self, answer: http.client.HTTPResponse, request: Request) -> None:
        """Pass anything else on as it comes."""
        self._pass_head_on(answer, set())
        if answer.length is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        while part := answer.read(65_536):
            self.wfile.write(part)
            request.size += len(part)

    def log_message(self, *args) -> None:
        pass


class Proxy(ThreadingHTTPServer):
    """A proxy for one session.

    Parameters
    ----------
    page : callable
        Returns the page that asks, or None.
    """

    daemon_threads = True

    def __init__(self, page: Callable):
        super().__init__(("127.0.0.1", 0), Handler)
        self.page = page
        self.under_way = 0
        self.last = time.monotonic()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Count a request while it is under way."""
        with self.lock:
            self.under_way += 1
        try:
            yield
        finally:
            with self.lock:
                self.under_way -= 1
                self.last = time.monotonic()

    def wait_until_quiet(self) -> None:
        """Return when nothing is asked for any more."""
        until(
            lambda: not self.under_way and time.monotonic() - self.last > QUIET_S,
            LOADED_S,
            "the page is not idle",
        )

    def handle_error(self, request, client_address) -> None:
        """Say nothing of a browser that closes a connection."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
