"""A Llama of half a million numbers drawn at random, as a GGUF file that the engine runs."""

from pathlib import Path

import gguf
import numpy as np

EMBED, HEADS, KV_HEADS, HEAD, MLP, LAYERS, CONTEXT = 128, 4, 2, 32, 256, 3, 4096
CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QUANTISED, FLOATS = gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.F32
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}<|im_start|>assistant\n"
)


def byte_alphabet() -> list[str]:
    """Return GPT-2's character for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def tensors():
    """Name, shape and type of each tensor."""
    yield "token_embd", (len(CONTROLS) + 256, EMBED), FLOATS
    yield "output_norm", (EMBED,), FLOATS
    for layer in range(LAYERS):
        for name, shape in {
            "attn_norm": (EMBED,),
            "attn_q": (HEADS * HEAD, EMBED),
            "attn_k": (KV_HEADS * HEAD, EMBED),
            "attn_v": (KV_HEADS * HEAD, EMBED),
            "attn_output": (EMBED, HEADS * HEAD),
            "ffn_norm": (EMBED,),
            "ffn_gate": (MLP, EMBED),
            "ffn_up": (MLP, EMBED),
            "ffn_down": (EMBED, MLP),
        }.items():
            yield f"blk.{layer}.{name}", shape, QUANTISED if len(shape) == 2 else FLOATS


def write_tiny_model(path: Path) -> None:
    """Write the model, always the same, with a vocabulary of single bytes."""
    rng = np.random.default_rng(5)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_embedding_length(EMBED)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_feed_forward_length(MLP)
    writer.add_context_length(CONTEXT)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*CONTROLS, *byte_alphabet()])
    writer.add_token_types([3] * len(CONTROLS) + [1] * 256)
    writer.add_token_merges(["a b"])
    writer.add_chat_template(TEMPLATE)
    for name, shape, kind in tensors():
        data = gguf.quantize(rng.standard_normal(shape, dtype=np.float32) / 4, kind)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
