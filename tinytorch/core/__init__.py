"""The transformer, which knows nothing of caching."""

from tinytorch.core.attention import Attention, attend, causal_mask
from tinytorch.core.config import ModelConfig
from tinytorch.core.transformer import GPT, Block, init_weights, weight_shapes

__all__ = [
    "GPT",
    "Attention",
    "Block",
    "ModelConfig",
    "attend",
    "causal_mask",
    "init_weights",
    "weight_shapes",
]
