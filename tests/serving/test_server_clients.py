"""Clients that send nonsense, too much or nothing, that leave, or that do not read."""

import json
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serving.servers import (
    CURL,
    MODEL,
    Timeouts,
    read_to_end,
    read_until,
    running_server,
    small_text,
    start_stream,
    url_of,
)


@pytest.fixture(scope="module")
def server():
    with running_server() as server:
        yield server


def test_malformed_json_is_refused(server):
    for data in (b"{", b"", b"\xff\xfe", b"[]", b"[" * 50_000):
        status, _, answer = server.post(data)
        assert status == 400
        assert "JSON" in answer["error"]["message"]


def test_only_json_is_read(server):
    body = {"model": MODEL, "prompt": "Hello"}
    status, _, answer = server.post(body, **{"Content-Type": "text/plain"})
    assert status == 415
    assert answer["error"]["message"] == "Content-Type must be application/json, got 'text/plain'"


def test_unknown_routes_and_methods_are_refused(server):
    status, _, answer = server.post({}, "/v1/embeddings")
    assert (status, answer["error"]["message"]) == (404, "POST /v1/embeddings: Not Found")
    status, headers, answer = server.post({}, "/v1/models")
    assert (status, answer["error"]["message"]) == (405, "POST /v1/models: Method Not Allowed")
    assert "GET" in headers["Allow"]


@pytest.mark.parametrize("size", [2**16 + 1, 2**20, 2**22])
def test_a_huge_body_is_refused(server, size):
    body = {"model": MODEL, "prompt": "x"}
    data = json.dumps(body).encode()
    padded = data + b" " * (size - len(data))
    output = subprocess.run(
        [*CURL, "-w", "%{http_code}", "--data-binary", "@-", url_of(server)],
        input=padded,
        capture_output=True,
        check=True,
    ).stdout
    assert output.endswith(b"413")
    assert b"the body is larger than 65536 bytes" in output
    assert server.post(padded[: 2**16])[0] == 200


def send_on_and_on(client, data):
    while True:
        client.sendall(data)


def test_a_body_without_end_is_refused():
    with running_server(timeouts=Timeouts(request=60), body_timeout=60) as server:
        client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        client.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with client, pytest.raises(ConnectionError):
            send_on_and_on(client, b"10000\r\n" + b" " * 2**16 + b"\r\n")


@pytest.mark.parametrize("stream", [False, True])
def test_a_disconnect_frees_the_blocks(stream):
    with running_server() as server:
        server.engine.gate.clear()
        body = {"model": MODEL, "prompt": "Hello", "max_tokens": 3000, "temperature": 0}
        process = subprocess.Popen(
            [*CURL, "-d", json.dumps(body | {"stream": stream}), url_of(server)],
            stdout=subprocess.DEVNULL,
        )
        server.wait_until(lambda: server.engine.scheduler.running)
        (request,) = server.engine.scheduler.running
        process.kill()
        process.wait()
        server.engine.gate.set()
        server.wait_until_idle()
        assert request.status == "cancelled"
        assert server.post({"model": MODEL, "prompt": "Hello"})[0] == 200


def test_who_leaves_before_the_first_step_is_forgotten():
    with running_server(max_running=1) as server:
        server.engine.gate.clear()
        with start_stream(server, max_tokens=5), start_stream(server) as second:
            server.wait_until(lambda: server.worker.num_requests == 2)
            second.close()
            server.engine.gate.set()
            server.wait_until_idle()


def test_closing_an_openai_stream_frees_the_blocks(server):
    with server.client() as client:
        stream = client.completions.create(
            model=MODEL, prompt="Hello", max_tokens=3000, temperature=0, stream=True
        )
        next(iter(stream))
        (request,) = server.engine.scheduler.running
        stream.close()
    server.wait_until_idle()
    assert request.status == "cancelled"


def test_the_server_ends_though_a_stream_goes_on():
    with ThreadPoolExecutor(1) as pool:
        with running_server(timeouts=Timeouts(shutdown=0.1)) as server:
            server.engine.gate.clear()
            reader = pool.submit(read_to_end, start_stream(server))
            server.wait_until(lambda: server.engine.scheduler.running)
            (request,) = server.engine.scheduler.running
        assert b"DONE" not in reader.result(60)
    assert request.status == "cancelled"
    assert server.worker.num_requests == 0


def test_a_slow_reader_holds_nobody_and_loses_nothing(server):
    text = small_text("Slow", 1500, server, temperature=0)
    with start_stream(server, "Slow", 1500) as slow:
        server.wait_until(lambda: server.worker.num_requests)
        for _ in range(3):
            assert server.post({"model": MODEL, "prompt": "Hello"})[0] == 200
        server.wait_until_idle()  # its request ended, its blocks are free, nothing is read yet
        received = read_to_end(slow)
    pieces = re.findall(rb"data: (\{.*?\})\n\n", received)
    assert "".join(json.loads(piece)["choices"][0]["text"] for piece in pieces) == text
    assert b"data: [DONE]" in received


def test_who_reads_late_keeps_the_connection():
    with running_server(timeouts=Timeouts(stall=5.0)) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(60)
        client.connect(("127.0.0.1", server.port))
        body = {"model": MODEL, "prompt": "Slow", "max_tokens": 700, "temperature": 0}
        data = json.dumps(body | {"stream": True}).encode()
        head = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        client.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n" + head.encode() + data
        )
        server.wait_until(lambda: server.worker.num_requests)
        server.wait_until_idle()
        read_until(client, b"\r\n0\r\n\r\n")
        time.sleep(5.2)  # the clock of the pause has been stopped, or it would ring now
        client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def test_who_never_reads_is_disconnected():
    with running_server(timeouts=Timeouts(stall=0.2)) as server:
        requests = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
        client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        with client, pytest.raises(ConnectionError):
            send_on_and_on(client, requests)
        assert server.post({"model": MODEL, "prompt": "Hello"})[0] == 200


def closed_by_server(client):
    return client.recv(1000) == b""


def test_connections_that_say_nothing_are_closed():
    with running_server(timeouts=Timeouts(request=0.5)) as server:
        address = "127.0.0.1", server.port
        silent = [socket.create_connection(address, timeout=60) for _ in range(300)]
        half = socket.create_connection(address, timeout=60)
        half.sendall(b"POST /v1/completions HTTP/1.1\r\nHost:")
        assert server.post({"model": MODEL, "prompt": "Hello"})[0] == 200
        again = socket.create_connection(address, timeout=60)
        again.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(again, b"}]}")
        again.sendall(b"GET /v1/mod")  # and then nothing
        idle = socket.create_connection(address, timeout=60)
        idle.sendall(b"GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(idle, b"}}")
        for client in [*silent, half, again, idle]:
            assert closed_by_server(client)
            client.close()


def test_a_long_answer_is_not_a_silent_connection():
    with running_server(timeouts=Timeouts(request=0.2)) as server:
        server.engine.gate.clear()
        with start_stream(server, max_tokens=5) as client:
            server.wait_until(lambda: server.engine.scheduler.running)
            time.sleep(0.5)
            server.engine.gate.set()
            received = read_to_end(client)
        assert b"data: [DONE]" in received


def test_a_body_that_does_not_come_is_refused():
    with running_server(body_timeout=0.2) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
            client.sendall(
                b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"model'
            )
            received = read_to_end(client)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"the body did not come within 0.2 seconds" in received
