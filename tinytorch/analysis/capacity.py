"""What fits on a device beside the weights: how many sequences, and how long ones."""

from __future__ import annotations

from tinytorch.analysis.costs import kv_cache_bytes, num_parameters
from tinytorch.analysis.model_zoo import ModelSpec
from tinytorch.core import ModelConfig

LONGEST = 2**53 - 1
"""Tokens beyond which nothing is asked: a cache that still fits then never grows any more."""


def weight_bytes(model: ModelConfig | ModelSpec, bits_per_weight: int = 16) -> int:
    """Bytes of a model's weights at `bits_per_weight` bits each."""
    return -(-num_parameters(model) * bits_per_weight // 8)


def sequences_that_fit(
    model: ModelConfig | ModelSpec,
    device_bytes: int,
    seq_len: int,
    *,
    bits_per_element: int = 16,
    bits_per_weight: int = 16,
) -> int:
    """Count the sequences of `seq_len` tokens whose caches fit beside the weights.

    Parameters
    ----------
    model : ModelConfig or ModelSpec
    device_bytes : int
        Memory of the device. Activations and the runtime's own memory are not subtracted.
    seq_len : int
        Tokens in each sequence, at least 1.
    bits_per_element, bits_per_weight : int
        Of the cache and of the weights.

    Returns
    -------
    int
        0 where the weights leave no room.
    """
    room = device_bytes - weight_bytes(model, bits_per_weight)
    one = kv_cache_bytes(model, seq_len, bits_per_element=bits_per_element)
    return max(room // one, 0)


def longest_that_fits(
    model: ModelConfig | ModelSpec,
    device_bytes: int,
    *,
    batch_size: int = 1,
    bits_per_element: int = 16,
    bits_per_weight: int = 16,
) -> int | None:
    """Find how long `batch_size` sequences can grow beside the weights.

    Parameters
    ----------
    model, device_bytes, bits_per_element, bits_per_weight
        As in `sequences_that_fit`.
    batch_size : int
        Sequences of equal length.

    Returns
    -------
    int or None
        Tokens, whatever the model was trained for. 0 where not one token fits, and None where
        there is no limit, because every layer has a window.
    """
    room = device_bytes - weight_bytes(model, bits_per_weight)

    def fits(seq_len: int) -> bool:
        size = kv_cache_bytes(
            model, seq_len, batch_size=batch_size, bits_per_element=bits_per_element
        )
        return size <= room

    if fits(LONGEST):
        return None
    shortest, longest = 0, LONGEST
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        shortest, longest = (middle, longest) if fits(middle) else (shortest, middle)
    return shortest
