"""A cache whose layers are spread: a pipeline, through which the hidden states pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.core import ModelConfig, attend
from tinytorch.core.transformer import Block
from tinytorch.distributed.sharded_cache import ShardedKVCache
from tinytorch.distributed.shards import CacheShard, attending, spans
from tinytorch.distributed.traffic import CHUNK
from tinytorch.distributed.weights import MappedArray, share_of_weights, weights_of
from tinytorch.distributed.workers import Workers
from tinytorch.generation import KVCache
from tinytorch.serving.blocks import require_positive


class LayerShard(CacheShard):
    """Some layers of a model, with their weights and their cache: a stage of the pipeline."""

    def __init__(self, config: ModelConfig, layers: slice, cache: KVCache):
        super().__init__(cache)
        self.config = config
        self.layers = layers
        self.weights: dict[str, np.ndarray] = {}
        self.blocks: list[Block] = []

    def load(self, share: Mapping[str, np.ndarray | MappedArray]) -> None:
        """Take the weights of these layers.

        Raises
        ------
        ValueError
            If a file with weights cannot be read here.
        """
        try:
            self.weights = {
                name: array.open() if isinstance(array, MappedArray) else array
                for name, array in share.items()
            }
        except OSError as error:  # which would be taken for a lost connection
            raise ValueError(f"cannot read the weights: {error}") from error
        for layer_idx, number in enumerate(range(self.layers.start, self.layers.stop)):
            block = Block(self.config, self.weights, f"blocks.{number}")
            attention = block.attention
            attention.forward = attending(attention, partial(self._attend, layer_idx))
            self.blocks.append(block)

    def forward(self, num_kept: int, x: np.ndarray, rotation: np.ndarray | None) -> np.ndarray:
        """Map hidden states (B, T, E) of tokens behind the first `num_kept` through the layers."""
        self.settle(num_kept)
        for block in self.blocks:
            x = block.forward(x, rotation)
        return x

    def memory(self) -> dict[str, int]:
        """Bytes of keys and values, and of the layers' weights."""
        weights = sum(array.nbytes for array in self.weights.values())
        return {"cache": self.cache.nbytes, "weights": weights}

    def _attend(
        self, layer_idx: int, query: np.ndarray, key: np.ndarray, value: np.ndarray
    ) -> np.ndarray:
        return attend(query, *self.cache.update(layer_idx, key, value))


class LayerShardedCache(ShardedKVCache):
    """A cache whose layers are spread over workers, each with its share of the weights.

    Parameters and errors are those of `new_sharded_cache` without `by`; `chunk` is the number of
    tokens that a stage hands on at once.

    Notes
    -----
    Weights that are mapped from a file are mapped again by workers on this machine, and sent to
    others. That is no part of `traffic`, which begins with the first pass.
    """

    def __init__(
        self,
        model: object,
        workers: Workers,
        batch_size: int,
        max_seq_len: int,
        dtype: DTypeLike,
        num_shards: int,
        chunk: int = CHUNK,
    ):
        require_positive(chunk=chunk)
        self.chunk = chunk
        self.layers = spans(len(model.blocks), num_shards, "layers")
        sizes = model.num_kv_heads, model.head_dim, np.dtype(dtype)
        recipes = [
            partial(_new_layer_shard, model.config, layers, batch_size, max_seq_len, sizes)
            for layers in self.layers
        ]
        weights = weights_of(model, model.config)
        shares = [share_of_weights(weights, layers, workers.share_files) for layers in self.layers]
        super().__init__(model, workers, batch_size, max_seq_len, dtype, recipes, shares)

    def _part_forwards(self, model: object) -> Iterator[tuple[object, Callable]]:
        first, *others = model.blocks
        yield first, lambda x, rotation=None: self._run_stages(x, rotation)
        for block in others:
            yield block, lambda x, rotation=None: x

    def _begin(self, indices: np.ndarray, writers: Collection[int]) -> None:
        # To fill a stage again, the tokens must pass through the stages before it.
        self._num_stages = max(writers) + 1
        self._start = int(indices[0])

    def _run_stages(self, x: np.ndarray, rotation: np.ndarray | None) -> np.ndarray:
        edges = list(range(0, x.shape[1], self.chunk))
        pieces = [x[:, edge : edge + self.chunk] for edge in edges]
        for tick in range(len(pieces) + self._num_stages - 1):
            requests, busy = {}, {}
            for stage in range(self._num_stages):
                number = tick - stage
                if 0 <= number < len(pieces):
                    edge, busy[stage] = edges[number], number
                    piece_rotation = (
                        None if rotation is None else rotation[..., edge : edge + self.chunk, :]
                    )
                    requests[stage] = self._start + edge, pieces[number], piece_rotation
            for stage, hidden in self._group.call("forward", requests).items():
                pieces[busy[stage]] = hidden
        return np.concatenate(pieces, axis=1)

    def _missing_tokens(self, lost: Collection[int]) -> np.ndarray:
        return np.arange(self._seq_pos)

    def _kept_by(self, shard: int) -> int:
        return self._seq_pos

    def _fetch(self, layer_idx: int) -> tuple[np.ndarray, np.ndarray]:
        stage = next(i for i, layers in enumerate(self.layers) if layer_idx < layers.stop)
        own_idx = layer_idx - self.layers[stage].start
        return self._group.call("get", {stage: (own_idx, self._seq_pos)})[stage]


def _new_layer_shard(
    config: ModelConfig,
    layers: slice,
    batch_size: int,
    max_seq_len: int,
    sizes: tuple[int, int, DTypeLike],
) -> LayerShard:
    num_layers = layers.stop - layers.start
    return LayerShard(config, layers, KVCache(batch_size, max_seq_len, num_layers, *sizes))
