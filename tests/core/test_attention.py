import math
import tracemalloc
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import reference_attention, reference_logits, reference_rope
from tinytorch.core import GPT, Attention, ModelConfig, attend, causal_mask
from tinytorch.core.attention import FEW_ROWS
from tinytorch.core.layers import rotary_table
from tinytorch.profiling import count_operations
from tinytorch.profiling.counters import KINDS

LENGTHS = (1, 2, 127, 128, 129, 300)
MIB = 2**20


def inputs(batch_size, num_heads, num_kv_heads, num_queries, num_keys, head_dim, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((batch_size, num_heads, num_queries, head_dim), dtype=np.float32),
        rng.standard_normal((batch_size, num_kv_heads, num_keys, head_dim), dtype=np.float32),
        rng.standard_normal((batch_size, num_kv_heads, num_keys, head_dim), dtype=np.float32),
    )


def peak_memory(function, *args):
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("history", [0, 1, 5, 130])
@pytest.mark.parametrize("num_queries", LENGTHS)
def test_attend_against_the_reference_around_the_block_border(num_queries, history):
    query, key, value = inputs(1, 2, 1, num_queries, num_queries + history, 4)
    expected = reference_attention(query, key, value)
    np.testing.assert_allclose(attend(query, key, value), expected, atol=1e-5)


@settings(max_examples=60)
@given(
    batch_size=st.integers(1, 3),
    num_kv_heads=st.integers(1, 3),
    groups=st.integers(1, 3),
    num_queries=st.one_of(st.integers(1, 9), st.integers(120, 140)),
    history=st.integers(0, 12),
    head_dim=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_attend_against_the_reference_for_any_shape(
    batch_size, num_kv_heads, groups, num_queries, history, head_dim, seed
):
    num_heads, num_keys = groups * num_kv_heads, num_queries + history
    arrays = inputs(batch_size, num_heads, num_kv_heads, num_queries, num_keys, head_dim, seed)
    actual = attend(*arrays)
    assert (actual.shape, actual.dtype) == (arrays[0].shape, np.float32)
    np.testing.assert_allclose(actual, reference_attention(*arrays), atol=1e-5)


@pytest.mark.parametrize("num_queries", [1, 2])
@pytest.mark.parametrize("groups", range(1, FEW_ROWS + 2))
def test_attend_against_the_reference_around_the_border_of_few_rows(groups, num_queries):
    arrays = inputs(2, 3 * groups, 3, num_queries, 1000, 64)
    with count_operations() as count:
        actual = attend(*arrays)
    np.testing.assert_allclose(actual, reference_attention(*arrays), atol=1e-5)
    each = 2 * 3 * groups * num_queries * 1000 * 64
    assert count.by_kind == dict.fromkeys(KINDS, 0) | {"scores": each, "weighted_sum": each}


def with_memory_order(array, order):
    """The same values, with the axes laid out in memory in another order."""
    return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_attend_does_not_depend_on_the_layout_of_memory(order, groups):
    arrays = inputs(2, 2 * groups, 2, 3, 5, 4)
    laid_out = [with_memory_order(array, order) for array in arrays]
    expected = reference_attention(*arrays)
    np.testing.assert_allclose(attend(*laid_out), expected, atol=1e-5)
    for changed in range(3):
        mixed = [*arrays[:changed], laid_out[changed], *arrays[changed + 1 :]]
        np.testing.assert_allclose(attend(*mixed), expected, atol=1e-5)


@pytest.mark.parametrize("split", [1, 127, 128, 129, 200])
def test_attend_in_two_calls_equals_one(split):
    query, key, value = inputs(2, 4, 2, 201, 210, 8)
    early = attend(query[:, :, :split], key[:, :, : split + 9], value[:, :, : split + 9])
    late = attend(query[:, :, split:], key, value)
    together = np.concatenate([early, late], axis=2)
    np.testing.assert_allclose(together, attend(query, key, value), atol=1e-5)


def test_attend_refuses_more_queries_than_keys():
    with pytest.raises(ValueError, match=r"^3 queries need at least as many keys, got 2$"):
        attend(*inputs(1, 1, 1, 3, 2, 4))


def test_attend_leaves_its_inputs_alone():
    arrays = inputs(1, 4, 2, 3, 5, 4)
    before = [array.copy() for array in arrays]
    attend(*arrays)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_first_token_sees_only_itself():
    query, key, value = inputs(2, 4, 2, 6, 6, 4)
    first = attend(query, key, value)[:, :, 0]
    np.testing.assert_allclose(first, np.repeat(value[:, :, 0], 2, axis=1), atol=1e-6)


@pytest.mark.parametrize("history", [0, 3])
def test_each_token_sees_itself_and_no_later_one(history):
    num_queries = 130
    query, key, value = inputs(1, 2, 1, num_queries, num_queries + history, 4)
    before = attend(query, key, value)
    for changed in (0, 1, 126, 127, 128, 129):
        new_value = value.copy()
        new_value[:, :, history + changed] += 100
        moved = np.abs(attend(query, key, new_value) - before).max(axis=(0, 1, 3))
        assert moved[:changed].max(initial=0) < 1e-5
        assert moved[changed] > 1e-3


def test_future_keys_do_not_reach_earlier_queries():
    query, key, value = inputs(1, 2, 2, 200, 200, 4)
    new_key, new_value = key.copy(), value.copy()
    new_key[:, :, 100:] *= -50
    new_value[:, :, 100:] = 1e6
    before, after = attend(query, key, value), attend(query, new_key, new_value)
    np.testing.assert_allclose(after[:, :, :100], before[:, :, :100], atol=1e-6)


def test_order_of_the_past_does_not_matter_to_one_query():
    query, key, value = inputs(1, 4, 2, 1, 9, 4)
    order = np.random.default_rng(1).permutation(9)
    np.testing.assert_allclose(
        attend(query, key[:, :, order], value[:, :, order]), attend(query, key, value), atol=1e-6
    )


@given(num_queries=st.integers(1, 20), history=st.integers(0, 20), seed=st.integers(0, 999))
def test_attention_is_an_average_of_the_visible_values(num_queries, history, seed):
    query, key, value = inputs(1, 2, 1, num_queries, num_queries + history, 3, seed)
    output = attend(query, key, value)
    for t in range(num_queries):
        seen = value[:, :, : history + t + 1]
        assert (output[:, :, t] <= seen.max(axis=2) + 1e-5).all()
        assert (output[:, :, t] >= seen.min(axis=2) - 1e-5).all()


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e9])
def test_large_scores_do_not_overflow(scale):
    query, key, value = inputs(1, 2, 2, 5, 7, 4)
    actual = attend(query * np.float32(scale), key, value)
    np.testing.assert_allclose(
        actual, reference_attention(query * np.float32(scale), key, value), atol=1e-3
    )


@pytest.mark.parametrize("offset", [-300, -120, -75, -65, 65, 75, 120, 300])
@pytest.mark.parametrize("num_queries", [1, 2, 130])
@pytest.mark.parametrize("row", [slice(None), slice(-1, None)], ids=["every query", "one query"])
def test_what_is_added_to_all_scores_of_a_query_changes_nothing(num_queries, offset, row):
    query, key, value = inputs(1, 2, 1, num_queries, num_queries + 6, 4)
    query[..., 0], key[..., 0] = 0, 1
    expected = attend(query, key, value)
    query[:, :, row, 0] = 2 * offset
    actual = attend(query, key, value)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=2e-4)


@pytest.mark.parametrize("num_kv_heads", [1, 2, 3, 6])
@pytest.mark.parametrize("num_queries", [1, 5])
def test_grouped_heads_equal_heads_with_repeated_keys(num_kv_heads, num_queries):
    query, key, value = inputs(2, 6, num_kv_heads, num_queries, 8, 4)
    groups = 6 // num_kv_heads
    repeated = attend(query, np.repeat(key, groups, axis=1), np.repeat(value, groups, axis=1))
    np.testing.assert_allclose(attend(query, key, value), repeated, atol=1e-6)


def test_batch_rows_are_independent():
    query, key, value = inputs(3, 4, 2, 5, 8, 4)
    together = attend(query, key, value)
    for row in range(3):
        alone = attend(*(array[row : row + 1] for array in (query, key, value)))
        np.testing.assert_allclose(together[row : row + 1], alone, atol=1e-6)


@pytest.mark.parametrize("num_queries", [1, 4])
def test_shared_keys_are_not_repeated_in_memory(num_queries):
    query, key, value = inputs(1, 16, 1, num_queries, 4096, 64)
    assert key.nbytes == MIB
    scores = 16 * num_queries * 4096 * 4
    assert peak_memory(attend, query, key, value) < scores + MIB // 2


def test_memory_for_scores_is_bounded_by_the_block():
    query, key, value = inputs(1, 8, 8, 1024, 1024, 4)
    all_scores = 8 * 1024 * 1024 * 4
    assert peak_memory(attend, query, key, value) < all_scores / 2


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_cache_of_another_dtype_gives_float32(dtype):
    query, key, value = inputs(1, 4, 2, 3, 7, 4)
    key, value = key.astype(dtype), value.astype(dtype)
    actual = attend(query, key, value)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, reference_attention(query, key, value), atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_causal_mask_hides_the_future_and_nothing_else(size):
    mask = causal_mask(size)
    assert (mask.shape, mask.dtype) == ((size, size), np.float32)
    for i, j in np.ndindex(size, size):
        assert mask[i, j] == (-math.inf if j > i else 0)


def test_a_mask_cannot_be_spoiled_for_the_next_pass():
    query, key, value = inputs(1, 2, 1, 5, 7, 4)
    expected = attend(query, key, value)
    with pytest.raises(ValueError, match="read-only"):
        causal_mask(5)[...] = 0
    np.testing.assert_array_equal(attend(query, key, value), expected)


def separate_heads(x, linear, num_heads):
    rows = np.einsum("bte,oe->bto", x, linear.weight)
    if linear.bias is not None:
        rows = rows + linear.bias
    return rows.reshape(*x.shape[:2], num_heads, -1).transpose(0, 2, 1, 3)


def rotation_at(config, positions):
    if config.positions == "learned":
        return None
    return rotary_table(config.head_dim, config.max_seq_len, config.rope_theta)[positions]


def hidden(config, batch_size, num_tokens, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch_size, num_tokens, config.embed_dim), dtype=np.float32)


def test_projections_are_views_of_one_weight(config, make_model):
    attention = make_model(config).blocks[0].attention
    kv_rows = config.num_kv_heads * config.head_dim
    q_rows = config.num_heads * config.head_dim
    expected = {
        "q_proj": (0, q_rows),
        "k_proj": (q_rows, kv_rows),
        "v_proj": (q_rows + kv_rows, kv_rows),
    }
    for name, (start, size) in expected.items():
        part = getattr(attention, name)
        fused = attention.qkv_proj
        assert part.weight.shape == (size, config.embed_dim)
        np.testing.assert_array_equal(part.weight, fused.weight[start : start + size])
        assert np.shares_memory(part.weight, fused.weight)
        assert (part.bias is None) == (not config.bias)
        if config.bias:
            assert np.shares_memory(part.bias, fused.bias)


def test_writing_into_the_value_projection_changes_the_layer(config, make_model):
    attention = make_model(config).blocks[0].attention
    x, rotation = hidden(config, 1, 3), rotation_at(config, np.arange(3))
    attention.v_proj.weight[...] = 0
    if config.bias:
        attention.v_proj.bias[...] = 0
    value = attention.project(x, rotation)[2]
    np.testing.assert_array_equal(value, 0)


def test_project_gives_turned_queries_and_keys_and_plain_values(config, make_model):
    attention = make_model(config).blocks[0].attention
    x, positions = hidden(config, 2, 3), np.array([4, 0, 7])
    query, key, value = attention.project(x, rotation_at(config, positions))
    heads = {
        "q_proj": config.num_heads,
        "k_proj": config.num_kv_heads,
        "v_proj": config.num_kv_heads,
    }
    plain = [separate_heads(x, getattr(attention, name), n) for name, n in heads.items()]
    if config.positions == "rope":
        for turned in plain[:2]:
            for b, h, t in np.ndindex(turned.shape[:3]):
                turned[b, h, t] = reference_rope(turned[b, h, t], positions[t], config.rope_theta)
    for actual, expected in zip((query, key, value), plain, strict=True):
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_merge_joins_the_heads_of_each_token(config, make_model):
    attention = make_model(config).blocks[0].attention
    rng = np.random.default_rng(3)
    heads = rng.standard_normal((2, config.num_heads, 5, config.head_dim), dtype=np.float32)
    joined = np.stack([np.hstack(list(heads[:, :, t].swapaxes(0, 1))) for t in range(5)], axis=1)
    expected = np.einsum("bti,oi->bto", joined, attention.out_proj.weight)
    if config.bias:
        expected += attention.out_proj.bias
    np.testing.assert_allclose(attention.merge(heads), expected, atol=1e-5)


def test_forward_is_project_then_attend_then_merge(config, make_model):
    attention = make_model(config).blocks[0].attention
    x, rotation = hidden(config, 2, 6), rotation_at(config, np.arange(2, 8))
    mixed = reference_attention(*attention.project(x, rotation)).astype(np.float32)
    np.testing.assert_allclose(attention.forward(x, rotation), attention.merge(mixed), atol=1e-5)


def test_attention_can_be_built_without_a_model(gpt2_config, make_weights, make_model):
    weights = make_weights(gpt2_config)
    alone = Attention(gpt2_config, weights, "blocks.1.attention")
    in_model = make_model(gpt2_config).blocks[1].attention
    x = hidden(gpt2_config, 1, 4)
    np.testing.assert_array_equal(alone.forward(x), in_model.forward(x))


def test_a_sequence_of_several_blocks_against_the_reference(make_weights):
    config = ModelConfig(
        vocab_size=11,
        embed_dim=8,
        num_layers=1,
        num_heads=2,
        num_kv_heads=1,
        mlp_dim=4,
        max_seq_len=260,
        positions="rope",
    )
    weights = make_weights(config)
    tokens = np.random.default_rng(0).integers(0, 11, (1, 260))
    expected = reference_logits(config, weights, tokens)
    np.testing.assert_allclose(GPT(config, weights=weights).forward(tokens), expected, atol=1e-4)
