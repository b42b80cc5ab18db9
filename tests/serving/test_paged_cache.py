"""Ragged passes against one plain pass for each sequence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core import Attention, ModelConfig
from tinytorch.generation import enable_kv_cache, get_kv_cache
from tinytorch.profiling import count_operations
from tinytorch.serving import BlockPool, BlockTable, forward_ragged
from tinytorch.serving.paged_cache import PagedKVCache, new_paged_cache, ragged_batch

TOLERANCE = 1e-4


def new_sequences(model, count, num_blocks=40, block_size=3):
    pool = BlockPool(num_blocks, block_size)
    return new_paged_cache(model, pool), [BlockTable(pool) for _ in range(count)]


def feed(model, cache, tables, new_tokens, rows=None):
    for table, new in zip(tables, new_tokens, strict=True):
        cache.copy_blocks(table.reserve(len(new)))
    logits = forward_ragged(model, cache, tables, new_tokens, rows)
    for table, new in zip(tables, new_tokens, strict=True):
        table.advance(len(new))
    return logits


@settings(max_examples=20)
@given(
    block_size=st.integers(1, 9),
    passes=st.lists(
        st.dictionaries(st.integers(0, 2), st.integers(1, 9), min_size=1), min_size=1, max_size=5
    ),
    seed=st.integers(0, 99),
)
def test_logits_equal_those_of_each_text_alone(
    config, make_model, make_tokens, block_size, passes, seed
):
    model, texts = make_model(config, seed), make_tokens(config, 3, 45, seed)
    cache, tables = new_sequences(model, 3, num_blocks=135, block_size=block_size)
    for counts in passes:
        chosen = [tables[i] for i in counts]
        new = [texts[i, tables[i].seq_pos :][:count] for i, count in counts.items()]
        logits = feed(model, cache, chosen, new, rows=range(sum(counts.values())))
        expected = [model.forward(texts[i : i + 1, : tables[i].seq_pos])[0] for i in counts]
        expected = [rows[-count:] for rows, count in zip(expected, counts.values(), strict=True)]
        np.testing.assert_allclose(logits, np.concatenate(expected), atol=TOLERANCE)


def test_the_last_row_of_each_sequence_by_default(make_model, make_tokens, llama_config):
    model, texts = make_model(llama_config), make_tokens(llama_config, 2, 9)
    cache, tables = new_sequences(model, 2)
    logits = feed(model, cache, tables, [texts[0, :4], texts[1]])
    expected = [model.forward(texts[:1, :4])[0, -1], model.forward(texts[1:])[0, -1]]
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE)


def test_no_token_is_padded_and_only_the_rows_asked_for_are_scored(
    make_model, make_tokens, llama_config
):
    model, texts = make_model(llama_config), make_tokens(llama_config, 2, 30)
    cache, tables = new_sequences(model, 2)
    lengths = (2, 30)
    alone = []
    for text, length in zip(texts, lengths, strict=True):
        with count_operations() as count:
            model.forward(text[None, :length], last_only=True)
        alone.append(count.by_kind)
    with count_operations() as together:
        feed(model, cache, tables, [texts[0, :2], texts[1]])
    assert together.by_kind == {kind: sum(one[kind] for one in alone) for kind in alone[0]}


def test_keys_and_values_are_those_of_a_plain_cache(
    make_model, make_tokens, learned_or_rope_config
):
    model, texts = make_model(learned_or_rope_config), make_tokens(learned_or_rope_config, 1, 11)
    cache, (table,) = new_sequences(model, 1)
    feed(model, cache, [table], [texts[0, :7]])
    feed(model, cache, [table], [texts[0, 7:]])
    table.truncate(8)
    plain = enable_kv_cache(model)
    model.forward(texts[:, :8])
    for layer in range(model.num_layers):
        for part, expected in zip(cache.get(layer, table), plain.get(layer), strict=True):
            assert part.dtype == np.float32
            np.testing.assert_allclose(part, expected, atol=TOLERANCE)


def test_a_shared_block_is_copied_before_it_changes(make_model, make_tokens, gpt2_config):
    model, texts = make_model(gpt2_config), make_tokens(gpt2_config, 1, 12)
    cache, (first, second) = new_sequences(model, 2, block_size=4)
    feed(model, cache, [first], [texts[0, :8]])
    first.publish([b"0", b"1"])
    second.adopt(first.block_ids, 7)
    before = [part.copy() for part in cache.get(0, first)]
    other = np.array([3, 1, 4])
    logits = feed(model, cache, [second], [other])
    assert second.block_ids[0] == first.block_ids[0]
    assert second.block_ids[1] != first.block_ids[1]
    for part, old in zip(cache.get(0, first), before, strict=True):
        np.testing.assert_array_equal(part, old)
    expected = model.forward(np.concatenate([texts[0, :7], other])[None])[:, -1]
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE)


def test_what_others_read_or_know_cannot_be_written(make_model, gpt2_config):
    model = make_model(gpt2_config)
    cache, (first, second) = new_sequences(model, 2, block_size=4)
    feed(model, cache, [first], [[1, 2, 3, 4]])
    second.adopt(first.block_ids, 3)
    message = r"^block 0 is shared or known and must not be written$"
    with pytest.raises(ValueError, match=message):
        forward_ragged(model, cache, [second], [[4]])
    second.reset()
    first.publish([b"text"])
    first.truncate(3)
    with pytest.raises(ValueError, match=message):
        forward_ragged(model, cache, [first], [[4]])
    first.reserve(1)
    forward_ragged(model, cache, [first], [[4]])


def test_tokens_need_reserved_blocks(make_model, gpt2_config):
    model = make_model(gpt2_config)
    cache, (table,) = new_sequences(model, 1, block_size=4)
    table.reserve(4)
    with pytest.raises(ValueError, match=r"^5 tokens after 0 need 2 blocks, 1 are reserved$"):
        forward_ragged(model, cache, [table], [[1, 2, 3, 4, 5]])
    with pytest.raises(ValueError, match=r"^num_tokens must be an integer of at least 1, got 0$"):
        forward_ragged(model, cache, [table], [[]])


def test_keys_of_another_shape_are_refused(gpt2_config):
    pool = BlockPool(2, 4)
    cache, table = PagedKVCache(pool, 1, 2, 8), BlockTable(pool)
    table.reserve(2)
    batch = ragged_batch([table], [2])
    right, wrong = np.ones((1, 2, 2, 8), np.float32), np.ones((1, 2, 3, 8), np.float32)
    with pytest.raises(
        ValueError, match=r"^key and value must have shape \(1, 2, 2, 8\), got \(1, 2, 2, 8\) and"
    ):
        cache.update(0, batch, right, wrong)
    table.advance(2)
    np.testing.assert_array_equal(cache.get(0, table)[0], 0)


def test_bytes_of_a_cache():
    assert PagedKVCache(BlockPool(5, 16), 3, 2, 8).nbytes == 2 * 3 * 5 * 16 * 2 * 8 * 4
    assert PagedKVCache(BlockPool(5, 16), 3, 2, 8, np.float16).nbytes == 2 * 3 * 5 * 16 * 2 * 8 * 2


def test_sizes_and_types_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^num_layers must be an integer of at least 1, got 0$"):
        PagedKVCache(BlockPool(5, 16), 0, 2, 8)
    with pytest.raises(ValueError, match=r"^dtype must be a floating-point type, got int32$"):
        PagedKVCache(BlockPool(5, 16), 3, 2, 8, np.int32)


def test_a_float16_cache_rounds_and_stays_near(make_model, make_tokens, gpt2_config):
    model, texts = make_model(gpt2_config), make_tokens(gpt2_config, 1, 9)
    pool = BlockPool(5, 4)
    cache, table = new_paged_cache(model, pool, np.float16), BlockTable(pool)
    feed(model, cache, [table], [texts[0, :6]])
    logits = feed(model, cache, [table], [texts[0, 6:]])
    assert logits.dtype == np.float32
    difference = np.abs(logits - model.forward(texts)[:, -1]).max()
    assert 0 < difference < 0.1


def state(model):
    attributes = [dict(vars(block.attention)) for block in model.blocks]
    return dict(vars(model)), attributes


def test_the_model_is_left_as_it_was(make_model, make_tokens, gpt2_config):
    model = make_model(gpt2_config)
    cache, (table,) = new_sequences(model, 1)
    before = state(model)
    feed(model, cache, [table], [[1, 2]])
    assert state(model) == before
    table.reserve(1)
    with pytest.raises(ValueError, match="tokens must be at least 0"):
        forward_ragged(model, cache, [table], [[gpt2_config.vocab_size]])
    assert state(model) == before
    assert model.blocks[0].attention.forward.__func__ is Attention.forward


def test_a_plain_cache_of_the_model_is_left_alone(make_model, make_tokens, gpt2_config):
    model, texts = make_model(gpt2_config), make_tokens(gpt2_config, 1, 6)
    expected = model.forward(texts)[0, -1]
    plain = enable_kv_cache(model)
    model.forward(texts[:, :5])
    cache, (table,) = new_sequences(model, 1)
    np.testing.assert_allclose(feed(model, cache, [table], texts)[0], expected, atol=TOLERANCE)
    assert get_kv_cache(model) is plain
    np.testing.assert_allclose(model.forward(texts[:, 5:])[0, -1], expected, atol=TOLERANCE)


def test_long_histories_cross_the_blocks_of_queries(make_model, make_tokens):
    config = ModelConfig(
        vocab_size=11, embed_dim=8, num_layers=2, num_heads=4, num_kv_heads=2, max_seq_len=300
    )
    model, texts = make_model(config), make_tokens(config, 2, 300)
    cache, tables = new_sequences(model, 2, num_blocks=40, block_size=16)
    feed(model, cache, tables, [texts[0, :140], texts[1, :1]])
    logits = feed(model, cache, tables, [texts[0, 140:], texts[1, 1:200]])
    expected = [model.forward(texts[:1])[0, -1], model.forward(texts[1:, :200])[0, -1]]
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE)
