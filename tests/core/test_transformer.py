import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import reference_logits
from tinytorch.core import GPT, ModelConfig, init_weights, weight_shapes


@pytest.mark.parametrize("batch_size", [1, 3])
def test_logits_against_the_reference(config, make_weights, make_tokens, batch_size):
    weights, tokens = make_weights(config), make_tokens(config, batch_size, 9)
    logits = GPT(config, weights=weights).forward(tokens)
    assert logits.shape == (batch_size, 9, config.vocab_size)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, reference_logits(config, weights, tokens), atol=1e-4)


@st.composite
def any_configs(draw):
    num_kv_heads, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return ModelConfig(
        vocab_size=draw(st.integers(1, 20)),
        embed_dim=draw(st.integers(1, 20)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=num_kv_heads * groups,
        num_kv_heads=num_kv_heads,
        head_dim=2 * draw(st.integers(1, 5)),
        mlp_dim=draw(st.integers(1, 20)),
        max_seq_len=draw(st.integers(6, 12)),
        norm=draw(st.sampled_from(["layernorm", "rmsnorm"])),
        norm_eps=draw(st.sampled_from([1e-2, 1e-5])),
        positions=draw(st.sampled_from(["learned", "rope"])),
        rope_theta=draw(st.sampled_from([100.0, 10_000.0])),
        mlp=draw(st.sampled_from(["gelu", "swiglu"])),
        bias=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
    )


@settings(max_examples=60)
@given(
    config=any_configs(),
    batch_size=st.integers(1, 3),
    num_tokens=st.integers(1, 6),
    seed=st.integers(0, 2**16),
)
def test_logits_of_any_config_against_the_reference(
    make_weights, make_tokens, config, batch_size, num_tokens, seed
):
    weights, tokens = make_weights(config, seed), make_tokens(config, batch_size, num_tokens, seed)
    logits = GPT(config, weights=weights).forward(tokens)
    np.testing.assert_allclose(
        logits, reference_logits(config, weights, tokens), rtol=1e-4, atol=2e-4
    )


def test_freshly_initialised_model_against_the_reference(config, make_tokens):
    tokens = make_tokens(config, 2, 7)
    expected = reference_logits(config, init_weights(config, seed=5), tokens)
    np.testing.assert_allclose(GPT(config, seed=5).forward(tokens), expected, atol=1e-5)


def test_a_later_token_changes_no_earlier_logits(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 1, 8)
    before = model.forward(tokens)
    for changed in range(8):
        other = tokens.copy()
        other[0, changed] = (other[0, changed] + 1) % config.vocab_size
        moved = np.abs(model.forward(other) - before).max(axis=(0, 2))
        assert moved[:changed].max(initial=0) < 1e-5
        assert (moved[changed:] > 1e-4).all()


def test_a_prefix_has_the_logits_it_has_alone(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 12)
    whole = model.forward(tokens)
    for length in (1, 5, 11):
        np.testing.assert_allclose(model.forward(tokens[:, :length]), whole[:, :length], atol=1e-4)


def test_last_only_is_the_last_row(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 3, 7)
    last = model.forward(tokens, last_only=True)
    assert last.shape == (3, 1, config.vocab_size)
    np.testing.assert_allclose(last, model.forward(tokens)[:, -1:], atol=1e-5)


def test_batch_rows_are_independent(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 4, 6)
    together = model.forward(tokens)
    for row in range(4):
        alone = model.forward(tokens[row : row + 1])
        np.testing.assert_allclose(together[row : row + 1], alone, atol=1e-4)


def test_positions_count_from_zero_unless_given(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 5)
    expected = model.forward(tokens)
    for positions in (range(5), [0, 1, 2, 3, 4], np.tile(np.arange(5, dtype=np.uint8), (2, 1))):
        np.testing.assert_array_equal(model.forward(tokens, positions), expected)


@pytest.mark.parametrize("per_row", [False, True])
def test_given_positions_against_the_reference(
    config, make_weights, make_model, make_tokens, per_row
):
    tokens = make_tokens(config, 3, 4)
    positions = np.array([3, 4, 9, 20])
    if per_row:
        positions = positions + np.array([[0], [7], [2]])
    expected = reference_logits(config, make_weights(config), tokens, positions)
    np.testing.assert_allclose(make_model(config).forward(tokens, positions), expected, atol=1e-4)


def test_rows_of_positions_are_read_row_by_row_even_when_the_batch_is_square(
    config, make_weights, make_model, make_tokens
):
    tokens = make_tokens(config, 3, 3)
    positions = np.array([[0, 1, 2], [5, 6, 7], [30, 9, 4]])
    expected = reference_logits(config, make_weights(config), tokens, positions)
    np.testing.assert_allclose(make_model(config).forward(tokens, positions), expected, atol=1e-4)


def test_only_learned_positions_notice_a_shift_of_all_tokens(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 6)
    difference = np.abs(model.forward(tokens, np.arange(20, 26)) - model.forward(tokens)).max()
    if config.positions == "rope":
        assert difference < 1e-4
    else:
        assert difference > 0.1


def test_every_style_notices_the_order_of_tokens(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 1, 6)
    swapped = tokens[:, [1, 0, 2, 3, 4, 5]]
    difference = model.forward(tokens)[:, -1] - model.forward(swapped)[:, -1]
    assert np.abs(difference).max() > 1e-3


def test_as_many_kv_heads_as_heads_is_plain_multi_head_attention(make_model, make_tokens):
    sizes = {"vocab_size": 20, "embed_dim": 16, "num_layers": 2, "num_heads": 4}
    plain, grouped = ModelConfig(**sizes), ModelConfig(**sizes, num_kv_heads=4)
    tokens = make_tokens(plain, 2, 6)
    np.testing.assert_array_equal(
        make_model(plain).forward(tokens), make_model(grouped).forward(tokens)
    )


def test_grouped_query_equals_multi_head_with_the_kv_rows_repeated(make_weights, make_tokens):
    sizes = {"vocab_size": 20, "embed_dim": 16, "num_layers": 2, "num_heads": 6, "head_dim": 4}
    grouped = ModelConfig(**sizes, num_kv_heads=2, positions="rope")
    full = ModelConfig(**sizes, positions="rope")
    grouped_weights = make_weights(grouped)
    full_weights = dict(grouped_weights)
    for name, array in grouped_weights.items():
        if "qkv_proj" in name:
            query, key, value = np.split(array, [24, 32])
            repeated = [
                np.repeat(part.reshape(2, 4, -1), 3, axis=0).reshape(24, *array.shape[1:])
                for part in (key, value)
            ]
            full_weights[name] = np.concatenate([query, *repeated])
    tokens = make_tokens(grouped, 2, 7)
    np.testing.assert_allclose(
        GPT(grouped, weights=grouped_weights).forward(tokens),
        GPT(full, weights=full_weights).forward(tokens),
        atol=1e-4,
    )


def test_tied_head_is_the_token_embedding_and_an_untied_one_is_not(config, make_model):
    model = make_model(config)
    shared = np.shares_memory(model.head.weight, model.token_embedding)
    assert shared == config.tied_embeddings
    assert model.head.bias is None


def test_model_tells_its_dimensions(config):
    model = GPT(config)
    assert model.config is config
    for name in (
        "embed_dim",
        "num_layers",
        "num_heads",
        "num_kv_heads",
        "head_dim",
        "max_seq_len",
        "vocab_size",
    ):
        assert getattr(model, name) == getattr(config, name)
    assert len(model.blocks) == config.num_layers


def test_forward_changes_neither_weights_nor_tokens(config, make_weights, make_tokens):
    weights, tokens = make_weights(config), make_tokens(config, 2, 5)
    GPT(config, weights=weights).forward(tokens)
    for name, array in make_weights(config).items():
        np.testing.assert_array_equal(weights[name], array)
    np.testing.assert_array_equal(tokens, make_tokens(config, 2, 5))


def test_a_second_pass_leaves_the_first_ones_logits_alone(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 5)
    first = model.forward(tokens)
    kept = first.copy()
    second = model.forward(tokens[:, ::-1])
    np.testing.assert_array_equal(first, kept)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(model.forward(tokens), kept)


def test_tokens_may_be_lists_and_any_integer_type(gpt2_config, make_model):
    model = make_model(gpt2_config)
    expected = model.forward(np.array([[1, 2, 60]]))
    np.testing.assert_array_equal(model.forward([[1, 2, 60]]), expected)
    for dtype in (np.uint8, np.int8, np.int32, np.uint64):
        np.testing.assert_array_equal(model.forward(np.array([[1, 2, 60]], dtype)), expected)


def test_a_sequence_may_fill_the_context_and_no_more(config, make_model, make_tokens):
    model = make_model(config)
    limit = config.max_seq_len
    assert model.forward(make_tokens(config, 1, limit), last_only=True).shape[1] == 1
    message = f"positions must be at least 0 and below max_seq_len={limit}, got 0 to {limit}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.forward(make_tokens(config, 1, limit + 1))


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([1, 2], "tokens must have shape (batch, tokens), got (2,)"),
        (3, "tokens must have shape (batch, tokens), got ()"),
        ([[[1]]], "tokens must have shape (batch, tokens), got (1, 1, 1)"),
        (np.zeros((1, 0), int), "tokens must have shape (batch, tokens), got (1, 0)"),
        (np.zeros((0, 3), int), "tokens must have shape (batch, tokens), got (0, 3)"),
        ([[1.0]], "tokens must be integers, got dtype float64"),
        ([[True]], "tokens must be integers, got dtype bool"),
        ([["a"]], "tokens must be integers, got dtype <U1"),
        ([[-1, 4]], "tokens must be at least 0 and below vocab_size=61, got -1 to 4"),
        ([[0, 61]], "tokens must be at least 0 and below vocab_size=61, got 0 to 61"),
    ],
)
def test_wrong_tokens_are_refused(gpt2_config, make_model, tokens, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_model(gpt2_config).forward(tokens)


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 1], "positions must have shape (3,) or (2, 3), got (2,)"),
        (0, "positions must have shape (3,) or (2, 3), got ()"),
        ([[0], [1]], "positions must have shape (3,) or (2, 3), got (2, 1)"),
        ([[0, 1, 2]], "positions must have shape (3,) or (2, 3), got (1, 3)"),
        ([0.0, 1.0, 2.0], "positions must be integers, got dtype float64"),
        ([-1, 0, 1], "positions must be at least 0 and below max_seq_len=48, got -1 to 1"),
        ([46, 47, 48], "positions must be at least 0 and below max_seq_len=48, got 46 to 48"),
    ],
)
def test_wrong_positions_are_refused(
    learned_or_rope_config, make_model, make_tokens, positions, message
):
    model = make_model(learned_or_rope_config)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.forward(make_tokens(learned_or_rope_config, 2, 3), positions)


def test_given_weights_are_used_without_a_copy(config, make_weights):
    weights = make_weights(config)
    model = GPT(config, weights=weights)
    block = model.blocks[0]
    pairs = {
        "token_embedding.weight": model.token_embedding,
        "blocks.0.attention_norm.weight": block.attention_norm.weight,
        "blocks.0.attention.qkv_proj.weight": block.attention.qkv_proj.weight,
        "blocks.0.attention.out_proj.weight": block.attention.out_proj.weight,
        "blocks.0.mlp.down_proj.weight": block.mlp.down_proj.weight,
        "final_norm.weight": model.final_norm.weight,
    }
    for name, array in pairs.items():
        assert np.shares_memory(array, weights[name]), name


def test_seed_has_no_effect_on_given_weights(gpt2_config, make_weights, make_tokens):
    weights, tokens = make_weights(gpt2_config), make_tokens(gpt2_config, 1, 3)
    np.testing.assert_array_equal(
        GPT(gpt2_config, 1, weights=weights).forward(tokens),
        GPT(gpt2_config, 2, weights=weights).forward(tokens),
    )


def test_missing_and_unknown_weights_are_all_listed(gpt2_config, make_weights):
    weights = make_weights(gpt2_config)
    del weights["final_norm.weight"], weights["blocks.1.mlp.up_proj.bias"]
    weights["head.weight"] = weights["extra"] = np.zeros(3, np.float32)
    message = (
        "weights do not fit the config: missing "
        "['blocks.1.mlp.up_proj.bias', 'final_norm.weight'], unknown ['extra', 'head.weight']"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GPT(gpt2_config, weights=weights)


@pytest.mark.parametrize(
    ("wrong", "given"),
    [
        (np.zeros((32, 61), np.float32), "float32 of shape (32, 61)"),
        (np.zeros((61, 32), np.float64), "float64 of shape (61, 32)"),
        (np.zeros((61, 32), np.float16), "float16 of shape (61, 32)"),
    ],
)
def test_weights_of_another_shape_or_dtype_are_refused(gpt2_config, make_weights, wrong, given):
    weights = make_weights(gpt2_config) | {"token_embedding.weight": wrong}
    message = f"weights['token_embedding.weight'] must be float32 of shape (61, 32), got {given}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GPT(gpt2_config, weights=weights)


def test_the_same_seed_gives_the_same_model(config, make_tokens):
    tokens = make_tokens(config, 1, 4)
    np.testing.assert_array_equal(GPT(config, 3).forward(tokens), GPT(config, 3).forward(tokens))
    np.testing.assert_array_equal(GPT(config).forward(tokens), GPT(config, 0).forward(tokens))
    assert not np.array_equal(GPT(config, 3).forward(tokens), GPT(config, 4).forward(tokens))


def test_initial_weights_have_the_scale_of_gpt2():
    config = ModelConfig(vocab_size=300, embed_dim=64, num_layers=8, num_heads=4)
    weights = init_weights(config, seed=1)
    assert weights.keys() == weight_shapes(config).keys()
    for name, array in weights.items():
        assert (array.shape, array.dtype) == (weight_shapes(config)[name], np.float32)
        if name.endswith("bias"):
            np.testing.assert_array_equal(array, 0)
        elif "norm" in name:
            np.testing.assert_array_equal(array, 1)
        else:
            residual = name.endswith(("attention.out_proj.weight", "mlp.down_proj.weight"))
            expected = 0.02 / 4 if residual else 0.02
            assert array.std() == pytest.approx(expected, rel=0.05), name
            assert abs(array.mean()) < 0.1 * expected, name


def parameter_count(config):
    return sum(np.prod(shape, dtype=int) for shape in weight_shapes(config).values())


def test_gpt2_small_has_its_published_number_of_parameters():
    config = ModelConfig(vocab_size=50257, embed_dim=768, num_layers=12, num_heads=12)
    assert parameter_count(config) == 124_439_808


def test_smollm2_has_its_published_number_of_parameters(smollm2_config):
    assert parameter_count(smollm2_config) == 134_515_008


def test_weight_names_and_shapes_of_a_small_llama():
    config = ModelConfig(
        vocab_size=50,
        embed_dim=8,
        num_layers=1,
        num_heads=4,
        num_kv_heads=2,
        head_dim=6,
        mlp_dim=20,
        norm="rmsnorm",
        positions="rope",
        mlp="swiglu",
        bias=False,
        tied_embeddings=False,
    )
    assert list(weight_shapes(config).items()) == [
        ("token_embedding.weight", (50, 8)),
        ("blocks.0.attention_norm.weight", (8,)),
        ("blocks.0.attention.qkv_proj.weight", (48, 8)),
        ("blocks.0.attention.out_proj.weight", (8, 24)),
        ("blocks.0.mlp_norm.weight", (8,)),
        ("blocks.0.mlp.gate_up_proj.weight", (40, 8)),
        ("blocks.0.mlp.down_proj.weight", (8, 20)),
        ("final_norm.weight", (8,)),
        ("head.weight", (50, 8)),
    ]


def test_weight_names_and_shapes_of_a_small_gpt2():
    config = ModelConfig(vocab_size=50, embed_dim=8, num_layers=1, num_heads=2, max_seq_len=16)
    assert list(weight_shapes(config).items()) == [
        ("token_embedding.weight", (50, 8)),
        ("position_embedding.weight", (16, 8)),
        ("blocks.0.attention_norm.weight", (8,)),
        ("blocks.0.attention_norm.bias", (8,)),
        ("blocks.0.attention.qkv_proj.weight", (24, 8)),
        ("blocks.0.attention.qkv_proj.bias", (24,)),
        ("blocks.0.attention.out_proj.weight", (8, 8)),
        ("blocks.0.attention.out_proj.bias", (8,)),
        ("blocks.0.mlp_norm.weight", (8,)),
        ("blocks.0.mlp_norm.bias", (8,)),
        ("blocks.0.mlp.up_proj.weight", (32, 8)),
        ("blocks.0.mlp.up_proj.bias", (32,)),
        ("blocks.0.mlp.down_proj.weight", (8, 32)),
        ("blocks.0.mlp.down_proj.bias", (8,)),
        ("final_norm.weight", (8,)),
        ("final_norm.bias", (8,)),
    ]


def test_without_bias_no_weight_is_a_bias_and_with_it_all_linears_and_layernorms_have_one():
    sizes = {"vocab_size": 50, "embed_dim": 8, "num_layers": 2, "num_heads": 2}
    without, biased = weight_shapes(ModelConfig(**sizes, bias=False)), ModelConfig(**sizes)
    assert not [name for name in without if name.endswith("bias")]
    # Per block two norms and four linear layers; then the last norm.
    assert len(weight_shapes(biased)) - len(without) == 2 * 6 + 1
    rms = weight_shapes(ModelConfig(**sizes, norm="rmsnorm"))
    assert not [name for name in rms if "norm" in name and name.endswith("bias")]
    assert len(rms) - len(without) == 2 * 4
