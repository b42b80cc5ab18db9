"""What tests of cached models share."""

import numpy as np

from tinytorch.core import GPT, Attention
from tinytorch.generation import KVCache, get_kv_cache

TOLERANCE = 1e-4


class RecordingGPT(GPT):
    """Remembers the tokens' shape and the positions of each forward pass."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passes = []

    def forward(self, tokens, positions=None, *, last_only=False):
        self.passes.append((np.shape(tokens), None if positions is None else np.array(positions)))
        return super().forward(tokens, positions, last_only=last_only)


def new_cache(model, batch_size=1, max_seq_len=None, dtype=np.float32):
    return KVCache(
        batch_size,
        max_seq_len or model.max_seq_len,
        model.num_layers,
        model.num_kv_heads,
        model.head_dim,
        dtype,
    )


def feed(model, tokens, chunks):
    """Logits of `tokens`, fed in chunks of the given lengths."""
    assert sum(chunks) == tokens.shape[1]
    pieces = np.split(tokens, np.cumsum(chunks)[:-1], axis=1)
    return np.concatenate([model.forward(piece) for piece in pieces], axis=1)


def contents(cache):
    return [[part.copy() for part in cache.get(layer)] for layer in range(cache.num_layers)]


def assert_contents(cache, expected):
    for layer, parts in enumerate(expected):
        for part, old in zip(cache.get(layer), parts, strict=True):
            np.testing.assert_array_equal(part, old)


def assert_plain(model):
    """No trace of a cache: the next pass starts at position 0 again, twice."""
    assert get_kv_cache(model) is None
    assert model.forward.__func__ is type(model).forward
    for block in model.blocks:
        assert block.attention.forward.__func__ is Attention.forward
