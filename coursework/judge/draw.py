"""Models, texts and sizes that nobody has seen, drawn for each submission from its seed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from tinytorch import GPT, ModelConfig
from tinytorch.core import init_weights, weight_shapes

STYLES: dict[str, dict[str, Any]] = {
    "learned positions": {},
    "rotary positions": {"positions": "rope", "norm": "rmsnorm"},
    "grouped heads": {"positions": "rope", "num_kv_heads": 2, "mlp": "swiglu", "bias": False},
}
"""The styles that the assignment's own tests ask about."""


class DrawnModel(GPT):
    """A model that remembers the weights it was made from."""

    def __init__(self, config: ModelConfig, weights: dict[str, np.ndarray]):
        super().__init__(config, weights=weights)
        self.weights = weights

    def described(self) -> dict[str, Any]:
        """Return what a guest needs to make the same model, weights in one array."""
        flat = np.concatenate([self.weights[name].ravel() for name in weight_shapes(self.config)])
        return {"config": asdict(self.config), "weights": flat}


class Draw:
    """What a judge asks about, from one seed; with a test's name, what this test asks about."""

    def __init__(self, seed: int, name: str = ""):
        self._seed = seed
        self._rng = np.random.default_rng([seed, *name.encode()])

    def apart(self, name: str) -> Draw:
        """Return what the seed draws under another name; this one draws on as if nothing was."""
        return Draw(self._seed, name)

    def integer(self, least: int, most: int) -> int:
        """Draw an integer from `least` to `most`."""
        return int(self._rng.integers(least, most + 1))

    def split(self, total: int) -> list[int]:
        """Draw sizes of at least 1 that add up to `total`."""
        sizes = []
        while total:
            sizes.append(self.integer(1, min(total, 4)))
            total -= sizes[-1]
        return sizes

    def entries(self, *shape: int) -> np.ndarray:
        """Draw keys, or values, none of them close to 0, float32."""
        drawn = self._rng.uniform(0.5, 2, shape) * self._rng.choice([-1, 1], shape)
        return drawn.astype(np.float32)

    def model(
        self, num_layers: int, style: str, *, embed_dim: int = 0, room: int = 64
    ) -> DrawnModel:
        """Draw a model whose next token is a clear choice, with `room` positions."""
        config = ModelConfig(
            vocab_size=self.integer(56, 72),
            embed_dim=embed_dim or 8 * self.integer(3, 5),
            num_layers=num_layers,
            num_heads=4,
            max_seq_len=room,
            **STYLES[style],
        )
        weights = init_weights(config, seed=self.integer(0, 2**31))
        for weight in weights.values():
            if weight.ndim == 2:
                weight *= 8 * np.sqrt(32 / config.embed_dim)
        return DrawnModel(config, weights)

    def text(self, model: GPT, length: int, batch_size: int = 1) -> np.ndarray:
        """Draw tokens of shape (batch, length)."""
        return self._rng.integers(0, model.vocab_size, (batch_size, length))
