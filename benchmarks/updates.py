"""What adding one token to a cache costs, by the number of tokens that are in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinytorch.generation import KVCache
from tinytorch.profiling import Profiler

LENGTHS = (1_000, 4_000, 16_000, 64_000)
NUM_LAYERS, NUM_KV_HEADS, HEAD_DIM = 30, 3, 64
REPEATS = 50


def time_updates(with_transformers: bool) -> dict[str, dict[int, dict[str, float]]]:
    """Time one token's update of all layers: median and spread in milliseconds, by length.

    Returns
    -------
    dict
        ``KVCache``, and ``DynamicCache`` of transformers where that is installed.
    """
    times = {"KVCache": {length: _time_kv_cache(length) for length in LENGTHS}}
    if with_transformers:
        times["DynamicCache"] = {length: _time_dynamic_cache(length) for length in LENGTHS}
    return times


def _time_kv_cache(length: int) -> dict[str, float]:
    cache = KVCache(1, length + REPEATS + 2, NUM_LAYERS, NUM_KV_HEADS, HEAD_DIM)
    history = np.ones((1, NUM_KV_HEADS, length, HEAD_DIM), dtype=np.float32)
    for layer_idx in range(NUM_LAYERS):
        cache.update(layer_idx, history, history)
    cache.advance(length)
    new = np.ones((1, NUM_KV_HEADS, 1, HEAD_DIM), dtype=np.float32)

    def add_token() -> None:
        for layer_idx in range(NUM_LAYERS):
            cache.update(layer_idx, new, new)
        cache.advance()

    return _measure(add_token)


def _time_dynamic_cache(length: int) -> dict[str, float]:
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    history = torch.ones((1, NUM_KV_HEADS, length, HEAD_DIM))
    for layer_idx in range(NUM_LAYERS):
        cache.update(history, history, layer_idx)
    new = torch.ones((1, NUM_KV_HEADS, 1, HEAD_DIM))

    def add_token() -> None:
        for layer_idx in range(NUM_LAYERS):
            cache.update(new, new, layer_idx)

    return _measure(add_token)


def _measure(add_token: Callable[[], None]) -> dict[str, float]:
    latency = Profiler().measure_latency(add_token, iterations=REPEATS)
    return {"median": round(latency.median_ms, 4), "spread": round(latency.spread_ms, 4)}
