"""Workers die at any moment, and the text goes on unchanged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.distributed.small import CONFIGS, KINDS, TOLERANCE, FailingWorkers, feed, options_for
from tinytorch.distributed import LocalWorkers, enable_sharded_cache
from tinytorch.distributed.sharded_cache import MOST_LOSSES
from tinytorch.generation import enable_kv_cache

every_kind = pytest.mark.parametrize("kind", KINDS)
CONFIG = CONFIGS["llama"]


@every_kind
@given(
    chunks=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    losses=st.dictionaries(st.integers(0, 40), st.integers(0, 2), min_size=1, max_size=4),
    small=st.integers(1, 4),
)
def test_logits_and_entries_after_losses_at_any_request(
    make_model, make_tokens, kind, chunks, losses, small
):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 2, sum(chunks))
    expected = model.forward(tokens)
    whole = enable_kv_cache(model, 2)
    feed(model, tokens, chunks)

    workers = FailingWorkers(3)
    cache = enable_sharded_cache(model, workers, kind, 2, **options_for(kind, small))
    workers.asked, workers.losses = 0, losses
    np.testing.assert_allclose(feed(model, tokens, chunks), expected, atol=TOLERANCE)
    for layer_idx in range(CONFIG.num_layers):
        for ours, theirs in zip(cache.get(layer_idx), whole.get(layer_idx), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "lost", "recomputed"),
    [
        # Of 20 tokens in stripes of 4 over 3 workers, the second holds 8.
        ("sequence", 1, 8),
        ("heads", 1, 20),
        ("layers", 0, 20),
        ("layers", 2, 20),
    ],
)
def test_what_is_computed_again(make_model, make_tokens, kind, lost, recomputed):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 21)
    expected = model.forward(tokens)
    workers = LocalWorkers(3)
    cache = enable_sharded_cache(model, workers, kind, **options_for(kind, 4))
    model.forward(tokens[:, :20])
    assert cache.recomputed_tokens == 0
    workers.kill(lost)
    last = model.forward(tokens[:, 20:])
    np.testing.assert_allclose(last, expected[:, 20:], atol=TOLERANCE)
    assert cache.recomputed_tokens == recomputed


@pytest.mark.parametrize(("lost", "stages"), [(0, 1), (1, 2), (2, 3)])
def test_a_lost_stage_needs_only_the_stages_before_it(make_model, make_tokens, lost, stages):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 9)
    workers = LocalWorkers(3)
    cache = enable_sharded_cache(model, workers, "layers")
    model.forward(tokens[:, :8])
    before = cache.traffic.messages
    workers.kill(lost)
    model.forward(tokens[:, 8:])
    failed, again = lost + 1, 3
    assert cache.traffic.messages - before == failed + stages + again


def test_others_keep_what_they_hold(make_model, make_tokens):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 12)
    workers = LocalWorkers(3)
    cache = enable_sharded_cache(model, workers, "sequence", stripe=2)
    model.forward(tokens)
    before = [[part.copy() for part in cache.get(layer)] for layer in range(4)]
    workers.kill(1)
    held = np.arange(12) // 2 % 3 != 1
    for layer, parts in enumerate(before):
        for ours, old in zip(cache.get(layer), parts, strict=True):
            np.testing.assert_array_equal(ours[:, :, held], old[:, :, held])
            np.testing.assert_allclose(ours, old, atol=TOLERANCE)


@every_kind
def test_a_worker_lost_while_rows_change_places(make_model, make_tokens, kind):
    model, plain = make_model(CONFIG), make_model(CONFIG)
    tokens = make_tokens(CONFIG, 2, 8)
    workers = FailingWorkers(3)
    cache = enable_sharded_cache(model, workers, kind, 2, **options_for(kind, 2))
    whole = enable_kv_cache(plain, 2)
    for one in (model, plain):
        one.forward(tokens[:, :7])
    workers.losses = {workers.asked: 1}
    for one in (cache, whole):
        one.reorder([1, 1])
    np.testing.assert_allclose(
        model.forward(tokens[:, 7:]), plain.forward(tokens[:, 7:]), atol=TOLERANCE
    )


@every_kind
def test_a_worker_lost_before_anything_was_written(make_model, make_tokens, kind):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 5)
    expected = model.forward(tokens)
    workers = LocalWorkers(2)
    cache = enable_sharded_cache(model, workers, kind)
    workers.kill(0)
    workers.kill(1)
    np.testing.assert_allclose(model.forward(tokens), expected, atol=TOLERANCE)
    assert cache.recomputed_tokens == 0


def test_a_worker_that_always_dies_is_given_up(make_model, make_tokens):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 5)
    workers = FailingWorkers(2, dict.fromkeys(range(1000), 1))
    cache = enable_sharded_cache(model, workers, "heads")
    with pytest.raises(RuntimeError, match=f"workers were lost {MOST_LOSSES} times"):
        model.forward(tokens)
    assert cache.seq_pos == 0
    workers.losses = {}
    expected = make_model(CONFIG).forward(tokens)
    np.testing.assert_allclose(model.forward(tokens), expected, atol=TOLERANCE)
