"""The closed forms against what was counted, and against numbers worked out elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import GPT, ModelConfig, count_operations, generate
from tinytorch.analysis import (
    arithmetic_intensity,
    decode_bytes,
    forward_operations,
    generation_operations,
    generation_score_pairs,
    get_model,
    kv_cache_bytes,
    kv_projections,
    num_parameters,
    parameter_count,
    score_pairs,
)
from tinytorch.generation import KVCache, use_kv_cache

MIB, GIB = 2**20, 2**30

CONFIGS = {
    "gpt2": ModelConfig(vocab_size=61, embed_dim=24, num_layers=2, num_heads=4, max_seq_len=400),
    "llama": ModelConfig(
        vocab_size=53,
        embed_dim=20,
        num_layers=3,
        num_heads=6,
        num_kv_heads=2,
        head_dim=8,
        mlp_dim=44,
        max_seq_len=400,
        norm="rmsnorm",
        positions="rope",
        mlp="swiglu",
        bias=False,
        tied_embeddings=False,
    ),
}
MODELS = {name: GPT(config) for name, config in CONFIGS.items()}
styles = pytest.mark.parametrize("style", CONFIGS)


@styles
@settings(deadline=None, max_examples=30)
@given(
    history=st.integers(0, 150),
    new=st.integers(1, 280),
    batch_size=st.integers(1, 3),
    last_only=st.booleans(),
)
def test_forward_operations_equal_the_counted_ones(style, history, new, batch_size, last_only):
    history = min(history, 400 - new)
    model, config = MODELS[style], CONFIGS[style]
    cache = KVCache(batch_size, 400, config.num_layers, config.num_kv_heads, config.head_dim)
    tokens = np.ones((batch_size, history + new), dtype=int)
    with use_kv_cache(model, cache):
        if history:
            model.forward(tokens[:, :history])
        with count_operations() as count:
            model.forward(tokens[:, history:], last_only=last_only)
    expected = forward_operations(
        config, new, history + new, batch_size=batch_size, last_only=last_only
    )
    assert count.by_kind == expected


@styles
@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize(("prompt_length", "new_tokens"), [(1, 1), (7, 20), (120, 15)])
def test_generation_operations_equal_the_counted_ones(style, use_cache, prompt_length, new_tokens):
    prompt = np.ones((2, prompt_length), dtype=int)
    with count_operations() as count:
        generate(MODELS[style], prompt, new_tokens, use_cache=use_cache)
    assert count.by_kind == generation_operations(
        CONFIGS[style], prompt_length, new_tokens, use_cache=use_cache, batch_size=2
    )


def test_gpt2_operations_equal_the_formula_by_width():
    """24 d^2 floating-point operations a token and layer, 4 d per pair, 2 d V for the logits."""
    gpt2 = get_model("GPT-2 small")
    layers, width, vocabulary = 12, 768, 50257

    def flops(lengths, tokens):
        return sum(
            layers * (24 * width**2 * new + 4 * width * new * length) + 2 * width * vocabulary
            for new, length in zip(tokens, lengths, strict=True)
        )

    lengths = range(4, 104)
    without = generation_operations(gpt2, 4, 100, use_cache=False)
    with_cache = generation_operations(gpt2, 4, 100, use_cache=True)
    assert 2 * sum(without.values()) == flops(lengths, lengths)
    assert 2 * sum(with_cache.values()) == flops(lengths, [4] + [1] * 99)
    assert sum(without.values()) / sum(with_cache.values()) == pytest.approx(36.6, abs=0.05)


@pytest.mark.parametrize(("new_tokens", "ratio"), [(10, 5.1), (50, 19.2), (200, 71.7)])
def test_the_whole_model_ratio_of_gpt2(new_tokens, ratio):
    gpt2 = get_model("GPT-2 small")
    without, with_cache = (
        sum(
            generation_operations(
                gpt2, 4, new_tokens, use_cache=use_cache, query_block=1024
            ).values()
        )
        for use_cache in (False, True)
    )
    assert without / with_cache == pytest.approx(ratio, abs=0.05)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 70))
def test_score_pairs_equal_a_walk_over_the_blocks(num_queries, history, query_block):
    pairs = 0
    for start in range(0, num_queries, query_block):
        stop = min(start + query_block, num_queries)
        pairs += (stop - start) * (history + stop)
    assert score_pairs(num_queries, history + num_queries, query_block) == pairs


@given(new_tokens=st.integers(1, 80), prompt_length=st.integers(1, 50))
def test_sums_over_a_generation_equal_a_walk_over_its_passes(new_tokens, prompt_length):
    lengths = range(prompt_length, prompt_length + new_tokens)
    queries = [prompt_length, *[1] * (new_tokens - 1)]
    sums = {
        kv_projections: (sum(lengths), sum(queries)),
        generation_score_pairs: (
            sum(length * length for length in lengths),
            sum(new * length for new, length in zip(queries, lengths, strict=True)),
        ),
    }
    for count, (without, with_cache) in sums.items():
        assert count(new_tokens, use_cache=False, prompt_length=prompt_length) == without
        assert count(new_tokens, use_cache=True, prompt_length=prompt_length) == with_cache


@given(st.integers(1, 80))
def test_a_generation_from_nothing_begins_with_one_token(new_tokens):
    for count in (kv_projections, generation_score_pairs):
        for use_cache in (False, True):
            from_one = count(new_tokens, use_cache=use_cache, prompt_length=1)
            assert count(new_tokens, use_cache=use_cache) == from_one


def test_a_hundred_tokens_project_5050_times_without_a_cache_and_4950_of_them_in_vain():
    without = kv_projections(100, use_cache=False)
    with_cache = kv_projections(100, use_cache=True)
    assert (without, without - with_cache) == (5050, 4950)
    assert without / with_cache == 50.5
    assert generation_score_pairs(100, use_cache=False) == 338_350
    assert generation_score_pairs(100, use_cache=False) / 5050 == 67


@pytest.mark.parametrize(
    ("name", "seq_len", "bits", "expected"),
    [
        ("GPT-2 small", 1024, 32, 72 * MIB),
        ("GPT-2 small", 1024, 16, 36 * MIB),
        ("GPT-3 175B", 2048, 32, 18 * GIB),
        ("GPT-3 175B", 2048, 16, 9 * GIB),
        ("Llama-3-8B", 1, 16, 131_072),
        ("Llama-3-8B", 1, 8, 65_536),
        ("Llama-3-8B", 1, 4, 32_768),
        ("DeepSeek-V2", 1, 16, 69_120),
        ("Tiny 128D", 32, 32, MIB // 8),
    ],
)
def test_cache_bytes_of_public_models(name, seq_len, bits, expected):
    model = get_model(name)
    assert kv_cache_bytes(model, seq_len, bits_per_element=bits) == expected
    assert kv_cache_bytes(model, seq_len, bits_per_element=bits, batch_size=5) == 5 * expected


@styles
@pytest.mark.parametrize(("dtype", "bits"), [(np.float32, 32), (np.float16, 16)])
def test_cache_bytes_equal_what_a_cache_takes(style, dtype, bits):
    config = CONFIGS[style]
    cache = KVCache(3, 40, config.num_layers, config.num_kv_heads, config.head_dim, dtype)
    expected = kv_cache_bytes(config, 40, batch_size=3, bits_per_element=bits)
    assert cache.nbytes == expected


@styles
def test_num_parameters_equal_the_arrays_of_a_model(style):
    model = MODELS[style]
    embeddings = [model.token_embedding, model.position_embedding, model.head.weight]
    arrays = {id(a): a for a in embeddings if a is not None}
    layers = [model.final_norm]
    for block in model.blocks:
        layers += [block.attention_norm, block.mlp_norm]
        layers += [block.attention.qkv_proj, block.attention.out_proj, block.mlp.down_proj]
        layers.append(getattr(block.mlp, "gate_up_proj", None) or block.mlp.up_proj)
    for layer in layers:
        for array in (layer.weight, getattr(layer, "bias", None)):
            if array is not None:
                arrays[id(array)] = array
    assert num_parameters(model.config) == sum(array.size for array in arrays.values())


def test_a_config_and_a_spec_of_smollm2_agree(smollm2_config):
    spec, config = get_model("SmolLM2-135M"), smollm2_config
    assert num_parameters(config) == num_parameters(spec) == parameter_count(spec)
    for length in (1, 100, 5000):
        assert forward_operations(config, 1, length) == forward_operations(spec, 1, length)
        assert decode_bytes(config, length) == decode_bytes(spec, length)
        assert kv_cache_bytes(config, length) == kv_cache_bytes(spec, length)


def test_a_decoding_step_of_smollm2_reads_its_weights_and_its_cache_once():
    spec = get_model("SmolLM2-135M")
    weights = 134_515_008 * 4 + 576 * 4
    assert decode_bytes(spec, 1000) == weights + 1000 * 46_080
    assert decode_bytes(spec, 1000, batch_size=8) == weights + 7 * 576 * 4 + 8 * 1000 * 46_080
    assert decode_bytes(spec, 1000, bits_per_weight=16, bits_per_element=8) == (
        weights // 2 + 1000 * 46_080 // 4
    )


def test_tables_that_are_only_looked_up_count_with_their_rows():
    config = CONFIGS["gpt2"]
    read = num_parameters(config) - 400 * 24 + 2 * 24
    assert decode_bytes(config, 10) == 4 * read + kv_cache_bytes(config, 10)
    config = CONFIGS["llama"]
    read = num_parameters(config) - 53 * 20 + 20
    assert decode_bytes(config, 10) == 4 * read + kv_cache_bytes(config, 10)
    gpt2 = get_model("GPT-2 small")
    read = parameter_count(gpt2) - 1024 * 768 + 2 * 768
    assert decode_bytes(gpt2, 10) == 4 * read + kv_cache_bytes(gpt2, 10)


def test_intensity_is_half_an_operation_a_byte_for_one_sequence_and_grows_with_the_batch():
    spec = get_model("SmolLM2-135M")
    one = arithmetic_intensity(spec, 1)
    assert one == pytest.approx(0.5, abs=0.01)
    assert arithmetic_intensity(spec, 1, batch_size=8) == pytest.approx(8 * one, rel=0.02)
    assert math.isclose(
        arithmetic_intensity(spec, 1000),
        2 * sum(forward_operations(spec, 1, 1000).values()) / decode_bytes(spec, 1000),
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("DeepSeek-67B", None),
        ("DeepSeek-V2", "latent attention and experts"),
        ("Mistral-7B v0.1", "sliding windows"),
        ("Mixtral-8x7B", "experts"),
    ],
)
def test_operations_of_models_that_the_core_cannot_run_are_refused(name, reason):
    model = get_model(name)
    if reason is None:
        assert forward_operations(model, 1)["mlp"] == 95 * 3 * 8192 * 22016
        return
    for cost in (
        lambda: forward_operations(model, 1),
        lambda: generation_operations(model, 1, 1, use_cache=True),
        lambda: decode_bytes(model, 1),
    ):
        with pytest.raises(ValueError, match=f"{name}: it has {reason}"):
            cost()
