"""Record what attention computes in a few heads of a model, with a cache and without one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core import GPT
from tinytorch.generation.enable import new_kv_cache, use_kv_cache

KINDS = ("first token", "token before", "one word", "everywhere")
"""What a telling head looks at; see `telling_heads`."""


@dataclass(frozen=True)
class HeadTrace:
    """What one query head computes over a text.

    Attributes
    ----------
    kind : str
        One of `KINDS`, or "" for a head that was asked for.
    layer, head, kv_head : int
        Which head it is, and which key/value head it reads.
    query, key, value : ndarray of shape (T, D), float32
    scores : ndarray of shape (T, T), float32
        Queries times keys, divided by the root of D; all of them, also those that the mask hides.
    weights : ndarray of shape (T, T), float32
        Their causal softmax.
    output : ndarray of shape (T, D), float32
        Weights times values.
    """

    kind: str
    layer: int
    head: int
    kv_head: int
    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    output: np.ndarray


def softmax_rows(scores: np.ndarray) -> np.ndarray:
    """Return the causal softmax of scores (..., T, T)."""
    visible = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    weights = np.exp(visible - visible.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


@contextmanager
def watching(model: GPT, seen: Callable[[np.ndarray, np.ndarray, np.ndarray], None]):
    """Show each layer's queries, keys and values (B, H, T, D) to a function while a block runs."""

    def spy(project: Callable) -> Callable:
        def watched(x: np.ndarray, rotation: np.ndarray | None = None):
            made = project(x, rotation)
            seen(*(array.copy() for array in made))
            return made

        return watched

    layers = [block.attention for block in model.blocks]
    for layer in layers:
        layer.project = spy(layer.project)
    try:
        yield
    finally:
        for layer in layers:
            del layer.project


def record_projections(model: GPT, tokens: ArrayLike) -> list[tuple[np.ndarray, ...]]:
    """Run a pass without a cache over a text (T,); return each layer's query, key and value."""
    layers: list[tuple[np.ndarray, ...]] = []
    with watching(model, lambda *made: layers.append(tuple(array[0] for array in made))):
        model.forward(np.asarray(tokens)[None], last_only=True)
    return layers


def trace_heads(model: GPT, tokens: ArrayLike) -> Iterator[HeadTrace]:
    """Yield what every head of a model computes over a text.

    Parameters
    ----------
    model : GPT
    tokens : array_like of shape (T,), int

    Yields
    ------
    HeadTrace
    """
    for layer, (queries, keys, values) in enumerate(record_projections(model, tokens)):
        group = len(queries) // len(keys)
        for head, query in enumerate(queries):
            key, value = keys[head // group], values[head // group]
            scores = query @ key.T * np.float32(query.shape[-1] ** -0.5)
            weights = softmax_rows(scores).astype(np.float32)
            parts = (query, key, value, scores, weights, weights @ value)
            yield HeadTrace("", layer, head, head // group, *parts)


def telling_heads(model: GPT, tokens: ArrayLike) -> list[HeadTrace]:
    """Find the heads that do most clearly what heads are known for.

    Parameters
    ----------
    model : GPT
    tokens : array_like of shape (T,), int
        At least four tokens.

    Returns
    -------
    list of HeadTrace
        For each of `KINDS` the head with the most weight, in the mean of all rows from the fourth
        on: on the first token; on the token before; of the last row, on one token that is neither
        the first nor one of the last two; and the head whose rows have the largest entropy, as a
        share of the largest possible one.

    Raises
    ------
    ValueError
        If the text is too short.
    """
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or len(tokens) < 4:
        raise ValueError(f"a text needs at least 4 tokens in one row, got shape {tokens.shape}")
    rows = np.arange(3, len(tokens))

    def entropy(weights: np.ndarray) -> float:
        part = weights[rows]
        bits = -(part * np.log(np.maximum(part, 1e-12))).sum(axis=1)
        return float((bits / np.log(rows + 1)).mean())

    criteria = {
        KINDS[0]: lambda weights: weights[rows, 0].mean(),
        KINDS[1]: lambda weights: weights[rows, rows - 1].mean(),
        KINDS[2]: lambda weights: weights[-1, 1:-2].max(),
        KINDS[3]: entropy,
    }
    heads = list(trace_heads(model, tokens))
    found = []
    for kind, criterion in criteria.items():
        best = max(heads, key=lambda trace: criterion(trace.weights))
        found.append(HeadTrace(**{**vars(best), "kind": kind}))
    return found


def cached_difference(model: GPT, tokens: ArrayLike, prompt_length: int) -> float:
    """Return the largest difference of a key or value between a cached run and one pass.

    Parameters
    ----------
    model : GPT
    tokens : array_like of shape (T,), int
    prompt_length : int
        Tokens of the prefill; the others are fed one by one.

    Returns
    -------
    float
    """
    tokens = np.asarray(tokens)
    expected = record_projections(model, tokens)
    cache = new_kv_cache(model, 1, len(tokens))
    with use_kv_cache(model, cache):
        model.forward(tokens[None, :prompt_length])
        for token in tokens[prompt_length:]:
            model.forward(token[None, None])
    return max(
        float(np.abs(cached[0] - full).max())
        for layer, (_, key, value) in enumerate(expected)
        for cached, full in zip(cache.get(layer), (key, value), strict=True)
    )


def changes_without_mask(model: GPT, tokens: ArrayLike) -> np.ndarray:
    """Return how much each token's keys change when the next token joins, if nothing is masked.

    Parameters
    ----------
    model : GPT
    tokens : array_like of shape (T,), int

    Returns
    -------
    ndarray of shape (T - 1, num_layers, T - 1), float64
        In row t the changes when token t + 1 joins the first t + 1 tokens, as a share of the
        largest number among the layer's keys; zero for tokens that are not there yet.
    """
    tokens = np.asarray(tokens)
    steps = [_keys_without_mask(model, tokens[:length]) for length in range(1, len(tokens) + 1)]
    changes = np.zeros((len(tokens) - 1, model.num_layers, len(tokens) - 1))
    for t, (before, after) in enumerate(itertools.pairwise(steps)):
        for layer, (old, new) in enumerate(zip(before, after, strict=True)):
            change = np.abs(new[:, : t + 1] - old).max(axis=(0, 2))
            changes[t, layer, : t + 1] = change / np.abs(old).max()
    return changes


def _keys_without_mask(model: GPT, tokens: np.ndarray) -> list[np.ndarray]:
    """Return each layer's keys (H_kv, T, D) where every token sees all others."""
    keys: list[np.ndarray] = []

    def unmasked(layer) -> Callable:
        def forward(x: np.ndarray, rotation: np.ndarray | None = None) -> np.ndarray:
            query, key, value = layer.project(x, rotation)
            keys.append(key[0].copy())
            group = query.shape[1] // key.shape[1]
            key, value = (part.repeat(group, axis=1) for part in (key, value))
            scores = query @ key.swapaxes(-1, -2) * np.float32(query.shape[-1] ** -0.5)
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            weights /= weights.sum(axis=-1, keepdims=True)
            return layer.merge(weights @ value)

        return forward

    layers = [block.attention for block in model.blocks]
    for layer in layers:
        layer.forward = unmasked(layer)
    try:
        model.forward(tokens[None], last_only=True)
    finally:
        for layer in layers:
            del layer.forward
    return keys
