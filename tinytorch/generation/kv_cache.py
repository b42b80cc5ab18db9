"""The key/value cache: what a transformer need not compute twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinytorch.profiling.profiler import MIB

CACHE_LINE = 64
INTEGER_TYPES = (int, np.integer)


class KVCache:
    """Keys and values of every past token, for every layer, in memory allocated once.

    A forward pass over T new tokens calls `update` in each layer, then `advance` once. Until
    `advance`, the new entries do not count: a pass that fails half-way leaves the cache as it
    was.

    Parameters
    ----------
    batch_size : int
        Number of sequences, B.
    max_seq_len : int
        Number of tokens of each sequence that fit.
    num_layers : int
        Number of attention layers.
    num_heads : int
        Number of key/value heads, H; with grouped-query attention, fewer than query heads.
    head_dim : int
        Width of one head, D.
    dtype : dtype_like
        A floating-point type. Keys and values are converted to it when they are written.

    Raises
    ------
    ValueError
        If a size is not an integer of at least 1, or `dtype` is not floating point.

    Notes
    -----
    Keys are stored as (layers, B, H, D, max_seq_len) and values as (layers, B, H, max_seq_len,
    D), so that both products of a decoding step, ``q @ K.T`` and ``weights @ V``, read long runs
    of memory. The views that the methods return have the axes (B, H, T, D) for both.

    Examples
    --------
    >>> cache = KVCache(batch_size=1, max_seq_len=8, num_layers=1, num_heads=2, head_dim=4)
    >>> new = np.ones((1, 2, 3, 4), dtype=np.float32)
    >>> keys, values = cache.update(0, new, new)
    >>> cache.advance(3)
    >>> cache.seq_pos, keys.shape
    (3, (1, 2, 3, 4))
    """

    def __init__(
        self,
        batch_size: int,
        max_seq_len: int,
        num_layers: int,
        num_heads: int,
        head_dim: int,
        dtype: DTypeLike = np.float32,
    ):
        sizes = {
            "batch_size": batch_size,
            "max_seq_len": max_seq_len,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "head_dim": head_dim,
        }
        for name, size in sizes.items():
            if not _is_integer(size) or size < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {size!r}")
        self.batch_size = int(batch_size)
        self.max_seq_len = int(max_seq_len)
        self.num_layers = int(num_layers)
        self.num_heads = int(num_heads)
        self.head_dim = int(head_dim)
        self.dtype = _floating_dtype(dtype)

        rows = (self.num_layers, self.batch_size, self.num_heads)
        keys = np.zeros((*rows, self.head_dim, self._row_length()), self.dtype)
        self._keys = keys[..., : self.max_seq_len].swapaxes(3, 4)
        self._values = np.zeros((*rows, self.max_seq_len, self.head_dim), self.dtype)
        self._seq_pos = 0
        self._num_written = [0] * self.num_layers

    @property
    def seq_pos(self) -> int:
        """Number of tokens committed, which is also the position of the next one."""
        return self._seq_pos

    def __len__(self) -> int:
        return self._seq_pos

    def update(
        self, layer_idx: int, key: ArrayLike, value: ArrayLike
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write the keys and values of T >= 1 new tokens behind the committed ones.

        Writing a layer again before `advance` replaces what it had written.

        Parameters
        ----------
        layer_idx : int
        key, value : array_like of shape (B, H, T, D)
            Arrays, or objects that carry their array in an attribute ``data``.

        Returns
        -------
        keys, values : ndarray of shape (B, H, seq_pos + T, D)
            Views of the cache, without a copy: the history and the new tokens.

        Raises
        ------
        ValueError
            If the layer does not exist, a shape or dtype does not fit, or the tokens would
            overflow the cache. Nothing is written then.
        """
        self._check_layer(layer_idx)
        key, value = _as_array(key), _as_array(value)
        num_tokens = self._check_entries(key, value)
        stop = self._seq_pos + num_tokens
        if stop > self.max_seq_len:
            raise ValueError(
                f"cache overflow: {self._seq_pos} tokens cached and {num_tokens} new exceed "
                f"max_seq_len={self.max_seq_len}"
            )
        self._keys[layer_idx, :, :, self._seq_pos : stop] = key
        self._values[layer_idx, :, :, self._seq_pos : stop] = value
        self._num_written[layer_idx] = num_tokens
        return self._view(layer_idx, stop)

    def advance(self, num_tokens: int = 1) -> None:
        """Commit the tokens that every layer has written: call it once per forward pass.

        Parameters
        ----------
        num_tokens : int
            How many of the written tokens to keep, from the first on.

        Raises
        ------
        ValueError
            If the layers have not all written the same number of tokens, or fewer than
            `num_tokens`.
        """
        written = self._num_written
        if min(written) != max(written):
            raise ValueError(
                f"layers out of step: layer {written.index(max(written))} has written "
                f"{max(written)} tokens, layer {written.index(min(written))} {min(written)}"
            )
        if not _is_integer(num_tokens) or not 1 <= num_tokens <= written[0]:
            raise ValueError(
                f"num_tokens must be from 1 to the {written[0]} that every layer has written, "
                f"got {num_tokens!r}"
            )
        self._commit(self._seq_pos + int(num_tokens))

    def get(self, layer_idx: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the committed keys and values of a layer, views of shape (B, H, seq_pos, D).

        Raises
        ------
        ValueError
            If the layer does not exist.
        """
        self._check_layer(layer_idx)
        return self._view(layer_idx, self._seq_pos)

    def truncate(self, seq_len: int) -> None:
        """Forget all but the first `seq_len` tokens.

        Raises
        ------
        ValueError
            If `seq_len` is negative or more than `seq_pos`.
        """
        if not _is_integer(seq_len) or not 0 <= seq_len <= self._seq_pos:
            raise ValueError(f"seq_len must be from 0 to seq_pos={self._seq_pos}, got {seq_len!r}")
        self._commit(int(seq_len))

    def reset(self) -> None:
        """Forget every token. The memory is kept, and takes no time to clear."""
        self._commit(0)

    def reorder(self, batch_indices: ArrayLike) -> None:
        """Replace each sequence by the one that `batch_indices` names, as beam search does.

        Parameters
        ----------
        batch_indices : array_like of shape (B,), int
            Row i takes over the history of row ``batch_indices[i]``.

        Raises
        ------
        ValueError
            If the indices are not integers from 0 to B - 1, one for each row.
        """
        indices = np.asarray(batch_indices)
        if indices.shape != (self.batch_size,) or indices.dtype.kind not in "iu":
            raise ValueError(
                f"batch_indices must be {self.batch_size} integers, got {batch_indices!r}"
            )
        if indices.min() < 0 or indices.max() >= self.batch_size:
            raise ValueError(
                f"batch_indices must be from 0 to {self.batch_size - 1}, got {batch_indices!r}"
            )
        for entries in (self._keys, self._values):
            committed = entries[:, :, :, : self._seq_pos]
            committed[...] = committed[:, indices]
        self._commit(self._seq_pos)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values.

        That is ``2 * layers * B * H * max_seq_len * D * itemsize``. Up to two cache lines (128
        bytes) of padding behind each row of keys are not counted.
        """
        return self._keys.nbytes + self._values.nbytes

    @property
    def nbytes_used(self) -> int:
        """Bytes that hold committed tokens."""
        return self.nbytes // self.max_seq_len * self._seq_pos

    def get_memory_usage(self) -> dict[str, float | int]:
        """Describe the memory of keys and values, without the padding that `nbytes` leaves out.

        Returns
        -------
        dict
            ``total_mb`` and ``per_layer_mb`` in MiB (2**20 bytes; the names are TinyTorch's),
            ``cache_tensors`` (one for keys and one for values in each layer) and
            ``total_elements``.
        """
        return {
            "total_mb": self.nbytes / MIB,
            "per_layer_mb": self.nbytes / self.num_layers / MIB,
            "cache_tensors": 2 * self.num_layers,
            "total_elements": self._keys.size + self._values.size,
        }

    def __repr__(self) -> str:
        return (
            f"KVCache(batch_size={self.batch_size}, max_seq_len={self.max_seq_len}, "
            f"num_layers={self.num_layers}, num_heads={self.num_heads}, "
            f"head_dim={self.head_dim}, dtype={self.dtype}): "
            f"{self._seq_pos} tokens, {self.nbytes_used / MIB:.2f} of {self.nbytes / MIB:.2f} MiB"
        )

    def _row_length(self) -> int:
        """Room for max_seq_len keys in an odd number of cache lines.

        With a power of two, the rows of a head would lie in the same few sets of the processor's
        cache and push each other out.
        """
        num_lines = -(-self.max_seq_len * self.dtype.itemsize // CACHE_LINE) | 1
        return num_lines * CACHE_LINE // self.dtype.itemsize

    def _commit(self, seq_pos: int) -> None:
        self._seq_pos = seq_pos
        self._num_written = [0] * self.num_layers

    def _view(self, layer_idx: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        return self._keys[layer_idx, :, :, :stop], self._values[layer_idx, :, :, :stop]

    def _check_layer(self, layer_idx: int) -> None:
        if not _is_integer(layer_idx) or not 0 <= layer_idx < self.num_layers:
            raise ValueError(
                f"layer_idx must be from 0 to {self.num_layers - 1}, got {layer_idx!r}"
            )

    def _check_entries(self, key: np.ndarray, value: np.ndarray) -> int:
        num_tokens = key.shape[2] if key.ndim == 4 else 0
        expected = (self.batch_size, self.num_heads, num_tokens, self.head_dim)
        for name, entries in (("key", key), ("value", value)):
            if entries.shape != expected or num_tokens == 0:
                raise ValueError(
                    f"{name} must have shape (batch_size={self.batch_size}, "
                    f"num_heads={self.num_heads}, tokens={num_tokens or 'at least 1'}, "
                    f"head_dim={self.head_dim}), got {entries.shape}"
                )
            if entries.dtype != self.dtype and not np.can_cast(
                entries.dtype, self.dtype, casting="same_kind"
            ):
                raise ValueError(f"{name} must be real numbers, got dtype {entries.dtype}")
        return num_tokens


def _floating_dtype(dtype: DTypeLike) -> np.dtype:
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        pass
    else:
        if dtype.kind == "f":
            return dtype
    raise ValueError(f"dtype must be a floating-point type, got {dtype}")


def _as_array(entries: ArrayLike) -> np.ndarray:
    if isinstance(entries, np.ndarray):
        return entries
    return np.asarray(getattr(entries, "data", entries))


def _is_integer(value: object) -> bool:
    return isinstance(value, INTEGER_TYPES) and not isinstance(value, bool)
