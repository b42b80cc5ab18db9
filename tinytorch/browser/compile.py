"""Compile the kernels to WebAssembly: ``make wasm``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
KERNELS = HERE / "kernels.wasm"
SOURCES = ("kernels.c", "layers.c")
FLAGS = (
    *("-target", "wasm32-freestanding", "-O3", "-msimd128", "-ffp-contract=off"),
    *("-nostdlib", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-s"),
    *("-Wl,--no-entry", "-Wl,--export-dynamic", "-Wl,--import-memory", "-Wl,-z,stack-size=32768"),
)


def compile_kernels(target: Path) -> None:
    """Write the kernels as a WebAssembly module, with the clang of the package ziglang.

    Raises
    ------
    RuntimeError
        If there is no compiler, or it refuses the source; with what it said.
    """
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", str(target), *SOURCES]
    run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"the kernels could not be compiled:\n{run.stderr.strip()}")


if __name__ == "__main__":
    compile_kernels(KERNELS)
    print(f"{KERNELS.name}: {KERNELS.stat().st_size} bytes")
