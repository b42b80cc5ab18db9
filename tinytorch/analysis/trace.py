"""Record a run of a model, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from tinytorch.analysis.costs import forward_operations
from tinytorch.core import GPT
from tinytorch.generation import stream
from tinytorch.generation.enable import new_kv_cache
from tinytorch.models import ChatTokenizer
from tinytorch.profiling import count_operations


def trace_generation(
    model: GPT,
    tokenizer: ChatTokenizer,
    prompt: str | ArrayLike,
    max_new_tokens: int,
    *,
    time_without_cache: bool = False,
    progress: bool = False,
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
    time_without_cache : bool
        Generate the same tokens again without a cache, and note how long each takes. A pass that
        is not counted goes first: a program's first one is slower than the same pass later.
    progress : bool
        Whether to show a progress bar.

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
        - ``ms``: measured time of the step with the cache, in milliseconds;
        - ``ms_without_cache``: that without it, if `time_without_cache`.

    Raises
    ------
    ValueError
        As `tinytorch.stream`.
    """
    tokens = tokenizer.encode(prompt) if isinstance(prompt, str) else np.asarray(prompt)
    if time_without_cache:
        list(stream(model, tokens, min(max_new_tokens, 1), use_cache=False))
    cache = new_kv_cache(model, 1, max(len(tokens) + max_new_tokens - 1, 1))
    options = {"stop_tokens": tokenizer.stop_tokens}
    steps = stream(model, tokens, max_new_tokens, cache=cache, **options)
    records = []
    for step, (new, operations, ms) in enumerate(
        tqdm(measured(steps), "with a cache", max_new_tokens, disable=not progress, leave=False)
    ):
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
    if time_without_cache:
        steps = stream(model, tokens, len(records), use_cache=False, **options)
        bar = tqdm(measured(steps), "without", len(records), disable=not progress, leave=False)
        for record, (_, _, ms) in zip(records, bar, strict=True):
            record["ms_without_cache"] = ms
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
