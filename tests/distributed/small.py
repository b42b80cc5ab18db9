"""Models with enough layers and heads for four workers, and ways to run them."""

import numpy as np

from tinytorch.core import ModelConfig
from tinytorch.distributed import (
    LocalWorkers,
    Traffic,
    heads_traffic,
    layers_traffic,
    sequence_traffic,
)

TOLERANCE = 1e-4
KINDS = ("sequence", "layers", "heads")
MOST_WORKERS = 4

SIZES = {
    "vocab_size": 61,
    "embed_dim": 32,
    "num_layers": 4,
    "num_heads": 8,
    "num_kv_heads": 4,
    "max_seq_len": 48,
}
CONFIGS = {
    "gpt2": ModelConfig(**SIZES),
    "llama": ModelConfig(
        **SIZES, norm="rmsnorm", positions="rope", mlp="swiglu", bias=False, head_dim=6
    ),
}


def options_for(kind, small):
    """Stripes or chunks so small that a short text has many of them."""
    return {"sequence": {"stripe": small}, "layers": {"chunk": small}, "heads": {}}[kind]


def expected_traffic(config, kind, num_shards, start, num_tokens, small, **sizes) -> Traffic:
    """Return what the closed form says of one pass."""
    if kind == "sequence":
        return sequence_traffic(config, num_shards, start, num_tokens, stripe=small, **sizes)
    if kind == "layers":
        sizes.pop("itemsize", None)
        return layers_traffic(config, num_shards, num_tokens, chunk=small, **sizes)
    return heads_traffic(config, num_shards, num_tokens, **sizes)


def feed(model, tokens, chunks):
    """Logits of `tokens`, fed in chunks of the given lengths."""
    assert sum(chunks) == tokens.shape[1]
    pieces = np.split(tokens, np.cumsum(chunks)[:-1], axis=1)
    return np.concatenate([model.forward(piece) for piece in pieces], axis=1)


class FailingWorkers(LocalWorkers):
    """Lose a worker before the requests with the given numbers are sent."""

    def __init__(self, num_workers, losses=()):
        super().__init__(num_workers)
        self.losses = dict(losses)
        self.asked = 0

    def ask(self, requests):
        if self.asked in self.losses:
            self.kill(self.losses[self.asked])
        self.asked += 1
        return super().ask(requests)
