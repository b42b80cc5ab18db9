import re
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core import GPT, Attention, ModelConfig
from tinytorch.generation import (
    KVCache,
    disable_kv_cache,
    enable_kv_cache,
    get_kv_cache,
    set_kv_cache,
    stream,
    use_kv_cache,
)

TOLERANCE = 1e-4


class RecordingGPT(GPT):
    """Remembers the tokens' shape and the positions of each forward pass."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.passes = []

    def forward(self, tokens, positions=None, *, last_only=False):
        self.passes.append((np.shape(tokens), None if positions is None else np.array(positions)))
        return super().forward(tokens, positions, last_only=last_only)


def new_cache(model, batch_size=1, max_seq_len=None, dtype=np.float32):
    return KVCache(
        batch_size,
        max_seq_len or model.max_seq_len,
        model.num_layers,
        model.num_kv_heads,
        model.head_dim,
        dtype,
    )


def feed(model, tokens, chunks):
    """Logits of `tokens`, fed in chunks of the given lengths."""
    assert sum(chunks) == tokens.shape[1]
    pieces = np.split(tokens, np.cumsum(chunks)[:-1], axis=1)
    return np.concatenate([model.forward(piece) for piece in pieces], axis=1)


def contents(cache):
    return [[part.copy() for part in cache.get(layer)] for layer in range(cache.num_layers)]


def assert_contents(cache, expected):
    for layer, parts in enumerate(expected):
        for part, old in zip(cache.get(layer), parts, strict=True):
            np.testing.assert_array_equal(part, old)


def assert_plain(model):
    """No trace of a cache: the next pass starts at position 0 again, twice."""
    assert get_kv_cache(model) is None
    assert model.forward.__func__ is type(model).forward
    for block in model.blocks:
        assert block.attention.forward.__func__ is Attention.forward


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


def test_enable_gives_an_empty_cache_of_the_models_sizes(config, make_model):
    model = make_model(config)
    cache = enable_kv_cache(model)
    assert get_kv_cache(model) is cache
    assert (cache.batch_size, cache.max_seq_len, cache.seq_pos) == (1, config.max_seq_len, 0)
    assert (cache.num_layers, cache.num_heads) == (config.num_layers, config.num_kv_heads)
    assert (cache.head_dim, cache.dtype) == (config.head_dim, np.float32)
    cache = enable_kv_cache(model, batch_size=3, max_seq_len=7, dtype=np.float16)
    assert (cache.batch_size, cache.max_seq_len, cache.dtype) == (3, 7, np.float16)


def test_enable_is_silent(gpt2_config, make_model, capsys):
    model = make_model(gpt2_config)
    enable_kv_cache(model)
    model.forward([[1, 2]])
    disable_kv_cache(model)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_enabling_twice_wraps_once(config, make_model, make_tokens, monkeypatch):
    calls = {"project": 0, "advance": 0, "update": 0}

    def count(owner, name):
        plain = getattr(owner, name)

        def counted(*args, **kwargs):
            calls[name] += 1
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    for owner, name in ((Attention, "project"), (KVCache, "advance"), (KVCache, "update")):
        count(owner, name)
    model, tokens = make_model(config, cls=RecordingGPT), make_tokens(config, 1, 3)
    expected = model.forward(tokens)
    first = enable_kv_cache(model)
    second = enable_kv_cache(model)
    model.passes.clear()
    calls.update(dict.fromkeys(calls, 0))
    np.testing.assert_allclose(model.forward(tokens), expected, atol=TOLERANCE)
    assert calls == {"project": config.num_layers, "advance": 1, "update": config.num_layers}
    assert len(model.passes) == 1
    assert (first.seq_pos, second.seq_pos) == (0, 3)
    disable_kv_cache(model)
    assert_plain(model)


def test_disable_restores_the_plain_model(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 4)
    expected = model.forward(tokens)
    names = set(vars(model)), set(vars(model.blocks[0].attention))
    cache = enable_kv_cache(model)
    disable_kv_cache(model)
    assert_plain(model)
    assert (set(vars(model)), set(vars(model.blocks[0].attention))) == names
    np.testing.assert_array_equal(model.forward(tokens), expected)
    assert cache.seq_pos == 0


def test_disable_without_a_cache_does_nothing(gpt2_config, make_model):
    model = make_model(gpt2_config)
    disable_kv_cache(model)
    assert_plain(model)


def test_disable_leaves_a_forward_alone_that_enable_did_not_put_there(gpt2_config, make_model):
    model = make_model(gpt2_config)
    own = model.forward = lambda *args, **kwargs: "mine"
    disable_kv_cache(model)
    assert model.forward is own


def test_a_model_with_its_own_forward_attribute_gets_it_back(gpt2_config, make_model):
    model = make_model(gpt2_config)
    calls, plain = [], model.forward

    def own(*args, **kwargs):
        calls.append(args)
        return plain(*args, **kwargs)

    model.forward = own
    with use_kv_cache(model, new_cache(model)):
        model.forward([[1, 2]])
    assert len(calls) == 1
    assert model.forward is own


def test_use_kv_cache_is_undone_after_the_block(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 1, 5)
    expected = model.forward(tokens)
    cache = new_cache(model)
    with use_kv_cache(model, cache) as inside:
        assert inside is cache
        assert get_kv_cache(model) is cache
        model.forward(tokens[:, :3])
    assert_plain(model)
    assert cache.seq_pos == 3
    with use_kv_cache(model, cache):
        np.testing.assert_allclose(model.forward(tokens[:, 3:]), expected[:, 3:], atol=TOLERANCE)


def test_use_kv_cache_nests(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 1, 6)
    expected = model.forward(tokens)
    enabled, outer, inner = enable_kv_cache(model), new_cache(model), new_cache(model)
    model.forward(tokens[:, :1])
    with use_kv_cache(model, outer):
        model.forward(tokens[:, :2])
        with use_kv_cache(model, inner):
            model.forward(tokens[:, :4])
        with use_kv_cache(model, None):
            assert get_kv_cache(model) is None
            np.testing.assert_allclose(model.forward(tokens), expected, atol=TOLERANCE)
        assert get_kv_cache(model) is outer
        np.testing.assert_allclose(model.forward(tokens[:, 2:]), expected[:, 2:], atol=TOLERANCE)
    assert get_kv_cache(model) is enabled
    np.testing.assert_allclose(model.forward(tokens[:, 1:]), expected[:, 1:], atol=TOLERANCE)
    assert (enabled.seq_pos, outer.seq_pos, inner.seq_pos) == (6, 6, 4)
    disable_kv_cache(model)
    assert_plain(model)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_inside_the_block_restores_too(gpt2_config, make_model, error):
    model = make_model(gpt2_config)
    with pytest.raises(error), use_kv_cache(model, new_cache(model)):
        raise error
    assert_plain(model)
    enabled = enable_kv_cache(model)
    with pytest.raises(error), use_kv_cache(model, None):
        raise error
    assert get_kv_cache(model) is enabled


def test_enabling_inside_the_block_does_not_outlast_it(gpt2_config, make_model):
    model = make_model(gpt2_config)
    with use_kv_cache(model, new_cache(model)):
        enable_kv_cache(model)
    assert_plain(model)


def fail_in_last_layer(model, monkeypatch):
    def broken(x):
        raise FloatingPointError("broken layer")

    monkeypatch.setattr(model.blocks[-1], "mlp", broken)


FAILURES = {
    "token out of range": ([[99]], {}, "tokens must be at least 0"),
    "tokens with one axis": ([1, 2], {}, "tokens must have shape"),
    "no tokens": (np.zeros((1, 0), int), {}, "tokens must have shape"),
    "fractional tokens": ([[0.5]], {}, "tokens must be integers"),
    "positions out of range": ([[1]], {"positions": [48]}, "positions must be at least 0"),
    "positions of another shape": ([[1]], {"positions": [4, 5]}, "positions must have shape"),
    "another batch size": ([[1], [2]], {}, "key must have shape"),
    "overflow": ([[1] * 5], {}, "cache overflow: 4 tokens cached and 5 new"),
}


@pytest.mark.parametrize(("tokens", "kwargs", "message"), FAILURES.values(), ids=FAILURES.keys())
def test_a_refused_pass_leaves_the_cache_as_it_was(
    learned_or_rope_config, make_model, make_tokens, tokens, kwargs, message
):
    model, text = make_model(learned_or_rope_config), make_tokens(learned_or_rope_config, 1, 6)
    expected = model.forward(text)
    cache = enable_kv_cache(model, max_seq_len=8)
    model.forward(text[:, :4])
    before = contents(cache)
    with pytest.raises(ValueError, match=message):
        model.forward(tokens, **kwargs)
    assert cache.seq_pos == 4
    assert_contents(cache, before)
    np.testing.assert_allclose(model.forward(text[:, 4:]), expected[:, 4:], atol=TOLERANCE)


def test_a_pass_that_breaks_half_way_leaves_the_cache_as_it_was(
    config, make_model, make_tokens, monkeypatch
):
    model, tokens = make_model(config), make_tokens(config, 1, 8)
    expected = model.forward(tokens)
    cache = enable_kv_cache(model)
    model.forward(tokens[:, :4])
    before = contents(cache)
    with monkeypatch.context() as patch:
        fail_in_last_layer(model, patch)
        with pytest.raises(FloatingPointError, match="broken layer"):
            model.forward(tokens[:, :3])
    assert cache.seq_pos == 4
    assert_contents(cache, before)
    np.testing.assert_allclose(model.forward(tokens[:, 4:6]), expected[:, 4:6], atol=TOLERANCE)
    np.testing.assert_allclose(model.forward(tokens[:, 6:]), expected[:, 6:], atol=TOLERANCE)


def test_a_scalar_is_refused_as_without_a_cache(gpt2_config, make_model):
    model = make_model(gpt2_config)
    enable_kv_cache(model)
    with pytest.raises(ValueError, match=r"^tokens must have shape \(batch, tokens\), got \(\)$"):
        model.forward(3)


@pytest.mark.parametrize(
    ("name", "size", "needed"),
    [("num_layers", 1, 2), ("num_layers", 3, 2), ("num_heads", 2, 4), ("head_dim", 4, 8)],
)
def test_a_cache_of_another_shape_is_refused(gpt2_config, make_model, name, size, needed):
    model = make_model(gpt2_config)
    fitting = {"num_layers": 2, "num_heads": 4, "head_dim": 8}
    cache = KVCache(batch_size=1, max_seq_len=8, **fitting | {name: size})
    message = rf"^a cache with {name}={size} does not fit, need {needed}$"
    with pytest.raises(ValueError, match=message), use_kv_cache(model, cache):
        raise AssertionError("the block was entered")
    with pytest.raises(ValueError, match=message):
        stream(model, [[1, 2]], 3, cache=cache)
    assert get_kv_cache(model) is None


def test_a_cache_may_be_used_with_models_that_lack_nothing_only():
    cache = KVCache(1, 8, 2, 4, 8)
    with (
        pytest.raises(AttributeError, match="lacks forward, blocks, num_kv_heads"),
        use_kv_cache(object(), cache),
    ):
        raise AssertionError("the block was entered")


def test_a_full_cache_says_so(gpt2_config, make_model, make_tokens):
    model, tokens = make_model(gpt2_config), make_tokens(gpt2_config, 1, 4)
    enable_kv_cache(model, max_seq_len=4)
    model.forward(tokens)
    with pytest.raises(
        ValueError, match=r"^cache overflow: 4 tokens cached and 1 new exceed max_seq_len=4$"
    ):
        model.forward(tokens[:, :1])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"max_seq_len": 49}, "max_seq_len=49 exceeds the model's max_seq_len=48"),
        ({"max_seq_len": 0}, "max_seq_len must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"dtype": int}, "dtype must be a floating-point type, got int64"),
    ],
)
def test_a_refused_enable_keeps_the_cache_of_before(gpt2_config, make_model, kwargs, message):
    model = make_model(gpt2_config)
    cache = enable_kv_cache(model)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        enable_kv_cache(model, **kwargs)
    assert get_kv_cache(model) is cache


def test_every_missing_attribute_is_listed():
    class Odd:
        head_dim = 4

        def __init__(self):
            self.blocks = [
                SimpleNamespace(attention=SimpleNamespace(forward=None)),
                SimpleNamespace(),
                SimpleNamespace(attention=SimpleNamespace(forward=None, project=None, merge=None)),
            ]

    message = (
        "cannot add a KV cache to Odd: it lacks forward, num_kv_heads, max_seq_len, "
        "blocks[0].attention.project, blocks[0].attention.merge, blocks[1].attention"
    )
    with pytest.raises(AttributeError, match=f"^{re.escape(message)}$"):
        enable_kv_cache(Odd())


def test_a_thing_without_blocks_is_refused_by_name():
    message = (
        "cannot add a KV cache to int: it lacks forward, blocks, num_kv_heads, head_dim, "
        "max_seq_len"
    )
    with pytest.raises(AttributeError, match=f"^{message}$"):
        enable_kv_cache(3)


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


def test_two_models_do_not_share_a_cache(gpt2_config, make_model, make_tokens):
    tokens = make_tokens(gpt2_config, 1, 6)
    models = [make_model(gpt2_config, seed) for seed in range(2)]
    expected = [model.forward(tokens) for model in models]
    for model in models:
        enable_kv_cache(model)
    for start in range(6):
        for model, logits in zip(models, expected, strict=True):
            actual = model.forward(tokens[:, start : start + 1])
            np.testing.assert_allclose(actual[:, 0], logits[:, start], atol=TOLERANCE)


def test_a_cache_that_is_set_stays_until_it_is_disabled(gpt2_config, make_model, make_tokens):
    model, tokens = make_model(gpt2_config), make_tokens(gpt2_config, 1, 8)
    expected = model.forward(tokens)
    first = enable_kv_cache(model)
    model.forward(tokens[:, :3])
    second = new_cache(model)
    set_kv_cache(model, second)
    np.testing.assert_allclose(feed(model, tokens, [5, 3]), expected, atol=TOLERANCE)
    assert (get_kv_cache(model), first.seq_pos, second.seq_pos) == (second, 3, 8)
    disable_kv_cache(model)
    assert_plain(model)


def test_a_cache_of_another_shape_is_not_set(gpt2_config, make_model):
    model = make_model(gpt2_config)
    with pytest.raises(ValueError, match="a cache with num_layers=1 does not fit, need 2"):
        set_kv_cache(model, KVCache(1, 8, 1, 4, 8))
    assert_plain(model)
