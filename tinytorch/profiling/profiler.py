"""Measure time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MIB = 2**20


@dataclass(frozen=True)
class Latency:
    """How long repeated calls took, in milliseconds.

    Attributes
    ----------
    median_ms : float
    spread_ms : float
        Distance between the quartiles.
    samples_ms : tuple of float
        Every measurement, in order.
    """

    median_ms: float
    spread_ms: float
    samples_ms: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.median_ms:.3g} ms (± {self.spread_ms / 2:.2g})"


@dataclass(frozen=True)
class MemoryUse:
    """What one call allocated, in MiB (2**20 bytes).

    Attributes
    ----------
    peak_mib : float
        Most memory held at one time during the call, above what was held before it.
    kept_mib : float
        Still held after it, its result included.
    """

    peak_mib: float
    kept_mib: float


class Profiler:
    """Measure what a call costs.

    Examples
    --------
    >>> profiler = Profiler()
    >>> profiler.measure_latency(np.sort, np.arange(1000), iterations=20).median_ms
    """

    def measure_latency(
        self, fn: Callable, *args: object, warmup: int = 1, iterations: int = 5
    ) -> Latency:
        """Time ``fn(*args)``.

        Parameters
        ----------
        fn : callable
        *args
            Passed to `fn`.
        warmup : int
            Calls made first and not counted: they fill processor caches and allocate memory.
        iterations : int
            Calls that are timed.

        Returns
        -------
        Latency

        Raises
        ------
        ValueError
            If `warmup` is negative or `iterations` less than 1.
        """
        if warmup < 0 or iterations < 1:
            raise ValueError(
                f"need warmup >= 0 and iterations >= 1, got {warmup=} and {iterations=}"
            )
        for _ in range(warmup):
            fn(*args)
        samples = []
        for _ in range(iterations):
            start = time.perf_counter()
            fn(*args)
            samples.append((time.perf_counter() - start) * 1e3)
        low, median, high = np.percentile(samples, [25, 50, 75])
        return Latency(float(median), float(high - low), tuple(samples))

    def measure_memory(self, fn: Callable, *args: object) -> MemoryUse:
        """Trace the memory that ``fn(*args)`` allocates, NumPy arrays included.

        Tracing slows the call down: measure its time separately.

        Parameters
        ----------
        fn : callable
        *args
            Passed to `fn`.

        Returns
        -------
        MemoryUse

        Raises
        ------
        RuntimeError
            If memory is being traced already, as inside another measurement.
        """
        if tracemalloc.is_tracing():
            raise RuntimeError("memory is being traced already; measure one call at a time")
        tracemalloc.start()
        try:
            result = fn(*args)
            kept, peak = tracemalloc.get_traced_memory()
            del result
        finally:
            tracemalloc.stop()
        return MemoryUse(peak / MIB, kept / MIB)
