"""Record a run of a model, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.analysis.costs import forward_operations
from tinytorch.core import GPT
from tinytorch.generation import stream
from tinytorch.generation.enable import new_kv_cache
from tinytorch.models import ChatTokenizer
from tinytorch.profiling import count_operations


def trace_generation(
    model: GPT, tokenizer: ChatTokenizer, prompt: str | ArrayLike, max_new_tokens: int
) -> list[dict[str, int | float | str]]:
    """Generate greedily with a cache, and note at each step what it took.

    Parameters
    ----------
    model : GPT
    tokenizer : ChatTokenizer
    prompt : str or array_like of shape (T,), int
        Text to continue, or its tokens.
    max_new_tokens : int
        The run ends earlier at one of the tokenizer's stop tokens.

    Returns
    -------
    list of dict
        One record for each step, plain numbers and strings, so that ``json.dumps`` takes them:

        - ``step``: from 0, the prefill;
        - ``token``, ``text``: what the step produced; the text is empty while a character is
          incomplete;
        - ``seq_pos``, ``cache_bytes``: tokens in the cache after the step, and their bytes;
        - ``operations_with_cache``: multiply-adds counted in the step;
        - ``operations_without_cache``: what a step over the whole text takes;
        - ``ms``: measured time of the step with the cache, in milliseconds.

    Raises
    ------
    ValueError
        As `tinytorch.stream`.
    """
    tokens = tokenizer.encode(prompt) if isinstance(prompt, str) else np.asarray(prompt)
    cache = new_kv_cache(model, 1, max(len(tokens) + max_new_tokens - 1, 1))
    steps = stream(model, tokens, max_new_tokens, cache=cache, stop_tokens=tokenizer.stop_tokens)
    records = []
    for step, (new, operations, ms) in enumerate(measured(steps)):
        without = forward_operations(model.config, cache.seq_pos)
        records.append(
            {
                "step": step,
                "token": int(new[0]),
                "seq_pos": cache.seq_pos,
                "cache_bytes": cache.nbytes_used,
                "operations_with_cache": operations,
                "operations_without_cache": sum(without.values()),
                "ms": ms,
            }
        )
    texts = tokenizer.decode_stream(record["token"] for record in records)
    return [record | {"text": text} for record, text in zip(records, texts, strict=True)]


def measured(steps: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, int, float]]:
    """Yield each step of `tinytorch.stream` with what it took.

    Parameters
    ----------
    steps : iterator of ndarray

    Yields
    ------
    tokens : ndarray of shape (B,), int64
    operations : int
        Multiply-adds counted.
    ms : float
        Time, in milliseconds.
    """
    while True:
        start = time.perf_counter()
        with count_operations() as count:
            tokens = next(steps, None)
        ms = (time.perf_counter() - start) * 1e3
        if tokens is None:
            return
        yield tokens, count.total, ms
