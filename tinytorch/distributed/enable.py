"""Add a cache on several workers to a model from outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.distributed.by_heads import HeadShardedCache
from tinytorch.distributed.by_layers import LayerShardedCache
from tinytorch.distributed.by_sequence import SequenceShardedCache
from tinytorch.distributed.sharded_cache import ShardedKVCache, check_sizes
from tinytorch.distributed.workers import Workers
from tinytorch.generation import set_kv_cache

KINDS = {
    "sequence": SequenceShardedCache,
    "layers": LayerShardedCache,
    "heads": HeadShardedCache,
}


def enable_sharded_cache(
    model: object,
    workers: Workers,
    by: str,
    batch_size: int = 1,
    max_seq_len: int | None = None,
    dtype: DTypeLike = np.float32,
    **options: int,
) -> ShardedKVCache:
    """Make `model` keep its keys and values on workers, as `enable_kv_cache` does in one place.

    Parameters
    ----------
    model : GPT
        `tinytorch.disable_kv_cache` gives it back as it was.
    workers : Workers
        They must live as long as the cache is used.
    by, batch_size, max_seq_len, dtype, options
        As for `new_sharded_cache`.

    Returns
    -------
    ShardedKVCache
        Empty.

    Raises
    ------
    ValueError
        As `new_sharded_cache`.
    """
    cache = new_sharded_cache(model, workers, by, batch_size, max_seq_len, dtype, **options)
    set_kv_cache(model, cache)
    return cache


def new_sharded_cache(
    model: object,
    workers: Workers,
    by: str,
    batch_size: int = 1,
    max_seq_len: int | None = None,
    dtype: DTypeLike = np.float32,
    *,
    num_shards: int | None = None,
    **options: int,
) -> ShardedKVCache:
    """Make an empty cache on workers, without enabling it.

    Parameters
    ----------
    model : GPT
    workers : Workers
    by : {"sequence", "layers", "heads"}
        What is spread.
    batch_size : int
        Number of sequences that are generated side by side.
    max_seq_len : int, optional
        Number of tokens that fit. Default: as many as the model can tell apart.
    dtype : dtype_like
        Floating-point type of the cache.
    num_shards : int, optional
        Number of parts. Default: one for each worker.
    options : int
        By sequence ``stripe``, the tokens that lie side by side on one worker; by layers ``chunk``,
        the tokens that a stage hands on at once.

    Returns
    -------
    ShardedKVCache
        Give it to `tinytorch.stream` or `tinytorch.use_kv_cache`.

    Raises
    ------
    ValueError
        If `by` or a size is out of range, if there are more shards than workers, or fewer layers or
        heads than shards.
    """
    if by not in KINDS:
        raise ValueError(f"by={by!r} must be one of {tuple(KINDS)}")
    max_seq_len = model.max_seq_len if max_seq_len is None else max_seq_len
    num_shards = workers.num_workers if num_shards is None else num_shards
    check_sizes(model, batch_size, max_seq_len, num_shards, dtype)
    return KINDS[by](model, workers, batch_size, max_seq_len, dtype, num_shards, **options)
