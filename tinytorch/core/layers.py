"""The layers a transformer block is built from.

Hidden states have shape (B, T, E): batch, tokens, embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinytorch.core.config import ModelConfig
from tinytorch.core.ops import gelu, matmul, silu

TOKEN_BLOCK = 64
"""Tokens that an MLP activates at once, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Linear:
    """A linear layer, ``x @ weight.T + bias``.

    Parameters
    ----------
    weight : ndarray of shape (out_dim, in_dim), float32
        One row for each output, so that a product with a single token streams through memory.
    bias : ndarray of shape (out_dim,), float32, optional
    kind : str
        What the layer's multiplications are counted as, see `tinytorch.core.ops.matmul`.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    kind: str

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Map (..., in_dim) to (..., out_dim)."""
        out_dim, in_dim = self.weight.shape
        # One matrix product for the whole batch: a stack of products would read the weights
        # again for every sequence.
        rows = self.multiply(x.reshape(-1, in_dim))
        if self.bias is not None:
            rows += self.bias
        return rows.reshape(*x.shape[:-1], out_dim)

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        """Map (N, in_dim) to (N, out_dim), without the bias."""
        return matmul(rows, self.weight.T, self.kind)

    def split(self, *out_dims: int) -> tuple[Linear, ...]:
        """Cut the outputs into layers of `out_dims` rows that share this one's memory."""
        stops = np.cumsum(out_dims)
        return tuple(
            Linear(
                self.weight[stop - size : stop],
                None if self.bias is None else self.bias[stop - size : stop],
                self.kind,
            )
            for stop, size in zip(stops, out_dims, strict=True)
        )


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation (Ba et al. 2016, arXiv:1607.06450, equation 4)."""

    weight: np.ndarray
    bias: np.ndarray | None
    eps: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Normalise each token of (B, T, E) to mean 0 and variance 1, then scale and shift."""
        centred = x - x.mean(axis=-1, keepdims=True)
        centred /= _root_mean_square(centred, self.eps)
        centred *= self.weight
        if self.bias is not None:
            centred += self.bias
        return centred


@dataclass(frozen=True)
class RMSNorm:
    """Root mean square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467, equation 4)."""

    weight: np.ndarray
    eps: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Scale each token of (B, T, E) to a root mean square of 1, then by the weight."""
        normed = x / _root_mean_square(x, self.eps)
        normed *= self.weight
        return normed


def _root_mean_square(x: np.ndarray, eps: float) -> np.ndarray:
    return np.sqrt(np.vecdot(x, x)[..., None] / x.shape[-1] + eps)


def rotary_table(head_dim: int, max_seq_len: int, theta: float) -> np.ndarray:
    """Rotations of the rotary position embedding (Su et al. 2021, arXiv:2104.09864).

    Each pair of neighbouring elements ``(2i, 2i + 1)`` of a head is one complex number, and a
    token at position m turns it by the angle ``m * theta ** (-2i / D)`` (section 3.2.2). A query
    and a key then meet at the difference of their angles: their product depends on how far apart
    they are.

    Parameters
    ----------
    head_dim : int
        Width of a head, D; even.
    max_seq_len : int
        Number of positions.
    theta : float
        Base of the frequencies.

    Returns
    -------
    ndarray of shape (max_seq_len, D / 2), complex64
    """
    frequencies = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = np.outer(np.arange(max_seq_len), frequencies)
    return np.exp(1j * angles).astype(np.complex64)


def rotate(heads: np.ndarray, rotation: np.ndarray) -> None:
    """Turn each head to the position of its token, in place.

    Parameters
    ----------
    heads : ndarray of shape (B, T, H, D), float32
        Overwritten. The last axis must be contiguous.
    rotation : ndarray of shape (T, D / 2) or (B, T, D / 2), complex64
        The rows of `rotary_table` at the tokens' positions.
    """
    pairs = heads.view(np.complex64)
    pairs *= rotation[..., None, :]


class GeluMLP:
    """Two linear layers with a GELU between them, as in GPT-2."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, np.ndarray], prefix: str):
        self.up_proj = make_linear(weights, f"{prefix}.up_proj", "mlp")
        self.down_proj = make_linear(weights, f"{prefix}.down_proj", "mlp")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Map (B, T, E) to (B, T, E)."""
        return self.down_proj(gelu(self.up_proj(x)))


class SwiGLU:
    """A gated MLP, ``down(silu(gate(x)) * up(x))`` (Shazeer 2020, arXiv:2002.05202, equation 6)."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, np.ndarray], prefix: str):
        self.mlp_dim = config.mlp_dim
        self.gate_up_proj = make_linear(weights, f"{prefix}.gate_up_proj", "mlp")
        self.gate_proj, self.up_proj = self.gate_up_proj.split(config.mlp_dim, config.mlp_dim)
        self.down_proj = make_linear(weights, f"{prefix}.down_proj", "mlp")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Map (B, T, E) to (B, T, E)."""
        gate_up = self.gate_up_proj(x)
        gate, up = gate_up[..., : self.mlp_dim], gate_up[..., self.mlp_dim :]
        for start in range(0, x.shape[1], TOKEN_BLOCK):
            tokens = slice(start, start + TOKEN_BLOCK)
            np.multiply(silu(gate[:, tokens]), up[:, tokens], out=gate[:, tokens])
        return self.down_proj(gate)


def make_linear(weights: Mapping[str, np.ndarray], name: str, kind: str) -> Linear:
    """Build the linear layer called `name` from the model's weights."""
    return Linear(weights[f"{name}.weight"], weights.get(f"{name}.bias"), kind)


def make_norm(
    config: ModelConfig, weights: Mapping[str, np.ndarray], name: str
) -> LayerNorm | RMSNorm:
    """Build the normalisation called `name` from the model's weights."""
    weight = weights[f"{name}.weight"]
    if config.norm == "rmsnorm":
        return RMSNorm(weight, config.norm_eps)
    return LayerNorm(weight, weights.get(f"{name}.bias"), config.norm_eps)


def make_mlp(
    config: ModelConfig, weights: Mapping[str, np.ndarray], prefix: str
) -> GeluMLP | SwiGLU:
    """Build the MLP called `prefix` from the model's weights."""
    return (SwiGLU if config.mlp == "swiglu" else GeluMLP)(config, weights, prefix)
