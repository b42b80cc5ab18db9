"""Attention in parts: each part of the keys gives (maximum, sum, output), and parts are merged.

Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", arXiv:1805.02867.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinytorch.core.attention import QUERY_BLOCK

NOTHING_SEEN = np.float32(-1e30)
"""Largest score of a query that sees no key: not -inf, for -inf - -inf is not a number."""


def attend_part(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    query_pos: np.ndarray,
    key_pos: np.ndarray,
) -> np.ndarray:
    """Attend to some of the keys, and return what `merge_parts` needs.

    Parameters
    ----------
    query : ndarray of shape (B, H, T, D), float32
    key, value : ndarray of shape (B, H_kv, S, D)
        H must be a multiple of H_kv.
    query_pos, key_pos : ndarray of shape (T,) and (S,), int
        A query sees the keys whose position is not above its own.

    Returns
    -------
    ndarray of shape (B, H, T, D + 2), float32
        The sum of ``exp(score - maximum) * value``, then the maximum and the sum of
        ``exp(score - maximum)``. They travel as one array.
    """
    parts = np.empty((*query.shape[:3], query.shape[3] + 2), np.float32)
    for start in range(0, query.shape[2], QUERY_BLOCK):
        block = slice(start, start + QUERY_BLOCK)
        hidden = key_pos > query_pos[block, None]
        parts[:, :, block] = _attend_block(query[:, :, block], key, value, hidden)
    return parts


def _attend_block(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, hidden: np.ndarray
) -> np.ndarray:
    batch_size, num_heads, num_queries, head_dim = query.shape
    num_kv_heads = key.shape[1]
    # The heads of a group share their keys, so their queries are rows of one product.
    rows = (query * np.float32(head_dim**-0.5)).reshape(batch_size, num_kv_heads, -1, head_dim)
    scores = rows @ key.swapaxes(-1, -2)
    if hidden.any():
        by_head = scores.reshape(batch_size, num_kv_heads, -1, *hidden.shape)
        by_head[..., hidden] = -np.inf
    peak = scores.max(axis=-1, keepdims=True, initial=NOTHING_SEEN)
    weights = np.exp(scores - peak)
    total = weights.sum(axis=-1, keepdims=True)
    parts = np.concatenate([weights @ value, peak, total], axis=-1)
    return parts.reshape(batch_size, num_heads, num_queries, head_dim + 2)


def merge_parts(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Merge what `attend_part` returned for all parts of the keys, in any order.

    Parameters
    ----------
    parts : sequence of ndarray of shape (B, H, T, D + 2), float32

    Returns
    -------
    ndarray of shape (B, H, T, D), float32
        Attention over all keys, exact up to rounding.
    """
    stacked = np.stack(parts)
    output, peak, total = stacked[..., :-2], stacked[..., -2:-1], stacked[..., -1:]
    scale = np.exp(peak - peak.max(axis=0))
    return (output * scale).sum(axis=0) / (total * scale).sum(axis=0)
