"""Memory for keys and values in blocks: who holds which, which are free, what text is in them.

This is the book-keeping only, in plain Python; the numbers lie in `PagedKVCache`. A sequence
holds a block table (Kwon et al. 2023, arXiv:2309.06180, section 4), and two sequences whose
texts begin alike hold the same blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence


class OutOfBlocksError(MemoryError):
    """More blocks were asked for than are free."""


def blocks_for(num_tokens: int, block_size: int) -> int:
    """Count the blocks that `num_tokens` tokens fill, the last one perhaps in part."""
    return -(-num_tokens // block_size)


class BlockPool:
    """All blocks: how many tables hold each, which are free, and which hold a known text.

    A free block keeps its text until it is handed out again, and can be found by it until then.
    Free blocks are handed out in the order in which they were last used.

    Parameters
    ----------
    num_blocks : int
    block_size : int
        Tokens in a block.

    Raises
    ------
    ValueError
        If a size is not an integer of at least 1.
    """

    def __init__(self, num_blocks: int, block_size: int):
        require_positive(num_blocks=num_blocks, block_size=block_size)
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.ref_counts = [0] * num_blocks
        self._free = OrderedDict.fromkeys(range(num_blocks))
        self._known: dict[bytes, int] = {}
        self._hashes: dict[int, bytes] = {}

    @property
    def num_free(self) -> int:
        """Blocks that no table holds."""
        return len(self._free)

    @property
    def known(self) -> dict[bytes, int]:
        """Hash of a text's beginning, to the block that holds the end of it; a copy."""
        return dict(self._known)

    @property
    def free(self) -> list[int]:
        """Blocks that no table holds, the next to be handed out first."""
        return list(self._free)

    def is_known(self, block_id: int) -> bool:
        """Say whether the block can be found by its text."""
        return block_id in self._hashes

    def allocate(self) -> int:
        """Hand out the free block that was used least recently; its text is forgotten.

        Raises
        ------
        OutOfBlocksError
            If every block is held.
        """
        if not self._free:
            raise OutOfBlocksError(f"all {self.num_blocks} blocks are in use")
        block_id, _ = self._free.popitem(last=False)
        self.forget(block_id)
        self.ref_counts[block_id] = 1
        return block_id

    def share(self, block_id: int) -> None:
        """Let one more table hold a block, which may have been free."""
        self._free.pop(block_id, None)
        self.ref_counts[block_id] += 1

    def release(self, block_id: int) -> None:
        """Let one table less hold a block.

        Raises
        ------
        ValueError
            If no table holds it.
        """
        if self.ref_counts[block_id] < 1:
            raise ValueError(f"block {block_id} is free already")
        self.ref_counts[block_id] -= 1
        if self.ref_counts[block_id] == 0:
            self._free[block_id] = None
            if not self.is_known(block_id):  # nobody can want it back, so it goes out first
                self._free.move_to_end(block_id, last=False)

    def publish(self, block_id: int, text_hash: bytes) -> None:
        """Make a full block known by the hash of all text up to its end.

        Two sequences may have computed the same text side by side. The first block stays known.
        """
        if text_hash not in self._known and block_id not in self._hashes:
            self._known[text_hash] = block_id
            self._hashes[block_id] = text_hash

    def forget(self, block_id: int) -> None:
        """Make a block unknown, since its text is about to change."""
        text_hash = self._hashes.pop(block_id, None)
        if text_hash is not None:
            del self._known[text_hash]

    def find(self, hashes: Iterable[bytes]) -> list[int]:
        """Return the blocks of the longest known beginning of a text, first to last."""
        found = []
        for text_hash in hashes:
            if text_hash not in self._known:
                break
            found.append(self._known[text_hash])
        return found


class BlockTable:
    """The blocks of one sequence, in the order of its text, and how many tokens are in them.

    A step calls `reserve`, computes keys and values, then `advance`. Until then the new tokens
    do not count: a step that fails leaves the sequence as it was.

    Parameters
    ----------
    pool : BlockPool

    Attributes
    ----------
    block_ids : list of int
    seq_pos : int
        Tokens committed, which is also the position of the next one.
    """

    def __init__(self, pool: BlockPool):
        self.pool = pool
        self.block_ids: list[int] = []
        self.seq_pos = 0

    def adopt(self, block_ids: Sequence[int], seq_len: int) -> None:
        """Begin with blocks that are filled already, `seq_len` tokens of them.

        Raises
        ------
        ValueError
            If the table is not empty, or the blocks do not hold `seq_len` tokens.
        """
        if self.block_ids:
            raise ValueError(f"cannot adopt blocks behind {len(self.block_ids)} others")
        if len(block_ids) != blocks_for(seq_len, self.pool.block_size):
            raise ValueError(f"{seq_len} tokens are not in {len(block_ids)} blocks")
        for block_id in block_ids:
            self.pool.share(block_id)
        self.block_ids = list(block_ids)
        self.seq_pos = seq_len

    def blocks_needed(self, num_tokens: int) -> int:
        """Count the free blocks that ``reserve(num_tokens)`` takes."""
        end = blocks_for(self.seq_pos + num_tokens, self.pool.block_size)
        return max(end - len(self.block_ids), 0) + len(self._shared(num_tokens))

    def reserve(self, num_tokens: int) -> list[tuple[int, int]]:
        """Take what `num_tokens` more tokens need: blocks that this table alone holds.

        A block that another table holds as well is replaced by a copy before it changes (copy
        on write). One that is only known, and held by nobody else, becomes unknown.

        Returns
        -------
        list of (int, int)
            Blocks whose contents must be copied before the next pass, from and to.

        Raises
        ------
        OutOfBlocksError
            If too few blocks are free. Nothing has changed then.
        """
        needed = self.blocks_needed(num_tokens)
        if needed > self.pool.num_free:
            raise OutOfBlocksError(
                f"{num_tokens} more tokens need {needed} blocks, {self.pool.num_free} are free"
            )
        copies = []
        for index in self._shared(num_tokens):
            copies.append((self.block_ids[index], self.pool.allocate()))
            self.pool.release(self.block_ids[index])
            self.block_ids[index] = copies[-1][1]
        for index in self._written(num_tokens):
            self.pool.forget(self.block_ids[index])
        while len(self.block_ids) * self.pool.block_size < self.seq_pos + num_tokens:
            self.block_ids.append(self.pool.allocate())
        return copies

    def advance(self, num_tokens: int) -> None:
        """Commit the first `num_tokens` tokens that have been written.

        Raises
        ------
        ValueError
            If they are more than the blocks hold, or fewer than 0.
        """
        room = len(self.block_ids) * self.pool.block_size - self.seq_pos
        if not 0 <= num_tokens <= room:
            raise ValueError(f"num_tokens must be from 0 to {room}, got {num_tokens}")
        self.seq_pos += num_tokens

    def publish(self, hashes: Sequence[bytes]) -> None:
        """Make the full blocks known; `hashes` are those of the text, see `extend_hashes`."""
        num_full = self.seq_pos // self.pool.block_size
        for block_id, text_hash in zip(self.block_ids[:num_full], hashes, strict=False):
            self.pool.publish(block_id, text_hash)

    def truncate(self, seq_len: int) -> list[int]:
        """Forget all but the first `seq_len` tokens, and give back the blocks behind them.

        The last block is released first, so that of a known text the end is lost before the
        beginning.

        Returns
        -------
        list of int
            The blocks that were given back, in this order.

        Raises
        ------
        ValueError
            If `seq_len` is negative or more than `seq_pos`.
        """
        if not 0 <= seq_len <= self.seq_pos:
            raise ValueError(f"seq_len must be from 0 to seq_pos={self.seq_pos}, got {seq_len}")
        num_kept = blocks_for(seq_len, self.pool.block_size)
        released = self.block_ids[num_kept:][::-1]
        for block_id in released:
            self.pool.release(block_id)
        del self.block_ids[num_kept:]
        self.seq_pos = seq_len
        return released

    def reset(self) -> list[int]:
        """Forget every token and give back every block, see `truncate`."""
        return self.truncate(0)

    def _written(self, num_tokens: int) -> range:
        """Find which blocks of the table `num_tokens` more tokens go into."""
        end = blocks_for(self.seq_pos + num_tokens, self.pool.block_size)
        return range(self.seq_pos // self.pool.block_size, min(end, len(self.block_ids)))

    def _shared(self, num_tokens: int) -> list[int]:
        ref_counts = self.pool.ref_counts
        return [i for i in self._written(num_tokens) if ref_counts[self.block_ids[i]] > 1]


def require_positive(**sizes: int) -> None:
    """Raise a ValueError that names the first of `sizes` that is no integer of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {size!r}")
