"""Ask a server on loopback 200 things at once: ``python -m benchmarks.serving_load``.

It starts ``python -m tinytorch.serving`` with its usual limits, sends all requests together, and
stops when all are answered.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.http_client import stream_completion
from benchmarks.serving_report import percentiles
from benchmarks.serving_workload import MOST_TOKENS, Request, mixed_requests
from tinytorch.generation import generate
from tinytorch.models import load_smollm2
from tinytorch.serving.__main__ import MODEL_ID

NUM_REQUESTS, NUM_TEXTS = 200, 40
NUM_BLOCKS, BLOCK_KIB = 512, 720


def main() -> None:
    _, tokenizer = load_smollm2()
    requests = load_requests(mixed_requests(tokenizer, NUM_TEXTS))
    print(json.dumps(measure_load(requests, texts_alone(requests)), indent=1))


def load_requests(texts: Sequence[Request], num_requests: int = NUM_REQUESTS) -> list[Request]:
    """Repeat requests until there are enough, none with a long answer."""
    return [
        text | {"count": min(text["count"], MOST_TOKENS)}
        for text in (texts[i % len(texts)] for i in range(num_requests))
    ]


def texts_alone(requests: Sequence[Request]) -> list[str]:
    """Return what `generate` writes for each request."""
    model, tokenizer = load_smollm2()
    known: dict[tuple, str] = {}
    for request in requests:
        key = request["text"], request["count"]
        if key not in known:
            tokens = generate(model, request["prompt"], request["count"])
            known[key] = tokenizer.decode(tokens[len(request["prompt"]) :])
    return [known[request["text"], request["count"]] for request in requests]


def measure_load(requests: Sequence[Request], expected: Sequence[str]) -> dict:
    """Send all requests to a new server at once.

    Returns
    -------
    dict
        Counts, tokens/s, p50 and p95 of the time to first token in ms, and the memory of the
        server's process before and at its peak, in MiB.
    """
    with running_server() as (port, process):
        _ask(port, requests[0])  # the model is loaded, and its weights are in memory
        idle_mib = memory_mib(process.pid, "VmRSS")
        with ThreadPoolExecutor(len(requests)) as users:
            replies = list(users.map(lambda request: _try(port, request), requests))
        peak_mib = memory_mib(process.pid, "VmHWM")
    answers = [reply for reply in replies if reply is not None]
    took = max(answer["last"] for answer in answers) - min(answer["sent"] for answer in answers)
    first = [(answer["first"] - answer["sent"]) * 1e3 for answer in answers]
    written = sum(
        request["count"] for request, reply in zip(requests, replies, strict=True) if reply
    )
    return {
        "requests": len(requests),
        "answered": len(answers),
        "texts_equal": sum(
            reply is not None and reply["text"] == text
            for reply, text in zip(replies, expected, strict=True)
        ),
        "tokens_per_s": round(written / took, 2),
        "first_token_ms": percentiles(first),
        "idle_mib": idle_mib,
        "peak_mib": peak_mib,
        "blocks_mib": NUM_BLOCKS * BLOCK_KIB / 1024,
    }


def _ask(port: int, request: Request) -> dict:
    body = {"model": MODEL_ID, "prompt": request["prompt"], "max_tokens": request["count"]}
    return stream_completion(port, body | {"temperature": 0})


def _try(port: int, request: Request) -> dict | None:
    try:
        return _ask(port, request)
    except (OSError, RuntimeError) as error:
        print(f"lost: {error}", file=sys.stderr)
        return None


@contextmanager
def running_server() -> Iterator[tuple[int, subprocess.Popen]]:
    """Run the server in a process of its own while the block runs; yield its port."""
    command = [sys.executable, "-m", "tinytorch.serving", "--port", "0"]
    command += ["--num-blocks", str(NUM_BLOCKS)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _port_of(process), process
        finally:
            process.terminate()


def _port_of(process: subprocess.Popen) -> int:
    for line in process.stderr:
        found = re.search(r"running on http://127\.0\.0\.1:(\d+)", line)
        if found:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return int(found[1])
    raise RuntimeError("the server did not start")


def memory_mib(pid: int, field: str) -> float:
    """Read a field of a process's memory from Linux, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return round(int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024, 1)


if __name__ == "__main__":
    main()
