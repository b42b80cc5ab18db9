"""The beginning of a small model's GGUF file: sizes and vocabulary."""

from pathlib import Path

import gguf

from tinytorch.core import ModelConfig

TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"abcdefghijklmnopqrstuvwxyz", "Ġ", "ab"]
SMALL = ModelConfig(
    vocab_size=len(TOKENS),
    embed_dim=64,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=24,
    mlp_dim=96,
    max_seq_len=50,
    norm="rmsnorm",
    norm_eps=1e-5,
    positions="rope",
    rope_theta=1000.0,
    mlp="swiglu",
    bias=False,
)


def new_writer(path: Path, config: ModelConfig, architecture: str = "llama") -> gguf.GGUFWriter:
    """Begin a file with a model's sizes and vocabulary; tensors and the rest are the caller's."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_vocab_size(config.vocab_size)
    writer.add_embedding_length(config.embed_dim)
    writer.add_block_count(config.num_layers)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_feed_forward_length(config.mlp_dim)
    writer.add_context_length(config.max_seq_len)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_tokenizer_model("gpt2")
    tokens = [*TOKENS, *(f"<{i}>" for i in range(config.vocab_size - len(TOKENS)))]
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["a b"])
    return writer
