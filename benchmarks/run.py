"""Measure tinytorch beside its peers: ``make bench``.

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
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.gguf_file import write_float32
from benchmarks.memory import measure_memory
from benchmarks.peers import NUM_THREADS
from benchmarks.report import RESULTS, report, update_readme
from benchmarks.updates import time_updates
from tinytorch.models import smollm2_gguf
from tinytorch.profiling import Profiler

MODULES = {"tinytorch": "tinytorch", "transformers": "transformers", "llama.cpp": "llama_cpp"}
PROMPT_LENGTHS = (64, 512, 1000)
NUM_DECODED = 32
ENVIRONMENT = os.environ | {
    "OPENBLAS_NUM_THREADS": str(NUM_THREADS),
    "OMP_NUM_THREADS": str(NUM_THREADS),
    "TOKENIZERS_PARALLELISM": "false",
}


class Worker:
    """A running process of `benchmarks.peers`, or of another module that is asked alike."""

    def __init__(self, name: str, gguf_file: Path, module: str = "benchmarks.peers"):
        command = [sys.executable, "-m", module, name, str(gguf_file)]
        self.process = subprocess.Popen(
            command,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.versions = self.read()

    def ask(self, **request: object) -> dict:
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
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks.json"))
    parser.add_argument(
        "--commit", action="store_true", help="write results.json and the README's tables"
    )
    arguments = parser.parse_args()
    if os.environ != ENVIRONMENT:
        # BLAS reads its number of threads when NumPy is imported.
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks.run", *sys.argv[1:]], ENVIRONMENT
        )
    installed = [name for name, module in MODULES.items() if importlib.util.find_spec(module)]
    for name in MODULES.keys() - installed:
        print(f"{name} is not installed and left out; see benchmarks/requirements.txt")

    results = {
        "machine": describe_machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "num_threads": NUM_THREADS,
        "rounds": arguments.rounds,
        "memory_bandwidth_gb_per_s": measure_bandwidth(),
        "num_decoded": NUM_DECODED,
        **compare_peers(installed, arguments.rounds),
        "cache_update": time_updates("transformers" in installed),
        "process": measure_memory(),
    }
    results = save(results, RESULTS if arguments.commit else arguments.output, report)
    if arguments.commit:
        update_readme(results)


def save(results: dict, output: Path, show: Callable[[dict], str]) -> dict:
    """Print results and write them to a file; return them as they are read from it."""
    results = json.loads(json.dumps(results))
    print(show(results))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"written to {output}")
    return results


def compare_peers(names: list[str], rounds: int) -> dict:
    """Time prefill and decoding of every implementation after every prompt length."""
    with tempfile.TemporaryDirectory() as name:
        gguf_file = write_float32(smollm2_gguf(), Path(name) / "smollm2-float32.gguf")
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


def measure_peak() -> float:
    """Floating-point operations per second, in 1e9, of NumPy's product of two large matrices."""
    side = 1_500
    square = np.ones((side, side), dtype=np.float32)
    latency = Profiler().measure_latency(np.matmul, square, square, iterations=9)
    return round(2 * side**3 / latency.median_ms / 1e6, 1)


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


if __name__ == "__main__":
    main()
