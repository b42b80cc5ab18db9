"""Causal self-attention, for a whole sequence or for a few new tokens of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from tinytorch.core.config import ModelConfig
from tinytorch.core.layers import make_linear, rotate
from tinytorch.core.ops import matmul, matmul_by_row

QUERY_BLOCK = 128
"""How many queries `attend` takes at once.

A block bounds the memory for the scores, and skips the keys that lie in its future.
"""

FEW_ROWS = 4
"""Queries of a group of heads up to which their products are faster row by row.

With 1,000 keys of 64 elements, three rows take half of the time; with 4,000, where BLAS multiplies
matrices with two threads, the same.
"""

SMALLEST_TOTAL, LARGEST_TOTAL = 1e-30, 1e30
"""Sums of exponentials between these have lost no digit of float32 to its range."""


def attend(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Causal attention of T queries over a history of S >= T keys and values.

    The queries belong to the last T of the S positions. With T == S this is attention over a
    full sequence; with T == 1 it is one decoding step.

    Parameters
    ----------
    query : ndarray of shape (B, H, T, D), float32
    key, value : ndarray of shape (B, H_kv, S, D), float32
        H must be a multiple of H_kv. Head h reads key/value head ``h // (H / H_kv)``; the keys
        are not repeated in memory.

    Returns
    -------
    ndarray of shape (B, H, T, D), float32

    Raises
    ------
    ValueError
        If there are more queries than keys.

    Notes
    -----
    ``softmax(Q K^T / sqrt(D) + mask) V``, Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    num_queries, num_keys = query.shape[2], key.shape[2]
    if num_queries > num_keys:
        raise ValueError(f"{num_queries} queries need at least as many keys, got {num_keys}")
    if num_queries == 1:
        return _attend_block(query, key, value, shift=True)
    output = np.empty_like(query)
    with np.errstate(over="ignore"):
        for start in range(0, num_queries, QUERY_BLOCK):
            stop = min(start + QUERY_BLOCK, num_queries)
            visible = num_keys - num_queries + stop
            output[:, :, start:stop] = _attend_block(
                query[:, :, start:stop], key[:, :, :visible], value[:, :, :visible], shift=False
            )
    return output


def _attend_block(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, *, shift: bool
) -> np.ndarray:
    """Attend with at most QUERY_BLOCK queries.

    A softmax usually subtracts each row's maximum, which changes nothing but keeps ``exp`` in
    range. The scores of a trained model are in range without, so the two passes over them are
    only made if `shift` is true, or if the sums of a block show that they are needed.
    """
    batch_size, num_heads, num_queries, head_dim = query.shape
    num_kv_heads = key.shape[1]
    groups = num_heads // num_kv_heads
    # The heads of a group share their keys, so their queries are rows of one product.
    rows = (query * head_dim**-0.5).reshape(batch_size, num_kv_heads, -1, head_dim)
    multiply = matmul_by_row if rows.shape[2] <= FEW_ROWS else matmul
    scores = multiply(rows, key.swapaxes(-1, -2), "scores")
    if num_queries > 1:
        scores[..., -num_queries:] += causal_mask(num_queries, groups)
    if shift:
        scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    weights = np.exp(scores, out=scores)
    totals = np.vecdot(weights, _ones(key.shape[2]))[..., None]
    if not shift and not SMALLEST_TOTAL < totals.min() <= totals.max() < LARGEST_TOTAL:
        return _attend_block(query, key, value, shift=True)
    heads = multiply(weights, value, "weighted_sum")
    heads /= totals
    return heads.reshape(query.shape).astype(query.dtype, copy=False)


@lru_cache(maxsize=2 * QUERY_BLOCK)
def causal_mask(size: int, repeats: int = 1) -> np.ndarray:
    """Return what hides the future: 0 where a query may look, minus infinity after it.

    Parameters
    ----------
    size : int
        Number of queries and of keys.
    repeats : int
        How many heads' queries are rows below each other.

    Returns
    -------
    ndarray of shape (repeats * size, size), float32
        To be added to scores. Read-only, since it is kept for the next call.
    """
    mask = np.triu(np.full((size, size), -np.inf, dtype=np.float32), k=1)
    mask = np.tile(mask, (repeats, 1))
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=QUERY_BLOCK)
def _ones(size: int) -> np.ndarray:
    return np.ones(size, dtype=np.float32)


class Attention:
    """Causal self-attention with `num_kv_heads` key/value heads.

    One matrix product computes queries, keys and values. `q_proj`, `k_proj` and `v_proj` are
    views of its rows: writing into their weights changes what the layer computes.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, np.ndarray], prefix: str):
        self.num_heads = config.num_heads
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.qkv_proj = make_linear(weights, f"{prefix}.qkv_proj", "projections")
        kv_dim = config.num_kv_heads * config.head_dim
        self.q_proj, self.k_proj, self.v_proj = self.qkv_proj.split(
            config.num_heads * config.head_dim, kv_dim, kv_dim
        )
        self.out_proj = make_linear(weights, f"{prefix}.out_proj", "projections")

    def forward(self, x: np.ndarray, rotation: np.ndarray | None = None) -> np.ndarray:
        """Let each token gather from itself and the tokens before it.

        Parameters
        ----------
        x : ndarray of shape (B, T, E), float32
        rotation : ndarray of shape (T, D / 2) or (B, T, D / 2), complex64, optional
            Turns queries and keys to their positions, see `tinytorch.core.layers.rotate`.

        Returns
        -------
        ndarray of shape (B, T, E), float32
        """
        query, key, value = self.project(x, rotation)
        return self.merge(attend(query, key, value))

    def project(
        self, x: np.ndarray, rotation: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute queries, keys and values, and turn queries and keys to their positions.

        Parameters
        ----------
        x : ndarray of shape (B, T, E), float32
        rotation : ndarray of shape (T, D / 2) or (B, T, D / 2), complex64, optional

        Returns
        -------
        query : ndarray of shape (B, H, T, D), float32
        key, value : ndarray of shape (B, H_kv, T, D), float32
        """
        heads = self.qkv_proj(x).reshape(*x.shape[:2], -1, self.head_dim)
        first_key, first_value = self.num_heads, self.num_heads + self.num_kv_heads
        if rotation is not None:
            rotate(heads[:, :, :first_value], rotation)
        heads = heads.swapaxes(1, 2)
        return heads[:, :first_key], heads[:, first_key:first_value], heads[:, first_value:]

    def merge(self, heads: np.ndarray) -> np.ndarray:
        """Join the heads (B, H, T, D) of each token and mix them into (B, T, E)."""
        batch_size, _, num_tokens, _ = heads.shape
        return self.out_proj(heads.swapaxes(1, 2).reshape(batch_size, num_tokens, -1))
