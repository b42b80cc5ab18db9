"""A client of the OpenAI protocol that notes when each part of an answer arrives."""

from __future__ import annotations

import http.client
import json
import time

TIMEOUT = 600
"""Seconds after which a request is given up."""


def stream_completion(port: int, body: dict) -> dict:
    """Ask a server on loopback for a completion, and read it piece by piece.

    Parameters
    ----------
    port : int
    body : dict
        The request, without ``stream``.

    Returns
    -------
    dict
        ``text``; ``sent``, ``first`` and ``last``: when the request was sent, the first text came
        and the last, in seconds of `time.perf_counter`.

    Raises
    ------
    RuntimeError
        If the server answers with an error, or ends before the last event.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    sent = time.perf_counter()
    try:
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body | {"stream": True})
        connection.request("POST", "/v1/completions", data, headers)
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {response.read(500)!r}")
        return {"sent": sent, **_read_events(response)}
    finally:
        connection.close()


def _read_events(response: http.client.HTTPResponse) -> dict:
    parts, times = [], []
    for line in response:
        if not line.startswith(b"data: "):
            continue
        event = line.removeprefix(b"data: ").strip()
        if event == b"[DONE]":
            return {"text": "".join(parts), "first": times[0], "last": times[-1]}
        event = json.loads(event)
        if "error" in event:
            raise RuntimeError(f"the server failed: {event['error']}")
        text = "".join(choice.get("text") or "" for choice in event["choices"])
        if text:
            parts.append(text)
            times.append(time.perf_counter())
    raise RuntimeError("the answer ended early")
