"""What cannot be done is refused, and leaves model and cache as they were."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from tests.generation.cached import TOLERANCE, assert_contents, assert_plain, contents
from tinytorch.generation import (
    KVCache,
    enable_kv_cache,
    get_kv_cache,
    set_kv_cache,
    stream,
    use_kv_cache,
)


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


def test_a_cache_of_another_shape_is_not_set(gpt2_config, make_model):
    model = make_model(gpt2_config)
    with pytest.raises(ValueError, match="a cache with num_layers=1 does not fit, need 2"):
        set_kv_cache(model, KVCache(1, 8, 1, 4, 8))
    assert_plain(model)
