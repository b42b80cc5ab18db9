"""Which blocks a text can begin with, because an earlier text began alike."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

from tinytorch.serving.blocks import BlockPool, blocks_for


def extend_hashes(hashes: list[bytes], tokens: Sequence[int], block_size: int) -> None:
    """Append the hash of each full block of `tokens` that `hashes` lacks.

    A block's keys depend on all tokens before it, so its hash covers the hash of the block
    before. SHA-256 rather than Python's ``hash``: two texts that collided would share memory.

    Parameters
    ----------
    hashes : list of bytes
        Of the first ``len(hashes)`` blocks of the same text. Extended in place.
    tokens : sequence of int
    block_size : int
    """
    for start in range(len(hashes) * block_size, len(tokens) - block_size + 1, block_size):
        own = array("q", tokens[start : start + block_size]).tobytes()
        hashes.append(hashlib.sha256((hashes[-1] if hashes else b"") + own).digest())


def known_beginning(
    pool: BlockPool, hashes: Sequence[bytes], num_tokens: int
) -> tuple[list[int], int]:
    """Find the blocks that a text of `num_tokens` tokens can begin with.

    Returns
    -------
    block_ids : list of int
    seq_len : int
        Tokens of the text in them. At least one token is left to compute, since the next one
        comes out of it: of a text that is known whole, the last block is used without its end.
    """
    found = pool.find(hashes)
    seq_len = min(len(found) * pool.block_size, num_tokens - 1)
    return found[: blocks_for(seq_len, pool.block_size)], seq_len


def admission_cost(pool: BlockPool, found: Sequence[int], seq_len: int, num_tokens: int) -> int:
    """Count the free blocks that a text of `num_tokens` tokens takes.

    It begins with `seq_len` tokens in the blocks `found`. Those that no table holds are free, too.
    """
    revived = sum(pool.ref_counts[block_id] == 0 for block_id in found)
    # A last block that is not full will be written; if others hold it, that takes a copy.
    copied = bool(seq_len % pool.block_size and pool.ref_counts[found[-1]])
    return blocks_for(num_tokens, pool.block_size) - len(found) + revived + copied
