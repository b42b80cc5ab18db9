"""Adding a cache from outside, and taking it away."""

import numpy as np
import pytest

from tests.generation.cached import TOLERANCE, RecordingGPT, assert_plain, feed, new_cache
from tinytorch.core import Attention
from tinytorch.generation import (
    KVCache,
    disable_kv_cache,
    enable_kv_cache,
    get_kv_cache,
    set_kv_cache,
    use_kv_cache,
)


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
