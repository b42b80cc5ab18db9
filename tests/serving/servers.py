"""A server in a thread of the test, so that the test can look into its engine."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass

from openai import OpenAI

from tests.conftest import LLAMA, random_weights
from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import generate
from tinytorch.models import ChatTokenizer
from tinytorch.models.tokenizer import CONTROL_TOKEN, build_bpe
from tinytorch.serving import Engine
from tinytorch.serving.connections import Timeouts, make_server
from tinytorch.serving.protocol import Limits
from tinytorch.serving.server import Api
from tinytorch.serving.worker import EngineWorker

MODEL = "small"
CURL = ["curl", "-sSN", "--max-time", "60", "-H", "Content-Type: application/json"]
LIMITS = Limits(max_prompt_tokens=1000, max_new_tokens=3000)
TIMEOUTS = Timeouts()
PRINTABLE = [chr(code) for code in range(0x21, 0x7F)] + ["Ġ"]  # a space, as byte-level BPE has it
CHAT_TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[assistant] "


def small_tokenizer() -> ChatTokenizer:
    """A token for each printable character of ASCII, and one that ends a text."""
    bpe = build_bpe(["<|end|>", *PRINTABLE], [CONTROL_TOKEN] + [1] * len(PRINTABLE), [])
    return ChatTokenizer(bpe, CHAT_TEMPLATE, ["<|end|>"])


def small_model() -> GPT:
    config = ModelConfig(**LLAMA | {"vocab_size": 1 + len(PRINTABLE), "max_seq_len": 4096})
    return GPT(config, weights=random_weights(config))


class GatedEngine(Engine):
    """An engine that steps only while its gate is open, and fails as often as it is told."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gate = threading.Event()
        self.gate.set()
        self.failures = 0

    def _compute(self, step):
        assert self.gate.wait(60)
        if self.failures:
            self.failures -= 1
            raise MemoryError("no room for the logits")
        return super()._compute(step)


@dataclass
class RunningServer:
    port: int
    worker: EngineWorker

    @property
    def engine(self) -> GatedEngine:
        return self.worker.engine

    @property
    def pool(self):
        return self.engine.scheduler.pool

    def client(self, **options) -> OpenAI:
        options = {"max_retries": 0, "timeout": 60} | options
        return OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="any", **options)

    def post(self, body: bytes | dict, path: str = "/v1/completions", **headers: str):
        """Post without a library's help; return status, headers and the parsed body."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json"} | headers
            connection.request("POST", path, data, headers)
            response = connection.getresponse()
            return response.status, response.headers, json.loads(response.read())
        finally:
            connection.close()

    def wait_until(self, condition) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it did not come to that"
            time.sleep(0.005)

    def wait_until_idle(self) -> None:
        """Every request has ended, and no block is held."""
        self.wait_until(lambda: self.worker.num_requests == 0 and not self.engine.has_work)
        assert self.pool.num_free == self.pool.num_blocks


@contextlib.contextmanager
def running_server(
    *,
    num_blocks: int = 512,
    max_requests: int = 256,
    limits: Limits = LIMITS,
    timeouts: Timeouts = TIMEOUTS,
    body_timeout: float = 10.0,
    max_body_bytes: int = 2**16,
    **engine_options,
):
    engine = GatedEngine(small_model(), num_blocks, **engine_options)
    worker = EngineWorker(engine, small_tokenizer(), max_requests)
    api = Api(worker, MODEL, limits, max_body_bytes=max_body_bytes, body_timeout=body_timeout)
    server = make_server(api.app(), timeouts, port=0, log_level="critical")
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        listener = server.servers[0].sockets[0]
        # Its connections take little before their client reads, so that a slow reader is one.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        yield RunningServer(listener.getsockname()[1], worker)
    finally:
        engine.gate.set()
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def url_of(server):
    return f"http://127.0.0.1:{server.port}/v1/completions"


def small_text(prompt, count, server, **options):
    """The small model's text as `generate` and the whole decoder give it."""
    tokenizer = small_tokenizer()
    tokens = tokenizer.encode(prompt)
    model = server.engine.model
    new = generate(model, tokens, count, stop_tokens=tokenizer.stop_tokens, **options)
    return tokenizer.decode(new[len(tokens) :], skip_control_tokens=True)


def start_stream(server, prompt="Hello", max_tokens=3000):
    """Ask for a stream by hand and return the open socket, nothing read."""
    body = {"model": MODEL, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0}
    data = json.dumps(body | {"stream": True}).encode()
    client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    client.sendall(head.encode() + data)
    return client


def read_to_end(client):
    with client:
        return b"".join(iter(lambda: client.recv(4096), b""))


def read_until(client, end):
    """Read up to these bytes; a connection that is closed before them is a failure."""
    received = b""
    while not received.endswith(end):
        piece = client.recv(4096)
        assert piece, f"closed after {received[-200:]}"
        received += piece
