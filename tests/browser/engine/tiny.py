"""Small random models as GGUF files, and the same in NumPy."""

from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np

from tests.gguf_files import SMALL, new_writer
from tinytorch.core import GPT, ModelConfig
from tinytorch.models.download import read_config, write_weights
from tinytorch.models.layout import split_weights

TYPES = ("Q4_1", "Q8_0", "F32")
SHAPES = {
    "small": SMALL,
    "one head, wide MLP": replace(
        SMALL, embed_dim=32, num_heads=1, num_kv_heads=1, head_dim=32, mlp_dim=160, num_layers=1
    ),
    "no grouping, odd vocabulary": replace(
        SMALL, vocab_size=37, embed_dim=96, num_heads=3, num_kv_heads=3, head_dim=32, num_layers=3
    ),
    "three to a group, as SmolLM2": replace(
        SMALL, embed_dim=192, num_heads=6, num_kv_heads=2, head_dim=64, mlp_dim=512
    ),
}


def tensors(config: ModelConfig):
    """Name and shape of each matrix; norms are written apart."""
    query, key = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    yield "token_embd", (config.vocab_size, config.embed_dim)
    for i in range(config.num_layers):
        yield f"blk.{i}.ffn_down", (config.embed_dim, config.mlp_dim)
        yield f"blk.{i}.ffn_gate", (config.mlp_dim, config.embed_dim)
        yield f"blk.{i}.ffn_up", (config.mlp_dim, config.embed_dim)
        yield f"blk.{i}.attn_k", (key, config.embed_dim)
        yield f"blk.{i}.attn_q", (query, config.embed_dim)
        yield f"blk.{i}.attn_v", (key, config.embed_dim)
        yield f"blk.{i}.attn_output", (config.embed_dim, query)


def write_gguf(
    path: Path,
    config: ModelConfig = SMALL,
    seed: int = 0,
    types: tuple[str, ...] = TYPES,
    architecture: str = "llama",
    more: dict[str, np.ndarray] | None = None,
    without: str = "",
) -> None:
    """Write a random model; its matrices take turns among the `types`."""
    rng = np.random.default_rng(seed)
    writer = new_writer(path, config, architecture)
    writer.add_tokenizer_pre("smollm")
    for i, (name, shape) in enumerate(tensors(config)):
        scale = 0.25 if name == "token_embd" else 2 * shape[1] ** -0.5
        values = rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        kind = gguf.GGMLQuantizationType[types[(i + seed) % len(types)]]
        if name != without:
            writer.add_tensor(f"{name}.weight", gguf.quantize(values, kind), raw_dtype=kind)
    norms = [f"blk.{i}.{part}_norm" for i in range(config.num_layers) for part in ("attn", "ffn")]
    for name in [*norms, "output_norm"]:
        weight = 1 + 0.2 * rng.standard_normal(config.embed_dim, dtype=np.float32)
        writer.add_tensor(f"{name}.weight", weight)
    for name, values in (more or {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def numpy_model(path: Path) -> GPT:
    """Read a file that `write_gguf` wrote into tinytorch."""
    reader = gguf.GGUFReader(path)
    config = read_config(reader)
    flat = path.with_suffix(".npy")
    write_weights(reader, config, flat)
    return GPT(config, weights=split_weights(np.load(flat), config))
