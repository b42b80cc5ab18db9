"""A decoder-only transformer, GPT-2 or Llama style. It knows nothing of caching."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinytorch.core.attention import Attention
from tinytorch.core.config import ModelConfig
from tinytorch.core.layers import make_linear, make_mlp, make_norm, rotary_table


class Block:
    """Attention, then an MLP, each on the normalised hidden state and added to it."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, np.ndarray], prefix: str):
        self.attention_norm = make_norm(config, weights, f"{prefix}.attention_norm")
        self.attention = Attention(config, weights, f"{prefix}.attention")
        self.mlp_norm = make_norm(config, weights, f"{prefix}.mlp_norm")
        self.mlp = make_mlp(config, weights, f"{prefix}.mlp")

    def forward(self, x: np.ndarray, rotation: np.ndarray | None = None) -> np.ndarray:
        """Map (B, T, E) to (B, T, E); `rotation` is as for `Attention.forward`."""
        x = x + self.attention.forward(self.attention_norm(x), rotation)
        x += self.mlp(self.mlp_norm(x))
        return x


class GPT:
    """A language model: token ids in, a score for every next token out.

    Parameters
    ----------
    config : ModelConfig
    seed : int
        Seeds the random weights. Without effect when `weights` is given.
    weights : mapping of str to ndarray, optional
        Trained weights, by the names and with the shapes of `weight_shapes`; used as they are,
        without a copy.

    Attributes
    ----------
    config : ModelConfig
    embed_dim, num_layers, num_heads, num_kv_heads, head_dim, max_seq_len, vocab_size : int
        As in `config`.
    blocks : list of Block

    Raises
    ------
    ValueError
        If `weights` lacks a name, has one too many, or has one of another shape or dtype.

    Examples
    --------
    >>> config = ModelConfig(vocab_size=50, embed_dim=32, num_layers=2, num_heads=4)
    >>> GPT(config).forward(np.array([[1, 2, 3]])).shape
    (1, 3, 50)
    """

    def __init__(
        self,
        config: ModelConfig,
        seed: int = 0,
        *,
        weights: Mapping[str, np.ndarray] | None = None,
    ):
        if weights is None:
            weights = init_weights(config, seed)
        else:
            _check_weights(config, weights)
        self.config = config
        self.embed_dim = config.embed_dim
        self.num_layers = config.num_layers
        self.num_heads = config.num_heads
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.max_seq_len = config.max_seq_len
        self.vocab_size = config.vocab_size
        self.token_embedding = weights["token_embedding.weight"]
        self.position_embedding = weights.get("position_embedding.weight")
        self.rotary_table = None
        if config.positions == "rope":
            self.rotary_table = rotary_table(config.head_dim, config.max_seq_len, config.rope_theta)
        self.blocks = [Block(config, weights, f"blocks.{i}") for i in range(config.num_layers)]
        self.final_norm = make_norm(config, weights, "final_norm")
        head = "token_embedding" if config.tied_embeddings else "head"
        self.head = make_linear(weights, head, "logits")

    def forward(
        self,
        tokens: np.ndarray,
        positions: np.ndarray | None = None,
        *,
        last_only: bool = False,
    ) -> np.ndarray:
        """Score every possible next token after each token.

        Parameters
        ----------
        tokens : array_like of shape (B, T), int
        positions : array_like of shape (T,) or (B, T), int, optional
            Where in the sequence each token stands. Default: 0 to T - 1.
        last_only : bool
            Score the token after the last one only: generation needs no more.

        Returns
        -------
        ndarray of shape (B, T, V), or (B, 1, V) with `last_only`, float32
            Unnormalised log-probabilities (logits).

        Raises
        ------
        ValueError
            If tokens or positions are not integers, have another shape, or are out of range.
        """
        tokens = self._check_tokens(tokens)
        if positions is None:
            positions = np.arange(tokens.shape[1])
        positions = self._check_positions(positions, tokens.shape)
        x = self.token_embedding[tokens]
        if self.position_embedding is not None:
            x += self.position_embedding[positions]
        rotation = None if self.rotary_table is None else self.rotary_table[positions]
        for block in self.blocks:
            x = block.forward(x, rotation)
        if last_only:
            x = x[:, -1:]
        return self.head(self.final_norm(x))

    def _check_tokens(self, tokens: np.ndarray) -> np.ndarray:
        tokens = np.asarray(tokens)
        if tokens.ndim != 2 or 0 in tokens.shape:
            raise ValueError(f"tokens must have shape (batch, tokens), got {tokens.shape}")
        _require_range("tokens", tokens, self.vocab_size, "vocab_size")
        return tokens

    def _check_positions(self, positions: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        positions = np.asarray(positions)
        if positions.shape not in (shape, shape[1:]):
            raise ValueError(
                f"positions must have shape {shape[1:]} or {shape}, got {positions.shape}"
            )
        _require_range("positions", positions, self.max_seq_len, "max_seq_len")
        return positions


def _require_range(name: str, values: np.ndarray, limit: int, limit_name: str) -> None:
    if values.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got dtype {values.dtype}")
    if values.min() < 0 or values.max() >= limit:
        raise ValueError(
            f"{name} must be at least 0 and below {limit_name}={limit}, "
            f"got {values.min()} to {values.max()}"
        )


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight array of a model, in the order a forward pass reads them.

    Parameters
    ----------
    config : ModelConfig

    Returns
    -------
    dict of str to tuple of int
        Linear weights are (out_dim, in_dim). Query, key and value rows are one array,
        ``qkv_proj``; so are the gate and up rows of a SwiGLU, ``gate_up_proj``.
    """
    shapes = {"token_embedding.weight": (config.vocab_size, config.embed_dim)}
    if config.positions == "learned":
        shapes["position_embedding.weight"] = (config.max_seq_len, config.embed_dim)

    def linear(name: str, out_dim: int, in_dim: int) -> None:
        shapes[f"{name}.weight"] = (out_dim, in_dim)
        if config.bias:
            shapes[f"{name}.bias"] = (out_dim,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = (config.embed_dim,)
        if config.bias and config.norm == "layernorm":
            shapes[f"{name}.bias"] = (config.embed_dim,)

    num_projected = config.num_heads + 2 * config.num_kv_heads
    for i in range(config.num_layers):
        block = f"blocks.{i}"
        norm(f"{block}.attention_norm")
        linear(f"{block}.attention.qkv_proj", num_projected * config.head_dim, config.embed_dim)
        linear(f"{block}.attention.out_proj", config.embed_dim, config.num_heads * config.head_dim)
        norm(f"{block}.mlp_norm")
        if config.mlp == "swiglu":
            linear(f"{block}.mlp.gate_up_proj", 2 * config.mlp_dim, config.embed_dim)
        else:
            linear(f"{block}.mlp.up_proj", config.mlp_dim, config.embed_dim)
        linear(f"{block}.mlp.down_proj", config.embed_dim, config.mlp_dim)
    norm("final_norm")
    if not config.tied_embeddings:
        shapes["head.weight"] = (config.vocab_size, config.embed_dim)
    return shapes


def init_weights(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw random weights as GPT-2 does (Radford et al. 2019, section 2.3).

    Normal with a standard deviation of 0.02; the two layers of each block that write into the
    residual stream are scaled by ``1 / sqrt(2 * num_layers)``; biases are 0, norm weights 1.

    Parameters
    ----------
    config : ModelConfig
    seed : int

    Returns
    -------
    dict of str to ndarray, float32
    """
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in weight_shapes(config).items():
        if name.endswith("bias"):
            weights[name] = np.zeros(shape, dtype=np.float32)
        elif "norm" in name:
            weights[name] = np.ones(shape, dtype=np.float32)
        else:
            scale = 0.02
            if "out_proj" in name or "down_proj" in name:
                scale /= np.sqrt(2 * config.num_layers)
            weights[name] = rng.standard_normal(shape, dtype=np.float32)
            weights[name] *= np.float32(scale)
    return weights


def _check_weights(config: ModelConfig, weights: Mapping[str, np.ndarray]) -> None:
    shapes = weight_shapes(config)
    missing, unknown = sorted(shapes.keys() - weights.keys()), sorted(weights.keys() - shapes)
    if missing or unknown:
        raise ValueError(f"weights do not fit the config: missing {missing}, unknown {unknown}")
    for name, shape in shapes.items():
        if weights[name].shape != shape or weights[name].dtype != np.float32:
            raise ValueError(
                f"weights[{name!r}] must be float32 of shape {shape}, "
                f"got {weights[name].dtype} of shape {weights[name].shape}"
            )
