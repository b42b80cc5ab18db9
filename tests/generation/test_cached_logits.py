"""A model with a cache computes what it computes without one."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.cached import TOLERANCE, RecordingGPT, assert_contents, contents, feed
from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import enable_kv_cache


@given(
    batch_size=st.integers(1, 3),
    chunks=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    seed=st.integers(0, 999),
)
def test_cached_logits_equal_uncached_ones_for_any_chunks(
    config, make_model, make_tokens, batch_size, chunks, seed
):
    model = make_model(config, seed)
    tokens = make_tokens(config, batch_size, sum(chunks), seed)
    expected = model.forward(tokens)
    cache = enable_kv_cache(model, batch_size)
    np.testing.assert_allclose(feed(model, tokens, chunks), expected, atol=TOLERANCE)
    assert cache.seq_pos == sum(chunks)


def test_prefill_and_decoding_up_to_the_last_position(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, config.max_seq_len)
    expected = model.forward(tokens)
    enable_kv_cache(model, batch_size=2)
    chunks = [5, *[1] * (config.max_seq_len - 5)]
    np.testing.assert_allclose(feed(model, tokens, chunks), expected, atol=TOLERANCE)


@pytest.mark.parametrize("chunks", [[300], [128, 172], [127, 130, 43], [129, 1, 170]], ids=str)
def test_chunks_across_the_block_border(make_model, make_tokens, chunks):
    config = ModelConfig(
        vocab_size=11,
        embed_dim=8,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        mlp_dim=8,
        max_seq_len=300,
        positions="rope",
    )
    model, tokens = make_model(config), make_tokens(config, 1, 300)
    expected = model.forward(tokens)
    enable_kv_cache(model)
    np.testing.assert_allclose(feed(model, tokens, chunks), expected, atol=TOLERANCE)


def test_last_only_with_a_cache(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 6)
    expected = model.forward(tokens)
    enable_kv_cache(model, batch_size=2)
    first = model.forward(tokens[:, :4], last_only=True)
    assert first.shape == (2, 1, config.vocab_size)
    np.testing.assert_allclose(first, expected[:, 3:4], atol=TOLERANCE)
    second = model.forward(tokens[:, 4:], last_only=True)
    np.testing.assert_allclose(second, expected[:, 5:], atol=TOLERANCE)


@given(
    length=st.integers(1, 16),
    kept=st.integers(0, 15),
    added=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_truncate_then_continue_equals_a_fresh_start(
    config, make_model, make_tokens, length, kept, added, seed
):
    kept = min(kept, length)
    model = make_model(config, seed)
    first, other = make_tokens(config, 2, length, seed), make_tokens(config, 2, added, seed + 1)
    expected = model.forward(np.concatenate([first[:, :kept], other], axis=1))[:, kept:]
    cache = enable_kv_cache(model, batch_size=2)
    model.forward(first)
    cache.truncate(kept)
    np.testing.assert_allclose(model.forward(other), expected, atol=TOLERANCE)


def test_reset_then_another_text_equals_a_fresh_start(config, make_model, make_tokens):
    model = make_model(config)
    cache = enable_kv_cache(model, batch_size=2)
    for seed, length in enumerate((9, 3, 12)):
        tokens = make_tokens(config, 2, length, seed)
        logits = feed(model, tokens, [2, *[1] * (length - 2)])
        np.testing.assert_allclose(logits, make_model(config).forward(tokens), atol=TOLERANCE)
        cache.reset()


def test_a_batch_equals_its_rows_alone(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 3, 8)
    enable_kv_cache(model, batch_size=3)
    together = feed(model, tokens, [4, 1, 2, 1])
    for row in range(3):
        enable_kv_cache(model)
        alone = feed(model, tokens[row : row + 1], [4, 1, 2, 1])
        np.testing.assert_allclose(together[row : row + 1], alone, atol=TOLERANCE)


def test_reorder_swaps_the_histories(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 3, 7)
    rows = [2, 0, 2]
    expected = model.forward(np.concatenate([tokens[rows, :5], tokens[:, 5:]], axis=1))[:, 5:]
    cache = enable_kv_cache(model, batch_size=3)
    model.forward(tokens[:, :5])
    cache.reorder(rows)
    np.testing.assert_allclose(model.forward(tokens[:, 5:]), expected, atol=TOLERANCE)


def test_positions_follow_seq_pos(config, make_model, make_tokens):
    model = make_model(config, cls=RecordingGPT)
    cache = enable_kv_cache(model)
    feed(model, make_tokens(config, 1, 8), [5, 1, 2])
    cache.truncate(3)
    model.forward(make_tokens(config, 1, 2))
    cache.reset()
    model.forward(make_tokens(config, 1, 1))
    expected = [range(5), [5], [6, 7], [3, 4], [0]]
    for (_, actual), positions in zip(model.passes, expected, strict=True):
        np.testing.assert_array_equal(actual, list(positions))


def test_given_positions_are_kept(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 6)
    positions = np.array([[0, 1, 2, 3, 4, 5], [7, 8, 9, 20, 21, 22]])
    expected = model.forward(tokens, positions)
    enable_kv_cache(model, batch_size=2)
    first = model.forward(tokens[:, :4], positions[:, :4])
    rest = model.forward(tokens[:, 4:], positions=positions[:, 4:])
    np.testing.assert_allclose(np.concatenate([first, rest], axis=1), expected, atol=TOLERANCE)


def test_keys_of_the_past_do_not_change_when_a_token_comes(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 1, 6)
    cache = enable_kv_cache(model)
    model.forward(tokens[:, :5])
    before = contents(cache)
    model.forward(tokens[:, 5:])
    cache.truncate(5)
    assert_contents(cache, before)


def test_lists_are_accepted(gpt2_config, make_model):
    model = make_model(gpt2_config)
    expected = model.forward([[1, 2, 3]])
    enable_kv_cache(model)
    np.testing.assert_allclose(model.forward([[1, 2]]), expected[:, :2], atol=TOLERANCE)
    np.testing.assert_allclose(model.forward([[3]]), expected[:, 2:], atol=TOLERANCE)


def test_a_float16_cache_is_close(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 10)
    expected = model.forward(tokens)
    cache = enable_kv_cache(model, batch_size=2, dtype=np.float16)
    logits = feed(model, tokens, [6, 1, 1, 2])
    assert logits.dtype == np.float32
    assert cache.get(0)[0].dtype == np.float16
    difference = np.abs(logits - expected).max()
    assert 1e-6 < difference < 0.02 * np.abs(expected).max()


def test_a_float64_cache_gives_float32_logits(gpt2_config, make_model, make_tokens):
    model, tokens = make_model(gpt2_config), make_tokens(gpt2_config, 1, 6)
    expected = model.forward(tokens)
    enable_kv_cache(model, dtype=np.float64)
    logits = feed(model, tokens, [4, 1, 1])
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE)


def test_decoding_copies_no_history():
    config = ModelConfig(
        vocab_size=8,
        embed_dim=16,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=32,
        mlp_dim=8,
        max_seq_len=4096,
        positions="rope",
    )
    model = GPT(config)
    cache = enable_kv_cache(model)
    new = np.ones((1, 2, 4095, 32), np.float32)
    for layer in range(2):
        cache.update(layer, new, new)
    cache.advance(4095)
    tracemalloc.start()
    try:
        model.forward([[1]])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    keys_of_one_layer = cache.get(0)[0].nbytes
    assert keys_of_one_layer == 2**20
    assert peak < keys_of_one_layer / 4
