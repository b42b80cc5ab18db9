"""What is sent between a model and the workers that hold its cache: counted, and in closed form."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from tinytorch.core import ModelConfig

FLOAT32 = 4
POSITION = 8
"""Bytes of a position, an int64."""

STRIPE = 16
"""Tokens that lie side by side on one worker before the next worker's turn."""

CHUNK = 128
"""Tokens that a pipeline hands on at once."""


@dataclass(frozen=True)
class Traffic:
    """What went over the wire, or what should have.

    Attributes
    ----------
    round_trips : int
        Times that the model waited. The messages of one round trip travel side by side.
    messages : int
        Requests; each has one answer.
    bytes_sent, bytes_received : int
        Bytes of the arrays in requests and in answers. Dask adds a few hundred to each message
        for its headers.
    seconds : float
        Time in round trips.
    busy_seconds : float
        Of that, time in which the slowest worker of a round trip computed.
    """

    round_trips: int = 0
    messages: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0
    busy_seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes in both directions."""
        return self.bytes_sent + self.bytes_received

    @property
    def waiting_seconds(self) -> float:
        """Time in round trips beyond what the slowest worker of each computed.

        That is packing, travelling and waiting for a core.
        """
        return self.seconds - self.busy_seconds

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Round trips, messages, bytes sent and bytes received: what a closed form can tell."""
        return self.round_trips, self.messages, self.bytes_sent, self.bytes_received

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


def payload_bytes(message: object) -> int:
    """Add up the bytes of all arrays in a message of arrays, numbers, tuples, lists and dicts."""
    if isinstance(message, np.ndarray):
        return message.nbytes
    if isinstance(message, dict):
        return sum(map(payload_bytes, message.values()))
    if isinstance(message, tuple | list):
        return sum(map(payload_bytes, message))
    return 0


def sequence_traffic(
    config: ModelConfig,
    num_shards: int,
    start: int,
    num_tokens: int,
    *,
    batch_size: int = 1,
    itemsize: int = FLOAT32,
    stripe: int = STRIPE,
) -> Traffic:
    """Traffic of one forward pass with a cache spread by tokens.

    Parameters
    ----------
    config : ModelConfig
    num_shards : int
    start, num_tokens : int
        Tokens in the cache before the pass, and new ones.
    batch_size : int
    itemsize : int
        Bytes of one number in the cache.
    stripe : int

    Returns
    -------
    Traffic
        Without times.

    Notes
    -----
    In each layer, every shard that holds a token is asked once. With H query heads, T new tokens
    and B sequences, it gets ``B H T D`` numbers of the query and T positions, and returns
    ``B H T (D + 2)`` numbers. A position has 8 bytes. Each new token's ``2 B H_kv D`` numbers go to
    the one shard that keeps it, so all shards together get ``2 B H_kv T D``.
    """
    holders = min(num_shards, -(-(start + num_tokens) // stripe))
    rows = batch_size * config.num_heads * num_tokens
    query = rows * config.head_dim * FLOAT32 + num_tokens * POSITION
    entries = 2 * batch_size * config.num_kv_heads * num_tokens * config.head_dim * itemsize
    partial = rows * (config.head_dim + 2) * FLOAT32
    layers = config.num_layers
    return Traffic(
        round_trips=layers,
        messages=layers * holders,
        bytes_sent=layers * (holders * query + entries),
        bytes_received=layers * holders * partial,
    )


def heads_traffic(
    config: ModelConfig,
    num_shards: int,
    num_tokens: int,
    *,
    batch_size: int = 1,
    itemsize: int = FLOAT32,
) -> Traffic:
    """Traffic of one forward pass with a cache spread by heads.

    Parameters of the same name, and the result, are those of `sequence_traffic`. Each head's query,
    key, value and output travel once, so the bytes do not depend on the number of shards.
    """
    numbers = batch_size * num_tokens * config.head_dim
    queries = numbers * config.num_heads * FLOAT32
    entries = 2 * numbers * config.num_kv_heads * itemsize
    layers = config.num_layers
    return Traffic(
        round_trips=layers,
        messages=layers * num_shards,
        bytes_sent=layers * (queries + entries),
        bytes_received=layers * queries,
    )


def layers_traffic(
    config: ModelConfig,
    num_shards: int,
    num_tokens: int,
    *,
    batch_size: int = 1,
    chunk: int = CHUNK,
) -> Traffic:
    """Traffic of one forward pass with a cache spread by layers, a pipeline.

    Parameters of the same name, and the result, are those of `sequence_traffic`; `chunk` is the
    number of tokens that a stage hands on at once. Each stage gets the ``B T E`` numbers of the
    hidden states, with rotary positions also T rotations of ``D / 2`` complex numbers, and returns
    as many hidden states.
    C chunks and P stages take ``C + P - 1`` round trips, since stages work side by side.
    """
    num_chunks = -(-num_tokens // chunk)
    hidden = batch_size * num_tokens * config.embed_dim * FLOAT32
    rotation = num_tokens * config.head_dim * FLOAT32 if config.positions == "rope" else 0
    return Traffic(
        round_trips=num_chunks + num_shards - 1,
        messages=num_chunks * num_shards,
        bytes_sent=num_shards * (hidden + rotation),
        bytes_received=num_shards * hidden,
    )
