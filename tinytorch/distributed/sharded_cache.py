"""A cache in parts on several workers, with the verbs of `KVCache`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinytorch.distributed.traffic import Traffic
from tinytorch.distributed.workers import Shard, ShardGroup, WorkerLostError, Workers
from tinytorch.generation.kv_cache import INTEGER_TYPES
from tinytorch.serving.blocks import require_positive

MOST_LOSSES = 8
"""At this many losses in one action it is given up."""

Result = TypeVar("Result")


class ShardedKVCache(ABC):
    """Keys and values of every past token, in parts that live on workers.

    `tinytorch.distributed.enable_sharded_cache` makes one and adds it to a model from outside, as
    `enable_kv_cache` does. `seq_pos`, `advance`, `get`, `truncate`, `reset`, `reorder`, `nbytes`
    and `nbytes_used` are those of `KVCache`, and `tinytorch.stream` takes one as its ``cache``.
    There is no ``update``: keys and values do not come back to the model, attention goes to them.

    It keeps the tokens. If a worker dies, another takes its place, what it held is computed again
    from them, and the pass that failed runs once more.

    Parameters
    ----------
    model : GPT
    workers : Workers
    batch_size : int
        Number of sequences, B.
    max_seq_len : int
        Number of tokens of each that fit.
    dtype : dtype_like
        Floating-point type of keys and values.
    recipes, shares : sequence
        As for `ShardGroup`.

    Attributes
    ----------
    num_layers, num_heads, head_dim : int
        As of `KVCache`.
    recomputed_tokens : int
        Tokens that ran through the model again because workers were lost.

    Raises
    ------
    ValueError
        If a size is out of range, or there are fewer workers than shards.
    """

    def __init__(
        self,
        model: object,
        workers: Workers,
        batch_size: int,
        max_seq_len: int,
        dtype: DTypeLike,
        recipes: Sequence[Callable[[], Shard]],
        shares: Sequence[object] = (),
    ):
        self.batch_size = batch_size
        self.max_seq_len = max_seq_len
        self.num_layers = len(model.blocks)
        self.num_heads = model.num_kv_heads
        self.head_dim = model.head_dim
        self.dtype = np.dtype(dtype)
        self.recomputed_tokens = 0
        self._group = ShardGroup(workers, recipes, shares)
        self._tokens = np.zeros((batch_size, max_seq_len), np.int64)
        self._positions = np.zeros((batch_size, max_seq_len), np.int64)
        self._seq_pos = 0
        self._num_written = 0
        self._lost: set[int] = set()
        self._plain_forward: Callable | None = None

    @property
    def num_shards(self) -> int:
        """Number of parts, each on a worker of its own."""
        return len(self._group)

    @property
    def seq_pos(self) -> int:
        """Number of tokens committed, which is also the position of the next one."""
        return self._seq_pos

    def __len__(self) -> int:
        return self._seq_pos

    @property
    def traffic(self) -> Traffic:
        """All that was sent so far."""
        return self._group.traffic

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values on all workers, as of `KVCache`."""
        return 2 * self.num_layers * self.batch_size * self._row_bytes * self.max_seq_len

    @property
    def nbytes_used(self) -> int:
        """Bytes that hold committed tokens."""
        return self.nbytes // self.max_seq_len * self._seq_pos

    def advance(self, num_tokens: int = 1) -> None:
        """Commit the first `num_tokens` of the last pass. The wrapped model does it.

        Raises
        ------
        ValueError
            If the last pass had fewer tokens.
        """
        if not isinstance(num_tokens, INTEGER_TYPES) or not 1 <= num_tokens <= self._num_written:
            raise ValueError(
                f"num_tokens must be from 1 to the {self._num_written} of the last pass, "
                f"got {num_tokens!r}"
            )
        self._commit(self._seq_pos + int(num_tokens))

    def truncate(self, seq_len: int) -> None:
        """Forget all but the first `seq_len` tokens. Nothing is sent.

        Raises
        ------
        ValueError
            If `seq_len` is negative or more than `seq_pos`.
        """
        if not isinstance(seq_len, INTEGER_TYPES) or not 0 <= seq_len <= self._seq_pos:
            raise ValueError(f"seq_len must be from 0 to seq_pos={self._seq_pos}, got {seq_len!r}")
        self._commit(int(seq_len))

    def reset(self) -> None:
        """Forget every token. Nothing is sent."""
        self._commit(0)

    def get(self, layer_idx: int) -> tuple[np.ndarray, np.ndarray]:
        """Fetch the committed keys and values of a layer, copies of shape (B, H, seq_pos, D).

        Raises
        ------
        ValueError
            If the layer does not exist.
        """
        if not 0 <= layer_idx < self.num_layers:
            raise ValueError(
                f"layer_idx must be from 0 to {self.num_layers - 1}, got {layer_idx!r}"
            )
        return self._persist(lambda: self._fetch(layer_idx))

    def reorder(self, batch_indices: ArrayLike) -> None:
        """Replace each sequence by the one that `batch_indices` names, as `KVCache.reorder`.

        Raises
        ------
        ValueError
            If the indices are not integers from 0 to B - 1, one for each row.
        """
        indices = np.asarray(batch_indices)
        if (
            indices.shape != (self.batch_size,)
            or indices.dtype.kind not in "iu"
            or not ((indices >= 0) & (indices < self.batch_size)).all()
        ):
            raise ValueError(
                f"batch_indices must be {self.batch_size} integers from 0 to "
                f"{self.batch_size - 1}, got {batch_indices!r}"
            )
        self._persist(lambda: None)  # nothing may be missing while rows change places
        try:
            self._group.call(
                "reorder", {i: (self._kept_by(i), indices) for i in range(self.num_shards)}
            )
        except WorkerLostError as error:  # the others did it: what is lost follows the tokens
            self._lost |= error.lost
        self._tokens, self._positions = self._tokens[indices], self._positions[indices]
        self._commit(self._seq_pos)

    def memory_by_shard(self) -> list[dict[str, int]]:
        """Ask each shard for its bytes of ``cache`` and of ``weights``."""
        found = self._persist(
            lambda: self._group.call("memory", dict.fromkeys(range(self.num_shards), ()))
        )
        return [found[i] for i in range(self.num_shards)]

    def forwards(self, model: object) -> Iterator[tuple[object, Callable]]:
        """Give the parts of `model` the forward passes that use this cache.

        `tinytorch.generation.enable` calls this, and puts them in front of the parts' own.
        """
        yield from self._part_forwards(model)
        yield model, self._model_forward(model.forward)

    def _model_forward(self, plain_forward: Callable) -> Callable:
        self._plain_forward = plain_forward

        def forward(
            tokens: ArrayLike, positions: ArrayLike | None = None, *, last_only: bool = False
        ) -> np.ndarray:
            tokens = np.asarray(tokens)
            num_tokens = (0, *tokens.shape)[-1]
            new = slice(self._seq_pos, self._seq_pos + num_tokens)
            self._require_room(tokens, new.stop)
            if positions is None:
                positions = np.arange(new.start, new.stop)
            logits = self._persist(
                lambda: self._pass(range(new.start, new.stop), tokens, positions, last_only)
            )
            self._tokens[:, new], self._positions[:, new] = tokens, positions
            self._num_written = num_tokens
            self.advance(num_tokens)
            return logits

        return forward

    def _require_room(self, tokens: np.ndarray, stop: int) -> None:
        if tokens.ndim == 2 and len(tokens) != self.batch_size:
            raise ValueError(
                f"tokens must have batch_size={self.batch_size} rows, got {len(tokens)}"
            )
        if stop > self.max_seq_len:
            raise ValueError(
                f"cache overflow: {self._seq_pos} tokens cached and {stop - self._seq_pos} new "
                f"exceed max_seq_len={self.max_seq_len}"
            )

    def _persist(self, action: Callable[[], Result]) -> Result:
        """Run an action; where workers are lost, restore what they held and run it again."""
        for _ in range(MOST_LOSSES):
            try:
                self._restore()
                return action()
            except WorkerLostError as error:
                self._lost |= error.lost
        raise RuntimeError(f"gave up after workers were lost {MOST_LOSSES} times")

    def _restore(self) -> None:
        if not self._lost:
            return
        self._group.revive(self._lost)
        missing = self._missing_tokens(self._lost)
        if len(missing):
            self.recomputed_tokens += len(missing)
            self._pass(
                missing,
                self._tokens[:, missing],
                self._positions[:, missing],
                last_only=True,
                only=frozenset(self._lost),
            )
        self._lost.clear()

    def _pass(
        self,
        indices: Sequence[int],
        tokens: np.ndarray,
        positions: np.ndarray,
        last_only: bool,
        only: Collection[int] | None = None,
    ) -> np.ndarray:
        """Run the model over tokens at the places `indices` of the text.

        With `only`, just those shards take up keys and values: the others hold them already.
        """
        self._begin(np.asarray(indices), range(self.num_shards) if only is None else only)
        return self._plain_forward(tokens, positions, last_only=last_only)

    def _commit(self, seq_pos: int) -> None:
        self._seq_pos = seq_pos
        self._num_written = 0

    @property
    def _row_bytes(self) -> int:
        """Bytes of one token's keys, or values, in a layer of a sequence."""
        return self.num_heads * self.head_dim * self.dtype.itemsize

    @abstractmethod
    def _part_forwards(self, model: object) -> Iterator[tuple[object, Callable]]:
        """Yield the parts of `model` to patch, other than the model itself."""

    @abstractmethod
    def _begin(self, indices: np.ndarray, writers: Collection[int]) -> None:
        """Prepare a pass over the tokens `indices`, which `writers` take up."""

    @abstractmethod
    def _missing_tokens(self, lost: Collection[int]) -> np.ndarray:
        """Which committed tokens must run again to fill the shards `lost`."""

    @abstractmethod
    def _kept_by(self, shard: int) -> int:
        """How many of a shard's own tokens are committed."""

    @abstractmethod
    def _fetch(self, layer_idx: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what `get` returns."""


def check_sizes(
    model: object, batch_size: int, max_seq_len: int, num_shards: int, dtype: DTypeLike
) -> None:
    """Raise a ValueError for a size or dtype with which no cache can be made."""
    require_positive(batch_size=batch_size, max_seq_len=max_seq_len, num_shards=num_shards)
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"dtype must be a floating-point type, got {np.dtype(dtype)}")
    if max_seq_len > model.max_seq_len:
        raise ValueError(
            f"max_seq_len={max_seq_len} exceeds the model's max_seq_len={model.max_seq_len}"
        )
