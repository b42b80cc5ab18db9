"""The same transformer again, from the papers, in float64, slowly.

It shares the weights' names with `tinytorch.core` and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


def reference_logits(config, weights: Mapping[str, np.ndarray], tokens, positions=None):
    """Logits (B, T, V), float64, of tokens (B, T) at positions (T,) or (B, T)."""
    tokens = np.asarray(tokens)
    batch_size, num_tokens = tokens.shape
    if positions is None:
        positions = range(num_tokens)
    positions = np.broadcast_to(positions, tokens.shape)
    w = {name: np.asarray(array, dtype=np.float64) for name, array in weights.items()}
    logits = np.empty((batch_size, num_tokens, config.vocab_size))
    for b in range(batch_size):
        x = np.stack([w["token_embedding.weight"][token] for token in tokens[b]])
        if config.positions == "learned":
            x = x + np.stack([w["position_embedding.weight"][p] for p in positions[b]])
        for i in range(config.num_layers):
            normed = _norm(config, w, f"blocks.{i}.attention_norm", x)
            x = x + _attention_layer(config, w, f"blocks.{i}.attention", normed, positions[b])
            normed = _norm(config, w, f"blocks.{i}.mlp_norm", x)
            mlp = _swiglu if config.mlp == "swiglu" else _gelu_mlp
            x = x + mlp(config, w, f"blocks.{i}.mlp", normed)
        x = _norm(config, w, "final_norm", x)
        head = "token_embedding" if config.tied_embeddings else "head"
        logits[b] = np.einsum("te,ve->tv", x, w[f"{head}.weight"])
    return logits


def reference_attention(query, key, value):
    """Attention (B, H, T, D), float64: query i sees the keys 0 to i + S - T."""
    query, key, value = (np.asarray(a, dtype=np.float64) for a in (query, key, value))
    batch_size, num_heads, num_queries, head_dim = query.shape
    num_keys = key.shape[2]
    key = np.repeat(key, num_heads // key.shape[1], axis=1)
    value = np.repeat(value, num_heads // value.shape[1], axis=1)
    mask = np.zeros((num_queries, num_keys))
    for i in range(num_queries):
        for j in range(num_keys):
            if j > i + num_keys - num_queries:
                mask[i, j] = -np.inf
    output = np.empty(query.shape)
    for b in range(batch_size):
        for h in range(num_heads):
            scores = np.einsum("td,sd->ts", query[b, h], key[b, h]) / math.sqrt(head_dim) + mask
            for t in range(num_queries):
                weights = np.exp(scores[t] - max(scores[t]))
                output[b, h, t] = np.einsum("s,sd->d", weights / weights.sum(), value[b, h])
    return output


def reference_rope(head, position: int, theta: float):
    """Turn each pair (2i, 2i + 1) of one head (D,) by position * theta ** (-2i / D)."""
    turned = np.empty(len(head))
    for i in range(0, len(head), 2):
        angle = int(position) * theta ** (-i / len(head))
        cos, sin = math.cos(angle), math.sin(angle)
        turned[i] = head[i] * cos - head[i + 1] * sin
        turned[i + 1] = head[i] * sin + head[i + 1] * cos
    return turned


def reference_layernorm(x, weight, bias, eps: float):
    """Mean 0 and variance 1 over the last axis, scaled and shifted."""
    mean = np.einsum("...e->...", x)[..., None] / x.shape[-1]
    variance = np.einsum("...e,...e->...", x - mean, x - mean)[..., None] / x.shape[-1]
    return (x - mean) / np.sqrt(variance + eps) * weight + (0 if bias is None else bias)


def reference_rmsnorm(x, weight, eps: float):
    """Root mean square 1 over the last axis, scaled."""
    mean_square = np.einsum("...e,...e->...", x, x)[..., None] / x.shape[-1]
    return x / np.sqrt(mean_square + eps) * weight


def reference_gelu(x: float) -> float:
    """The tanh form of Hendrycks and Gimpel 2016."""
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def reference_silu(x: float) -> float:
    """x times the logistic function of x."""
    return x / (1 + math.exp(-x)) if x > -700 else 0.0


def _norm(config, w, name: str, x):
    if config.norm == "rmsnorm":
        return reference_rmsnorm(x, w[f"{name}.weight"], config.norm_eps)
    return reference_layernorm(x, w[f"{name}.weight"], w.get(f"{name}.bias"), config.norm_eps)


def _linear(w, name: str, x):
    y = np.einsum("ti,oi->to", x, w[f"{name}.weight"])
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def _attention_layer(config, w, name: str, x, positions):
    num_tokens, size = len(x), config.head_dim
    rows = _linear(w, f"{name}.qkv_proj", x)
    num_projected = config.num_heads + 2 * config.num_kv_heads
    heads = np.empty((num_projected, num_tokens, size))
    for h in range(num_projected):
        is_value = h >= config.num_heads + config.num_kv_heads
        for t in range(num_tokens):
            head = rows[t, h * size : (h + 1) * size]
            if config.positions == "rope" and not is_value:
                head = reference_rope(head, positions[t], config.rope_theta)
            heads[h, t] = head
    query, key, value = (
        part[None]
        for part in np.split(heads, [config.num_heads, config.num_heads + config.num_kv_heads])
    )
    mixed = reference_attention(query, key, value)[0]
    joined = np.stack([np.concatenate(list(mixed[:, t])) for t in range(num_tokens)])
    return _linear(w, f"{name}.out_proj", joined)


def _gelu_mlp(config, w, name: str, x):
    return _linear(
        w, f"{name}.down_proj", np.vectorize(reference_gelu)(_linear(w, f"{name}.up_proj", x))
    )


def _swiglu(config, w, name: str, x):
    gate_up = _linear(w, f"{name}.gate_up_proj", x)
    gate, up = gate_up[:, : config.mlp_dim], gate_up[:, config.mlp_dim :]
    return _linear(w, f"{name}.down_proj", np.vectorize(reference_silu)(gate) * up)
