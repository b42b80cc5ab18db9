"""The numbers that define a transformer."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real

NORMS = ("layernorm", "rmsnorm")
POSITIONS = ("learned", "rope")
MLPS = ("gelu", "swiglu")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Dimensions and choices of a decoder-only transformer.

    The defaults give the GPT-2 style. The Llama style is ``norm="rmsnorm"``,
    ``positions="rope"``, ``mlp="swiglu"`` and ``bias=False``.

    Parameters
    ----------
    vocab_size : int
        Number of token ids, V.
    embed_dim : int
        Width of the hidden state, E.
    num_layers : int
        Number of transformer blocks.
    num_heads : int
        Number of query heads.
    num_kv_heads : int, optional
        Number of key/value heads. Fewer than `num_heads` is grouped-query attention
        (Ainslie et al. 2023, arXiv:2305.13245). Default: `num_heads`.
    head_dim : int, optional
        Width of one head, D. Default: ``embed_dim // num_heads``. Some models (Qwen3, Gemma)
        choose another value, so it is an input of its own.
    mlp_dim : int, optional
        Inner width of the MLP. Default: ``4 * embed_dim``.
    max_seq_len : int
        Number of positions that the model can tell apart.
    norm : {"layernorm", "rmsnorm"}
    norm_eps : float
        Added to the variance, or to the mean square, before the square root.
    positions : {"learned", "rope"}
        A learned vector for each position, or rotary embeddings of queries and keys.
    rope_theta : float
        Base of the rotary frequencies.
    mlp : {"gelu", "swiglu"}
    bias : bool
        Whether linear layers and layer norms have a bias.
    tied_embeddings : bool
        Whether the output layer shares the token embedding's weights.

    Raises
    ------
    ValueError
        If a value is out of range or does not fit the others; the message names the field.
    """

    vocab_size: int
    embed_dim: int
    num_layers: int
    num_heads: int
    num_kv_heads: int | None = None
    head_dim: int | None = None
    mlp_dim: int | None = None
    max_seq_len: int = 1024
    norm: str = "layernorm"
    norm_eps: float = 1e-5
    positions: str = "learned"
    rope_theta: float = 10_000.0
    mlp: str = "gelu"
    bias: bool = True
    tied_embeddings: bool = True

    def __post_init__(self):
        for name in ("vocab_size", "embed_dim", "num_layers", "num_heads", "max_seq_len"):
            self._require_positive_int(name)
        if self.head_dim is None and self.embed_dim % self.num_heads:
            raise ValueError(
                f"embed_dim={self.embed_dim} is not a multiple of num_heads={self.num_heads}; "
                "give head_dim where a head's width is not embed_dim / num_heads"
            )
        self._default("num_kv_heads", self.num_heads)
        self._default("head_dim", self.embed_dim // self.num_heads)
        self._default("mlp_dim", 4 * self.embed_dim)
        for name in ("num_kv_heads", "head_dim", "mlp_dim"):
            self._require_positive_int(name)
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads={self.num_heads} must be a multiple of "
                f"num_kv_heads={self.num_kv_heads}: each key/value head serves an equal group"
            )
        for name, choices in (("norm", NORMS), ("positions", POSITIONS), ("mlp", MLPS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} must be one of {choices}")
        if self.positions == "rope" and self.head_dim % 2:
            raise ValueError(f"head_dim={self.head_dim} must be even for rotary positions")
        for name in ("norm_eps", "rope_theta"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 < value < math.inf:
                raise ValueError(f"{name}={value!r} must be a finite number greater than 0")
        for name in ("bias", "tied_embeddings"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} must be True or False")

    def _default(self, name: str, value: int) -> None:
        if getattr(self, name) is None:
            object.__setattr__(self, name, value)

    def _require_positive_int(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name}={value!r} must be an integer of at least 1")
        object.__setattr__(self, name, int(value))

    def __str__(self) -> str:
        return "\n".join(f"{field.name:16} {getattr(self, field.name)}" for field in fields(self))
