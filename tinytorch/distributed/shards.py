"""What the three kinds of shards have in common, on the workers and in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tinytorch.distributed.workers import Shard
from tinytorch.generation import KVCache


class CacheShard(Shard):
    """Some of a cache's tokens, layers or heads, in a `KVCache` on a worker."""

    def __init__(self, cache: KVCache):
        self.cache = cache

    def settle(self, num_kept: int) -> None:
        """Let the first `num_kept` of this shard's own tokens count.

        It does not matter what was written or forgotten since.
        """
        if num_kept > self.cache.seq_pos:
            self.cache.advance(num_kept - self.cache.seq_pos)
        elif num_kept < self.cache.seq_pos:
            self.cache.truncate(num_kept)

    def take_up(
        self, layer_idx: int, num_kept: int, key: np.ndarray, value: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write new entries behind the first `num_kept` tokens; return all of them as views.

        There may be no new ones: then `key` and `value` have the shape (B, H, 0, D).
        """
        self.settle(num_kept)
        if key.shape[2] == 0:
            return self.cache.get(layer_idx)
        return self.cache.update(layer_idx, key, value)

    def get(self, layer_idx: int, num_kept: int) -> tuple[np.ndarray, np.ndarray]:
        """Return copies of the first `num_kept` tokens' keys and values."""
        self.settle(num_kept)
        keys, values = self.cache.get(layer_idx)
        return keys.copy(), values.copy()

    def reorder(self, num_kept: int, batch_indices: np.ndarray) -> None:
        """Exchange sequences."""
        self.settle(num_kept)
        self.cache.reorder(batch_indices)

    def memory(self) -> dict[str, int]:
        """Bytes of keys and values, and of the model's weights."""
        return {"cache": self.cache.nbytes, "weights": 0}


def attending(attention: object, attend: Callable) -> Callable:
    """Make a forward pass of an attention layer that computes its heads with `attend`."""

    def forward(x: np.ndarray, rotation: np.ndarray | None = None) -> np.ndarray:
        return attention.merge(attend(*attention.project(x, rotation)))

    return forward


def attention_forwards(model: object, attend: Callable) -> Iterator[tuple[object, Callable]]:
    """Yield each attention layer and a pass of it; `attend` gets the layer's index first."""
    for layer_idx, block in enumerate(model.blocks):
        yield block.attention, attending(block.attention, partial(attend, layer_idx))


def spans(count: int, num_shards: int, what: str) -> list[slice]:
    """Cut `count` things into `num_shards` runs whose lengths differ by one at most.

    Raises
    ------
    ValueError
        If there are fewer things than shards.
    """
    if num_shards > count:
        raise ValueError(f"{count} {what} cannot be spread over {num_shards} workers")
    stops = [count * (i + 1) // num_shards for i in range(num_shards)]
    return [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]
