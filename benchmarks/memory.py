"""What loading and running SmolLM2 takes from the system, measured in fresh processes."""

from __future__ import annotations

import subprocess
import sys

RUN_MODEL = """
import re, resource, time
from pathlib import Path
from tinytorch.generation import generate
from tinytorch.models import load_smollm2

start = time.perf_counter()
model, tokenizer = load_smollm2()
load_s = time.perf_counter() - start
prompt = tokenizer.encode_chat("Why is the sky blue? " * 150)
generate(model, prompt, 64)
status = Path("/proc/self/status")
if status.exists():
    peak_kib = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1])
else:
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(len(prompt), load_s, peak_kib / 1024)
"""

IMPORTS = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import tinytorch
print((time.perf_counter() - middle) * 1e3)
"""


def measure_memory() -> dict[str, float]:
    """Measure load time, peak memory and import time.

    Returns
    -------
    dict
        ``load_s``: seconds of `load_smollm2` once the model is unpacked. ``peak_mib``: most
        memory that a process held which loaded the model and generated 64 tokens after
        ``prompt_tokens``, mapped weights included, in MiB. ``import_ms``: what
        ``import tinytorch`` adds to ``import numpy``, the median of 9.
    """
    prompt_tokens, load_s, peak_mib = _run(RUN_MODEL)
    imports = sorted(_run(IMPORTS)[0] for _ in range(9))
    return {
        "prompt_tokens": prompt_tokens,
        "load_s": round(load_s, 3),
        "peak_mib": round(peak_mib, 1),
        "import_ms": round(imports[4], 2),
    }


def _run(code: str) -> list[float]:
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    return [float(value) for value in output.split()]
