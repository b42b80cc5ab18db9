"""The tables of the chapter: what naive generation costs, and what a cache takes and saves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from tabulate import tabulate

from tinytorch.analysis.costs import (
    generation_operations,
    generation_score_pairs,
    kv_cache_bytes,
    kv_projections,
)
from tinytorch.analysis.model_zoo import CHAPTER_MODELS, MODEL_ZOO, ModelSpec, get_model
from tinytorch.analysis.trace import measured
from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import generate, stream
from tinytorch.profiling.profiler import MIB

Row = dict[str, int | float | str]


def profile_naive_generation(
    model: GPT | None = None,
    prompt_tokens: ArrayLike | None = None,
    max_new_tokens: int = 32,
    *,
    print_table: bool = False,
) -> list[Row]:
    """Generate without a cache, and measure how each token costs more than the one before.

    Parameters
    ----------
    model : GPT, optional
        Default: a random model of the shape "Small 512D".
    prompt_tokens : array_like of shape (T,), int, optional
        Default: 8 tokens.
    max_new_tokens : int
    print_table : bool

    Returns
    -------
    list of dict
        For each new token: ``tokens`` in the pass, ``operations`` (multiply-adds, counted) and
        ``ms`` (measured).

    Raises
    ------
    ValueError
        As `tinytorch.stream`.
    """
    if model is None:
        model = GPT(_config_of(CHAPTER_MODELS["Small 512D"]))
    prompt = np.arange(8) if prompt_tokens is None else np.asarray(prompt_tokens)
    steps = stream(model, prompt, max_new_tokens, use_cache=False)
    rows = [
        {"tokens": length, "operations": operations, "ms": ms}
        for length, (_, operations, ms) in enumerate(measured(steps), start=len(prompt))
    ]
    _print_table(rows, print_table)
    return rows


def analyze_kvcache_memory(
    models: Iterable[ModelSpec | str] | None = None, *, print_table: bool = False
) -> list[Row]:
    """Compare what one full-length sequence takes in the cache with what the weights take.

    Parameters
    ----------
    models : iterable of ModelSpec or str, optional
        Default: the four teaching models (Tiny 128D to Large 1024D), then all public ones.
    print_table : bool

    Returns
    -------
    list of dict
        For each model: ``model``, ``attention``, ``context`` (tokens), ``bytes_per_element`` of
        weights and cache as published, ``bytes_per_token`` (the first token's, before a window
        is full), ``cache_mib`` and ``weights_mib`` in MiB, and ``cache_share``, the cache as a
        fraction of the weights.

    Raises
    ------
    ValueError
        If there is no model of a name.
    """
    if models is None:
        models = (*CHAPTER_MODELS.values(), *MODEL_ZOO.values())
    rows = []
    for model in models:
        spec = get_model(model) if isinstance(model, str) else model
        bits = 8 * spec.native_bytes
        cache = kv_cache_bytes(spec, spec.max_context, bits_per_element=bits)
        weights = spec.num_parameters * spec.native_bytes
        rows.append(
            {
                "model": spec.name,
                "attention": spec.attention,
                "context": spec.max_context,
                "bytes_per_element": spec.native_bytes,
                "bytes_per_token": kv_cache_bytes(spec, 1, bits_per_element=bits),
                "cache_mib": cache / MIB,
                "weights_mib": weights / MIB,
                "cache_share": cache / weights,
            }
        )
    _print_table(rows, print_table)
    return rows


def analyze_kvcache_speedup(
    lengths: Sequence[int] = (10, 50, 100, 200),
    model: GPT | None = None,
    *,
    prompt_length: int = 4,
    print_table: bool = False,
) -> list[Row]:
    """Count what a cache saves, in three ways that are all quoted as "the speedup".

    Parameters
    ----------
    lengths : sequence of int
        Numbers of tokens to generate.
    model : GPT, optional
        Its generation is also timed, with and without the cache, and its shape is counted.
        Default: the shape of GPT-2 small is counted, and nothing timed.
    prompt_length : int
        Tokens before the first generated one, for the whole model.
    print_table : bool

    Returns
    -------
    list of dict
        For each length n: ``kv_projections`` and ``score_pairs``, how many times fewer there are
        with a cache when n tokens are generated from nothing; ``whole_model``, how many times
        fewer multiply-adds a model does for `prompt_length` + n tokens; with `model`, also
        ``ms_without``, ``ms_with`` and ``measured``, their ratio.

    Notes
    -----
    The first ratio is ``(n + 1) / 2``, the second ``(2 n + 1) / 3``: linear in n. The second
    counts full squares without a cache; the third counts what the model computes, see
    `tinytorch.analysis.costs.score_pairs`.
    """
    shape = get_model("GPT-2 small") if model is None else model.config
    rows = []
    for length in lengths:
        ratios = {
            "kv_projections": _ratio(kv_projections, length),
            "score_pairs": _ratio(generation_score_pairs, length),
            "whole_model": _ratio(
                lambda n, use_cache: sum(
                    generation_operations(shape, prompt_length, n, use_cache=use_cache).values()
                ),
                length,
            ),
        }
        row = {"tokens": length, **ratios}
        if model is not None:
            prompt = np.arange(prompt_length) % model.vocab_size
            row["ms_without"] = _generation_ms(model, prompt, length, use_cache=False)
            row["ms_with"] = _generation_ms(model, prompt, length, use_cache=True)
            row["measured"] = row["ms_without"] / row["ms_with"]
        rows.append(row)
    _print_table(rows, print_table)
    return rows


def table(
    rows: Sequence[Row], columns: Mapping[str, str] | None = None, *, float_format: str = ",.2f"
) -> str:
    """Lay out records as a table that a notebook shows as HTML.

    Parameters
    ----------
    rows : sequence of dict
        Records with the same keys, as the functions of this module return them.
    columns : mapping of str to str, optional
        Which keys to show, in which order, under which headings. Default: all, by their names.
    float_format : str
        How floating-point numbers are written.

    Returns
    -------
    str
        HTML, which IPython displays.

    Raises
    ------
    KeyError
        If the rows have no such key.
    """
    if columns is None:
        columns = {key: key for key in rows[0]}
    cells = [[row[key] for key in columns] for row in rows]
    return tabulate(
        cells, headers=list(columns.values()), tablefmt="html", floatfmt=float_format, intfmt=","
    )


def _ratio(count, length: int) -> float:
    return count(length, use_cache=False) / count(length, use_cache=True)


def _generation_ms(model: GPT, prompt: np.ndarray, length: int, *, use_cache: bool) -> float:
    start = time.perf_counter()
    generate(model, prompt, length, use_cache=use_cache)
    return (time.perf_counter() - start) * 1e3


def _config_of(spec: ModelSpec) -> ModelConfig:
    return ModelConfig(
        vocab_size=spec.vocab_size,
        embed_dim=spec.embed_dim,
        num_layers=spec.num_layers,
        num_heads=spec.num_heads,
        num_kv_heads=spec.num_kv_heads,
        head_dim=spec.head_dim,
        mlp_dim=spec.mlp_dim,
        max_seq_len=spec.max_context,
        mlp=spec.mlp,
        tied_embeddings=spec.tied_embeddings,
    )


def _print_table(rows: list[Row], wanted: bool) -> None:
    if wanted:
        print(tabulate(rows, headers="keys", floatfmt=",.2f", intfmt=","))
