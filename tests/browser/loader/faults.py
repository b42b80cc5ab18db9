"""A web host that misbehaves as it is told, and notes what it was asked for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

CHUNK = 2**16
READ_WITHIN = 0.2  # seconds: what a browser has not read when a connection breaks, it drops


@dataclass
class Answer:
    """What the host is about to send; a fault changes it."""

    whole: bytes
    start: int  # the first byte that was asked for
    body: bytes
    status: int
    cut_at: int | None = None  # close the connection there
    delay: float = 0.0  # seconds before each chunk


Fault = Callable[[Answer], None]


@dataclass
class Host:
    """Where it is, what it is to do wrong, and what it was asked for."""

    url: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    """For each file's name, faults for its next requests, one a request."""
    requests: list[tuple[str, int]] = field(default_factory=list)
    """Names of files and the first byte asked for."""

    def fault(self, name: str, *faults: Fault) -> None:
        """Do these things wrong, one a request, for the next requests of a file."""
        self.faults.setdefault(name, []).extend(faults)

    def asked_for(self, suffix: str = ".bin") -> list[tuple[str, int]]:
        """Return the requests of files with this ending."""
        return [request for request in self.requests if request[0].endswith(suffix)]


def missing(answer: Answer) -> None:
    answer.status, answer.body = 404, b"not here"


def busy(answer: Answer) -> None:
    answer.status, answer.body = 503, b"later"


def without_ranges(answer: Answer) -> None:
    answer.status, answer.body = 200, answer.whole


def one_byte_changed(answer: Answer) -> None:
    middle = len(answer.body) // 2
    byte = bytes([answer.body[middle] ^ 1])
    answer.body = answer.body[:middle] + byte + answer.body[middle + 1 :]


def cut(share: float) -> Fault:
    """Close the connection when this share of the body is sent."""

    def fault(answer: Answer) -> None:
        answer.cut_at = int(share * len(answer.body))

    return fault


def slow(delay: float) -> Fault:
    """Wait before each 64 KiB."""

    def fault(answer: Answer) -> None:
        answer.delay = delay

    return fault


class Handler(SimpleHTTPRequestHandler):
    """Sends files, or parts of them, after the host's faults."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args, host: Host, **options):
        self.host = host
        super().__init__(*args, **options)

    def do_GET(self):
        path = Path(self.translate_path(urlsplit(self.path).path))
        if not path.is_file():
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = path.read_bytes()
        answer = Answer(body, start, body[start:], 206 if asked else 200)
        self.host.requests.append((path.name, start))
        if faults := self.host.faults.get(path.name):
            faults.pop(0)(answer)
        self._send(answer, self.guess_type(str(path)))

    def _send(self, answer: Answer, kind: str) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.status == 206:
            size = len(answer.whole)
            self.send_header("Content-Range", f"bytes {answer.start}-{size - 1}/{size}")
        self.end_headers()
        end = len(answer.body) if answer.cut_at is None else answer.cut_at
        try:
            for at in range(0, end, CHUNK):
                time.sleep(answer.delay)
                self.wfile.write(answer.body[at : min(at + CHUNK, end)])
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True  # the reader has gone
        if answer.cut_at is not None:
            time.sleep(READ_WITHIN)
            self.close_connection = True

    def log_message(self, *args):
        pass


@contextmanager
def host(folder: Path, address: str = "127.0.0.1") -> Iterator[Host]:
    """Serve `folder` while the block runs."""
    state = Host()
    handler = partial(Handler, host=state, directory=str(folder))
    server = ThreadingHTTPServer((address, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://{address}:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
