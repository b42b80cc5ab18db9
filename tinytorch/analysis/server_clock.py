"""How long a server's pass takes: until its bytes are read, or its operations done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinytorch.analysis.costs import decode_bytes, forward_operations, kv_cache_bytes
from tinytorch.analysis.model_zoo import ModelSpec
from tinytorch.core import ModelConfig

BITS = 16
"""Of a weight and of a cached element."""


@dataclass(frozen=True)
class Device:
    """A machine as two numbers.

    Attributes
    ----------
    name : str
    bytes_per_second : float
        Bandwidth of its memory.
    operations_per_second : float
        Peak of floating-point operations in 16 bits, without sparsity.
    """

    name: str
    bytes_per_second: float
    operations_per_second: float


DEVICES = {
    device.name: device
    for device in (
        Device("NVIDIA L4", 300e9, 121e12),
        Device("NVIDIA A100 80GB SXM", 2_039e9, 312e12),
        Device("NVIDIA H100 SXM", 3_350e9, 989e12),
    )
}
"""As NVIDIA's data sheets give them, read in third-party copies. Where a sheet gives arithmetic
with sparsity, half of it."""


class NewTokens(NamedTuple):
    """What a pass computes of one text.

    Attributes
    ----------
    count : int
        New tokens.
    num_keys : int
        Tokens that the last of them attends to, itself included.
    samples : bool
        Whether the next token comes out, which takes logits.
    """

    count: int
    num_keys: int
    samples: bool


@dataclass(frozen=True)
class PassCost:
    """Bytes that a pass moves, and its floating-point operations."""

    num_bytes: int
    operations: int

    def seconds(self, device: Device) -> float:
        """Return the time that `device` takes, if moving and computing overlap without a gap.

        Starting kernels, drawing tokens and everything on the host takes no time here.
        """
        return max(
            self.num_bytes / device.bytes_per_second,
            self.operations / device.operations_per_second,
        )


def pass_cost(
    model: ModelConfig | ModelSpec, texts: Sequence[NewTokens], num_copied: int = 0
) -> PassCost:
    """Count what one pass over new tokens of several texts takes, in 16 bits.

    Parameters
    ----------
    model : ModelConfig or ModelSpec
    texts : sequence of NewTokens
    num_copied : int
        Tokens whose keys and values are copied to another block before.

    Returns
    -------
    PassCost
        Bytes as in `decode_bytes`: the weights once, and each text's own cache, also where texts
        share blocks; a copy is read and written. Operations as in `forward_operations`, two for
        a multiply-add.

    Raises
    ------
    ValueError
        As `forward_operations`.
    """
    bits = {"bits_per_element": BITS}
    num_new = sum(text.count for text in texts)
    weights = decode_bytes(model, 0, batch_size=num_new, bits_per_weight=BITS, **bits)
    num_cached = sum(text.num_keys for text in texts) + 2 * num_copied
    operations = 0
    for text in texts:
        counts = forward_operations(model, text.count, text.num_keys)
        operations += sum(counts.values()) - (0 if text.samples else counts["logits"])
    return PassCost(weights + kv_cache_bytes(model, num_cached, **bits), 2 * operations)
