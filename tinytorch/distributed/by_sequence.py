"""A cache whose tokens are spread: the query goes to the keys, and partial sums come back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.distributed.partial_softmax import attend_part, merge_parts
from tinytorch.distributed.sharded_cache import ShardedKVCache
from tinytorch.distributed.shards import CacheShard, attention_forwards
from tinytorch.distributed.traffic import STRIPE
from tinytorch.distributed.workers import Workers
from tinytorch.generation import KVCache


class Stripes:
    """Which token lies where: `stripe` tokens on one shard, the next ones on the next.

    Dealt out like this, no shard holds more than `stripe` tokens more than another.
    """

    def __init__(self, num_shards: int, stripe: int):
        self.num_shards = num_shards
        self.stripe = stripe

    def owner(self, index: np.ndarray) -> np.ndarray:
        """Shard of each token."""
        return index // self.stripe % self.num_shards

    def count(self, shard: int, length: int) -> int:
        """How many of the first `length` tokens a shard holds."""
        rounds, rest = divmod(length, self.stripe * self.num_shards)
        return rounds * self.stripe + min(max(rest - shard * self.stripe, 0), self.stripe)

    def held(self, shard: int, length: int) -> np.ndarray:
        """Which of the first `length` tokens a shard holds, in order."""
        index = np.arange(length)
        return index[self.owner(index) == shard]


class SequenceShard(CacheShard):
    """Some tokens' keys and values, of all layers and heads."""

    def __init__(
        self,
        batch_size: int,
        num_layers: int,
        num_heads: int,
        head_dim: int,
        dtype: DTypeLike,
        key_pos: np.ndarray,
    ):
        room = max(len(key_pos), 1)
        super().__init__(KVCache(batch_size, room, num_layers, num_heads, head_dim, dtype))
        self.key_pos = key_pos

    def attend(
        self,
        layer_idx: int,
        num_kept: int,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        query_pos: np.ndarray,
    ) -> np.ndarray:
        """Take up this shard's share of the new tokens, and attend to all that it holds.

        Returns
        -------
        ndarray of shape (B, H, T, D + 2), float32
            As `attend_part` does.
        """
        keys, values = self.take_up(layer_idx, num_kept, key, value)
        return attend_part(query, keys, values, query_pos, self.key_pos[: keys.shape[2]])


class SequenceShardedCache(ShardedKVCache):
    """A cache whose tokens are spread over workers.

    Parameters and errors are those of `new_sharded_cache` without `by`; `stripe` is the number of
    tokens that lie side by side.
    """

    def __init__(
        self,
        model: object,
        workers: Workers,
        batch_size: int,
        max_seq_len: int,
        dtype: DTypeLike,
        num_shards: int,
        stripe: int = STRIPE,
    ):
        self.stripes = Stripes(num_shards, stripe)
        recipes = [
            partial(
                SequenceShard,
                batch_size,
                len(model.blocks),
                model.num_kv_heads,
                model.head_dim,
                np.dtype(dtype),
                self.stripes.held(shard, max_seq_len),
            )
            for shard in range(num_shards)
        ]
        super().__init__(model, workers, batch_size, max_seq_len, dtype, recipes)

    def _part_forwards(self, model: object) -> Iterator[tuple[object, Callable]]:
        return attention_forwards(model, self._attend)

    def _begin(self, indices: np.ndarray, writers: Collection[int]) -> None:
        owner = self.stripes.owner(indices)
        length = max(self._seq_pos, int(indices[-1]) + 1)
        self._query_pos = indices
        # For each shard that holds a token: its committed tokens, and which new ones it takes.
        self._asked = {}
        for shard in range(self.num_shards):
            if not self.stripes.count(shard, length):
                continue
            rebuilt = shard in writers and int(indices[0]) < self._seq_pos
            num_kept = 0 if rebuilt else self._kept_by(shard)
            takes = owner == shard if shard in writers else np.zeros(len(indices), bool)
            self._asked[shard] = num_kept, takes

    def _attend(
        self, layer_idx: int, query: np.ndarray, key: np.ndarray, value: np.ndarray
    ) -> np.ndarray:
        key, value = key.astype(self.dtype, copy=False), value.astype(self.dtype, copy=False)
        requests = {
            shard: (layer_idx, kept, query, key[:, :, takes], value[:, :, takes], self._query_pos)
            for shard, (kept, takes) in self._asked.items()
        }
        return merge_parts(list(self._group.call("attend", requests).values()))

    def _missing_tokens(self, lost: Collection[int]) -> np.ndarray:
        index = np.arange(self._seq_pos)
        return index[np.isin(self.stripes.owner(index), list(lost))]

    def _kept_by(self, shard: int) -> int:
        return self.stripes.count(shard, self._seq_pos)

    def _fetch(self, layer_idx: int) -> tuple[np.ndarray, np.ndarray]:
        kept = {shard: self._kept_by(shard) for shard in range(self.num_shards)}
        asked = {shard: (layer_idx, num_kept) for shard, num_kept in kept.items() if num_kept}
        shape = (self.batch_size, self.num_heads, self._seq_pos, self.head_dim)
        keys, values = np.empty(shape, self.dtype), np.empty(shape, self.dtype)
        if asked:
            for shard, (key, value) in self._group.call("get", asked).items():
                held = self.stripes.held(shard, self._seq_pos)
                keys[:, :, held], values[:, :, held] = key, value
        return keys, values
