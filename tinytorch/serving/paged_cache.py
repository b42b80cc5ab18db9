"""Keys and values in blocks, and one forward pass over sequences of different lengths.

The model is not changed. As `enable_kv_cache` does, `forward_ragged` puts another ``forward`` in
front of each attention layer, here for one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.core.attention import attend
from tinytorch.generation.enable import attached
from tinytorch.serving.blocks import BlockPool, BlockTable, blocks_for, require_positive


@dataclass(frozen=True)
class RaggedBatch:
    """Where the new tokens of several sequences stand and go, one sequence after the other.

    Attributes
    ----------
    spans : tuple of slice
        Which of the N new tokens belong to each sequence.
    tables : tuple of ndarray of int
        The blocks of each sequence, up to its last new token.
    lengths : tuple of int
        Tokens of each sequence, the new ones included.
    positions, block_ids, slots : ndarray of shape (N,), int
        Of each new token: its place in its text, its block, and its place in the block.
    """

    spans: tuple[slice, ...]
    tables: tuple[np.ndarray, ...]
    lengths: tuple[int, ...]
    positions: np.ndarray
    block_ids: np.ndarray
    slots: np.ndarray


def ragged_batch(tables: Sequence[BlockTable], num_tokens: Sequence[int]) -> RaggedBatch:
    """Lay out a pass over ``num_tokens[i]`` new tokens of the sequence ``tables[i]``.

    Raises
    ------
    ValueError
        If a sequence has no new token, or has not reserved blocks of its own for them.
    """
    spans, ids, lengths, positions, block_ids = [], [], [], [], []
    start = 0
    for table, count in zip(tables, num_tokens, strict=True):
        _require_reserved(table, count)
        size, stop = table.pool.block_size, table.seq_pos + count
        own = np.array(table.block_ids[: blocks_for(stop, size)])
        where = np.arange(table.seq_pos, stop)
        spans.append(slice(start, start := start + count))
        ids.append(own)
        lengths.append(stop)
        positions.append(where)
        block_ids.append(own[where // size])
    where = np.concatenate(positions)
    return RaggedBatch(
        tuple(spans),
        tuple(ids),
        tuple(lengths),
        where,
        np.concatenate(block_ids),
        where % tables[0].pool.block_size,
    )


def _require_reserved(table: BlockTable, num_tokens: int) -> None:
    require_positive(num_tokens=num_tokens)
    size = table.pool.block_size
    first, stop = table.seq_pos // size, blocks_for(table.seq_pos + num_tokens, size)
    if stop > len(table.block_ids):
        raise ValueError(
            f"{num_tokens} tokens after {table.seq_pos} need {stop} blocks, "
            f"{len(table.block_ids)} are reserved"
        )
    for block_id in table.block_ids[first:stop]:
        if table.pool.ref_counts[block_id] != 1 or table.pool.is_known(block_id):
            raise ValueError(f"block {block_id} is shared or known and must not be written")


class PagedKVCache:
    """Keys and values of many sequences, in the blocks of a pool.

    Parameters
    ----------
    pool : BlockPool
        Says which block is whose.
    num_layers, num_heads, head_dim, dtype
        As for `tinytorch.generation.KVCache`.

    Raises
    ------
    ValueError
        If a size is not an integer of at least 1, or `dtype` is not floating point.

    Notes
    -----
    Both are stored as (layers, blocks, block_size, H, D): a token's heads lie side by side, so
    that writing a token and gathering a block each touch one run of memory.
    """

    def __init__(
        self,
        pool: BlockPool,
        num_layers: int,
        num_heads: int,
        head_dim: int,
        dtype: DTypeLike = np.float32,
    ):
        require_positive(num_layers=num_layers, num_heads=num_heads, head_dim=head_dim)
        if np.dtype(dtype).kind != "f":
            raise ValueError(f"dtype must be a floating-point type, got {np.dtype(dtype)}")
        self.pool = pool
        self.num_layers = num_layers
        shape = (num_layers, pool.num_blocks, pool.block_size, num_heads, head_dim)
        self._keys = np.zeros(shape, dtype)
        self._values = np.zeros(shape, dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks, ``2 * layers * blocks * block_size * H * D * itemsize``."""
        return self._keys.nbytes + self._values.nbytes

    def update(
        self, layer_idx: int, batch: RaggedBatch, key: np.ndarray, value: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Write the keys and values of N new tokens, then give each sequence its history.

        Parameters
        ----------
        layer_idx : int
        batch : RaggedBatch
        key, value : ndarray of shape (1, H, N, D)

        Returns
        -------
        iterator of (slice, ndarray, ndarray)
            For each sequence: which of the N tokens are its own, and the keys and values
            (1, H, S, D) of all its tokens, the new ones included. Copies, made one at a time.

        Raises
        ------
        ValueError
            If a shape does not fit. Nothing is written then.
        """
        _, _, _, num_heads, head_dim = self._keys.shape
        expected = (1, num_heads, len(batch.positions), head_dim)
        if key.shape != expected or value.shape != expected:
            raise ValueError(
                f"key and value must have shape {expected}, got {key.shape} and {value.shape}"
            )
        for memory, entries in ((self._keys, key), (self._values, value)):
            memory[layer_idx, batch.block_ids, batch.slots] = entries[0].swapaxes(0, 1)
        return (
            (span, *self._gather(layer_idx, table, length))
            for span, table, length in zip(batch.spans, batch.tables, batch.lengths, strict=True)
        )

    def get(self, layer_idx: int, table: BlockTable) -> tuple[np.ndarray, np.ndarray]:
        """Return the committed keys and values of one sequence, copies (1, H, seq_pos, D)."""
        return self._gather(layer_idx, np.array(table.block_ids, dtype=int), table.seq_pos)

    def block(self, block_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the keys and values of one block, views (layers, block_size, H, D)."""
        return self._keys[:, block_id], self._values[:, block_id]

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks, in order, as `BlockTable.reserve` asks for."""
        for source, target in copies:
            for memory in (self._keys, self._values):
                memory[:, target] = memory[:, source]

    def _gather(
        self, layer_idx: int, block_ids: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        _, _, _, num_heads, head_dim = self._keys.shape
        keys, values = (
            memory[layer_idx, block_ids].reshape(1, -1, num_heads, head_dim)[:, :length]
            for memory in (self._keys, self._values)
        )
        return keys.swapaxes(1, 2), values.swapaxes(1, 2)


def new_paged_cache(model: object, pool: BlockPool, dtype: DTypeLike = np.float32) -> PagedKVCache:
    """Make a cache in the blocks of `pool` with the layers and heads of `model`."""
    return PagedKVCache(pool, len(model.blocks), model.num_kv_heads, model.head_dim, dtype)


def forward_ragged(
    model: object,
    cache: PagedKVCache,
    tables: Sequence[BlockTable],
    tokens: Sequence[Sequence[int]],
    rows: Sequence[int] | None = None,
) -> np.ndarray:
    """Run the model once over new tokens of several sequences, none of them padded.

    To the linear layers the N tokens are one text of N tokens, which reads the weights once.
    Attention takes each sequence for itself (selective batching, Yu et al. 2022, "Orca", OSDI,
    section 3). Call `advance` on each table afterwards.

    Parameters
    ----------
    model : GPT or similar
        A cache that it has is left alone.
    cache : PagedKVCache
    tables : sequence of BlockTable
        Each with room for its new tokens, see `BlockTable.reserve`.
    tokens : sequence of sequence of int
        The new tokens of each sequence, at least one.
    rows : sequence of int, optional
        Which of the N tokens to score the next token of. Default: the last of each sequence.

    Returns
    -------
    ndarray of shape (len(rows), V), float32

    Raises
    ------
    ValueError
        If a table lacks room or would write into a block that others read; or as the model.
    """
    batch = ragged_batch(tables, [len(new) for new in tokens])
    rows = [span.stop - 1 for span in batch.spans] if rows is None else list(rows)
    joined = np.concatenate([np.asarray(new) for new in tokens])[None]
    final_norm = model.final_norm
    with attached(model, None), ExitStack() as stack:
        for layer_idx, block in enumerate(model.blocks):
            forward = _ragged_attention(block.attention, cache, layer_idx, batch)
            stack.enter_context(_replaced(block.attention, "forward", forward))
        # Only the rows asked for meet the vocabulary, the widest matrix of the model.
        stack.enter_context(_replaced(model, "final_norm", lambda x: final_norm(x[:, rows])))
        return model.forward(joined, batch.positions)[0]


def _ragged_attention(
    attention: object, cache: PagedKVCache, layer_idx: int, batch: RaggedBatch
) -> Callable:
    def forward(x: np.ndarray, rotation: np.ndarray | None = None) -> np.ndarray:
        query, key, value = attention.project(x, rotation)
        heads = np.empty_like(query)
        for span, keys, values in cache.update(layer_idx, batch, key, value):
            heads[:, :, span] = attend(query[:, :, span], keys, values)
        return attention.merge(heads)

    return forward


@contextmanager
def _replaced(part: object, name: str, value: object) -> Iterator[None]:
    """Give `part` another attribute inside a ``with`` block."""
    before = {name: vars(part)[name]} if name in vars(part) else {}
    setattr(part, name, value)
    try:
        yield
    finally:
        delattr(part, name)
        vars(part).update(before)
