"""A cache whose heads are spread: each head's query, key and value go to its worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.core import attend
from tinytorch.distributed.sharded_cache import ShardedKVCache
from tinytorch.distributed.shards import CacheShard, attention_forwards, spans
from tinytorch.distributed.workers import Workers
from tinytorch.generation import KVCache


class HeadShard(CacheShard):
    """All tokens' keys and values of some key/value heads, of all layers."""

    def attend(
        self,
        layer_idx: int,
        num_kept: int,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
    ) -> np.ndarray:
        """Take up the new tokens, and attend with the query heads (B, H, T, D) of these heads."""
        keys, values = self.take_up(layer_idx, num_kept, key, value)
        return attend(query, keys, values)


class HeadShardedCache(ShardedKVCache):
    """A cache whose key/value heads are spread over workers.

    Parameters and errors are those of `new_sharded_cache` without `by`. With fewer heads than
    shards there is nothing for some of them: that is a ValueError.
    """

    def __init__(
        self,
        model: object,
        workers: Workers,
        batch_size: int,
        max_seq_len: int,
        dtype: DTypeLike,
        num_shards: int,
    ):
        self.heads = spans(model.num_kv_heads, num_shards, "key/value heads")
        self._group_size = model.num_heads // model.num_kv_heads
        recipes = [
            partial(
                _new_head_shard,
                (batch_size, max_seq_len, len(model.blocks)),
                heads.stop - heads.start,
                model.head_dim,
                np.dtype(dtype),
            )
            for heads in self.heads
        ]
        super().__init__(model, workers, batch_size, max_seq_len, dtype, recipes)

    def _part_forwards(self, model: object) -> Iterator[tuple[object, Callable]]:
        return attention_forwards(model, self._attend)

    def _begin(self, indices: np.ndarray, writers: Collection[int]) -> None:
        # A shard that writes holds what was before; one that only reads holds these tokens too.
        self._kept = {
            shard: int(indices[0] if shard in writers else indices[-1] + 1)
            for shard in range(self.num_shards)
        }
        self._writers = writers

    def _attend(
        self, layer_idx: int, query: np.ndarray, key: np.ndarray, value: np.ndarray
    ) -> np.ndarray:
        key, value = key.astype(self.dtype, copy=False), value.astype(self.dtype, copy=False)
        requests = {}
        for shard, num_kept in self._kept.items():
            heads = self.heads[shard]
            queries = slice(heads.start * self._group_size, heads.stop * self._group_size)
            new = slice(None if shard in self._writers else 0)
            requests[shard] = (
                layer_idx,
                num_kept,
                query[:, queries],
                key[:, heads, new],
                value[:, heads, new],
            )
        outputs = self._group.call("attend", requests)
        return np.concatenate([outputs[shard] for shard in range(self.num_shards)], axis=1)

    def _missing_tokens(self, lost: Collection[int]) -> np.ndarray:
        return np.arange(self._seq_pos)

    def _kept_by(self, shard: int) -> int:
        return self._seq_pos

    def _fetch(self, layer_idx: int) -> tuple[np.ndarray, np.ndarray]:
        found = self._group.call(
            "get", dict.fromkeys(range(self.num_shards), (layer_idx, self._seq_pos))
        )
        keys, values = zip(*(found[shard] for shard in range(self.num_shards)), strict=True)
        return np.concatenate(keys, axis=1), np.concatenate(values, axis=1)


def _new_head_shard(
    sizes: tuple[int, int, int], num_heads: int, head_dim: int, dtype: DTypeLike
) -> HeadShard:
    return HeadShard(KVCache(*sizes, num_heads, head_dim, dtype))
