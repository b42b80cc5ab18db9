"""A server on loopback does not answer for the names of websites."""

import json
import subprocess

import pytest

from tests.serving.servers import CURL, MODEL, running_server, url_of
from tinytorch.serving.connections import Timeouts, make_server
from tinytorch.serving.local_names import LocalNames, host_name, is_loopback


@pytest.fixture(scope="module")
def server():
    with running_server() as server:
        yield server


OWN = ["localhost", "LocalHost:1234", "127.0.0.1", "127.0.0.1:80", "127.1.2.3:8000", "[::1]:8000"]
FOREIGN = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example#127.0.0.1",
    "192.168.0.1",
    "[2001:db8::1]:80",
    "2130706433",
    "0.0.0.0",
]


@pytest.mark.parametrize("host", OWN)
def test_own_names_are_answered(server, host):
    body = {"model": MODEL, "prompt": "Hello", "max_tokens": 1}
    assert server.post(body, Host=host)[0] == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_refused_and_told_why(server, host):
    status, headers, answer = server.post({"model": MODEL, "prompt": "Hello"}, Host=host)
    assert status == 421
    assert headers["Content-Type"] == "application/json"
    assert answer["error"]["message"].startswith("this server answers to localhost, 127.0.0.1 and")
    assert json.dumps(host) in answer["error"]["message"]
    server.wait_until_idle()


def test_a_request_without_a_name_is_refused(server):
    command = [*CURL, "-0", "-H", "Host:", "-o", "/dev/null", "-w", "%{http_code}", url_of(server)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "421"


def test_clients_use_any_of_its_names(server):
    for name in ("127.0.0.1", "localhost"):
        url = f"http://{name}:{server.port}/v1/models"
        run = subprocess.run([*CURL, "-4", url], capture_output=True, text=True, check=True)
        assert json.loads(run.stdout)["data"][0]["id"] == MODEL
        with server.client() as client:
            client.base_url = f"http://{name}:{server.port}/v1"
            assert [model.id for model in client.models.list()] == [MODEL]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("a.b:80", "a.b"),
        ("a.b", "a.b"),
        ("[::1]:8", "::1"),
        ("[::1]", "::1"),
        ("", ""),
        ("a:b", ""),
        ("::1", ""),
        ("a:80:90", ""),
        ("[::1", ""),
        (":80", ""),
    ],
)
def test_a_header_holds_a_name_and_perhaps_a_port(header, name):
    assert host_name(header) == name


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_only_a_server_on_loopback_asks_for_names(host, is_local):
    async def app(scope, receive, send):
        """Is never called."""

    assert is_loopback(host) == is_local
    config = make_server(app, Timeouts(), host, log_level="critical").config
    assert (config.app is app) != is_local
    assert isinstance(config.app, LocalNames) == is_local
