"""Recorded heads are those of the model, computed here in another way."""

import numpy as np
import pytest

import tinytorch as tt
from tinytorch.analysis.attention_trace import (
    KINDS,
    cached_difference,
    changes_without_mask,
    record_projections,
    softmax_rows,
    telling_heads,
    trace_heads,
)
from tinytorch.generation.enable import new_kv_cache, use_kv_cache

CONFIG = tt.ModelConfig(
    vocab_size=50, embed_dim=32, num_layers=3, num_heads=4, num_kv_heads=2, positions="learned"
)
TOKENS = np.random.default_rng(0).integers(0, 50, 9)


@pytest.fixture(scope="module")
def model() -> tt.GPT:
    weights = tt.core.init_weights(CONFIG, 1)
    return tt.GPT(CONFIG, weights={k: 8 * w if w.ndim == 2 else w for k, w in weights.items()})


def test_the_first_layers_queries_are_products_of_its_weights(model):
    block = model.blocks[0]
    x = block.attention_norm(model.token_embedding[TOKENS] + model.position_embedding[:9])
    query, key, value = record_projections(model, TOKENS)[0]
    expected = x @ block.attention.qkv_proj.weight.T + block.attention.qkv_proj.bias
    heads = expected.reshape(9, 8, 8).swapaxes(0, 1)
    np.testing.assert_allclose(np.concatenate([query, key, value]), heads, atol=1e-5)


def test_each_head_attends_as_written_out(model):
    traces = list(trace_heads(model, TOKENS))
    assert [(trace.layer, trace.head, trace.kv_head) for trace in traces] == [
        (layer, head, head // 2) for layer in range(3) for head in range(4)
    ]
    for trace in traces:
        for i in range(9):
            products = [trace.query[i] @ trace.key[j] / np.sqrt(8) for j in range(i + 1)]
            shares = np.exp(products) / np.exp(products).sum()
            np.testing.assert_allclose(trace.scores[i, : i + 1], products, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(trace.weights[i, : i + 1], shares, atol=1e-5)
            assert not trace.weights[i, i + 1 :].any()
            mixed = sum(share * trace.value[j] for j, share in enumerate(shares))
            np.testing.assert_allclose(trace.output[i], mixed, atol=1e-4)


def test_the_model_is_left_as_it_was(model):
    before = model.forward(TOKENS[None])
    telling_heads(model, TOKENS)
    changes_without_mask(model, TOKENS)
    assert np.array_equal(model.forward(TOKENS[None]), before)
    for block in model.blocks:
        assert not {"project", "forward"} & set(vars(block.attention))


def test_telling_heads_are_the_best_of_all(model):
    traces = list(trace_heads(model, TOKENS))
    first, before, word, _ = telling_heads(model, TOKENS)
    rows = np.arange(3, 9)
    assert [first.kind, before.kind, word.kind] == list(KINDS[:3])
    assert first.weights[rows, 0].mean() == max(t.weights[rows, 0].mean() for t in traces)
    on_previous = [t.weights[rows, rows - 1].mean() for t in traces]
    assert before.weights[rows, rows - 1].mean() == max(on_previous)
    assert word.weights[-1, 1:-2].max() == max(t.weights[-1, 1:-2].max() for t in traces)


def test_the_head_that_looks_everywhere_has_the_most_even_rows(model):
    everywhere = telling_heads(model, TOKENS)[3]
    unevenness = [np.square(t.weights[3:]).sum() for t in trace_heads(model, TOKENS)]
    chosen = np.square(everywhere.weights[3:]).sum()
    assert chosen <= np.quantile(unevenness, 0.25)


@pytest.mark.parametrize("shape", [(3,), (2, 5)])
def test_a_text_that_is_too_short_or_a_batch_is_refused(model, shape):
    with pytest.raises(ValueError, match="at least 4 tokens in one row"):
        telling_heads(model, np.zeros(shape, int))


def test_a_cached_run_has_the_same_keys_and_values(model):
    assert cached_difference(model, TOKENS, 4) < 1e-4


def test_old_keys_of_a_cached_run_stay_to_the_last_bit(model):
    cache = new_kv_cache(model, 1, len(TOKENS))
    with use_kv_cache(model, cache):
        model.forward(TOKENS[None, :4])
        for token in TOKENS[4:]:
            before = [[part.copy() for part in cache.get(layer)] for layer in range(3)]
            model.forward(token[None, None])
            for layer, parts in enumerate(before):
                for old, new in zip(parts, cache.get(layer), strict=True):
                    assert new.shape[2] == old.shape[2] + 1
                    assert np.array_equal(new[:, :, : old.shape[2]], old)


def test_without_a_mask_only_the_first_layer_keeps_its_keys(model):
    changes = changes_without_mask(model, TOKENS)
    assert changes.shape == (8, 3, 8)
    assert changes[:, 0].max() < 1e-6
    for t in range(8):
        assert (changes[t, 1:, : t + 1] > 1e-5).all()
        assert not changes[t, :, t + 1 :].any()


def test_rows_of_a_softmax_add_up_to_one_and_see_no_future():
    weights = softmax_rows(np.random.default_rng(0).normal(size=(2, 5, 5)))
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    assert not np.triu(weights, k=1).any()
