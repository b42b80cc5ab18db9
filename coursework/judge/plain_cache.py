"""A cache that the judge gives a guest to ask about `enable_cache` alone.

It is sent to guests that are asked about nothing else: no other has a cache it could hide behind.
"""

import numpy as np


class PlainCache:
    """Keys and values of past tokens, joined anew at every call."""

    def __init__(self, batch_size, max_seq_len, num_layers, num_heads, head_dim):
        self.batch_size, self.max_seq_len, self.num_layers = batch_size, max_seq_len, num_layers
        self.num_heads, self.head_dim = num_heads, head_dim
        self.reset()

    def update(self, layer_idx, key, value):
        """Keep the new entries of a layer; return its history and them."""
        if self.seq_pos + key.shape[2] > self.max_seq_len:
            raise ValueError(f"more than {self.max_seq_len} tokens")
        self.written[layer_idx] = [np.array(entries, np.float32) for entries in (key, value)]
        return tuple(
            np.concatenate(pair, axis=2)
            for pair in zip(self.counted[layer_idx], self.written[layer_idx], strict=True)
        )

    def advance(self, num_tokens=1):
        """Count tokens that all layers have written."""
        for layer_idx, (counted, written) in enumerate(
            zip(self.counted, self.written, strict=True)
        ):
            self.counted[layer_idx] = [
                np.concatenate([old, new[:, :, :num_tokens]], axis=2)
                for old, new in zip(counted, written, strict=True)
            ]
        self.seq_pos += num_tokens

    def get(self, layer_idx):
        """Return the counted keys and values of a layer."""
        return tuple(self.counted[layer_idx])

    def reset(self):
        """Forget every token."""
        none = np.zeros((self.batch_size, self.num_heads, 0, self.head_dim), np.float32)
        self.counted = [[none, none] for _ in range(self.num_layers)]
        self.written = [[none, none] for _ in range(self.num_layers)]
        self.seq_pos = 0
