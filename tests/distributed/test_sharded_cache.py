"""A cache in parts against the cache in one place and against no cache, in this process."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.distributed.small import (
    CONFIGS,
    KINDS,
    MOST_WORKERS,
    TOLERANCE,
    expected_traffic,
    feed,
    options_for,
)
from tinytorch.distributed import LocalWorkers, enable_sharded_cache, new_sharded_cache
from tinytorch.generation import (
    KVCache,
    disable_kv_cache,
    enable_kv_cache,
    generate,
    get_kv_cache,
    stream,
    use_kv_cache,
)

every_kind = pytest.mark.parametrize("kind", KINDS)
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@every_kind
@given(
    style=st.sampled_from(list(CONFIGS)),
    num_workers=st.integers(1, MOST_WORKERS),
    batch_size=st.integers(1, 3),
    chunks=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    small=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_logits_entries_and_traffic(
    make_model, make_tokens, kind, style, num_workers, batch_size, chunks, small, seed
):
    config = CONFIGS[style]
    model = make_model(config, seed)
    tokens = make_tokens(config, batch_size, sum(chunks), seed)
    expected = model.forward(tokens)
    whole = enable_kv_cache(model, batch_size)
    feed(model, tokens, chunks)

    workers = LocalWorkers(num_workers)
    options = options_for(kind, small)
    cache = enable_sharded_cache(model, workers, kind, batch_size, **options)
    np.testing.assert_allclose(feed(model, tokens, chunks), expected, atol=TOLERANCE)

    assert cache.seq_pos == len(cache) == sum(chunks)
    starts = np.cumsum([0, *chunks[:-1]])
    passes = [
        expected_traffic(config, kind, num_workers, int(start), size, small, batch_size=batch_size)
        for start, size in zip(starts, chunks, strict=True)
    ]
    assert cache.traffic.counts == tuple(np.sum([one.counts for one in passes], axis=0))
    for layer_idx in range(config.num_layers):
        for ours, theirs in zip(cache.get(layer_idx), whole.get(layer_idx), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)
    assert (cache.nbytes, cache.nbytes_used) == (whole.nbytes, whole.nbytes_used)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.integers(1, 6)),
        st.tuples(st.just("truncate"), st.floats(0, 1)),
        st.tuples(st.just("reorder"), st.permutations([0, 0, 1])),
        st.tuples(st.just("reset"), st.none()),
    ),
    max_size=8,
)


@every_kind
@given(operations=OPERATIONS, num_workers=st.integers(1, MOST_WORKERS), small=st.integers(1, 4))
def test_every_verb_does_what_it_does_in_one_place(
    make_model, kind, operations, num_workers, small
):
    config = CONFIGS["llama"]
    ours, theirs = make_model(config), make_model(config)
    workers = LocalWorkers(num_workers)
    sharded = enable_sharded_cache(ours, workers, kind, 2, **options_for(kind, small))
    whole = enable_kv_cache(theirs, 2)
    rng = np.random.default_rng(0)
    for verb, argument in operations:
        if verb == "feed":
            tokens = rng.integers(0, config.vocab_size, (2, argument))
            np.testing.assert_allclose(ours.forward(tokens), theirs.forward(tokens), atol=TOLERANCE)
        elif verb == "truncate":
            length = int(argument * whole.seq_pos)
            sharded.truncate(length)
            whole.truncate(length)
        elif verb == "reorder":
            sharded.reorder(argument[:2])
            whole.reorder(argument[:2])
        else:
            sharded.reset()
            whole.reset()
        assert sharded.seq_pos == whole.seq_pos
    for layer_idx in range(config.num_layers):
        for a, b in zip(sharded.get(layer_idx), whole.get(layer_idx), strict=True):
            np.testing.assert_allclose(a, b, atol=TOLERANCE)


@every_kind
@every_config
def test_positions_that_are_given(make_model, make_tokens, kind, config):
    model, tokens = make_model(config), make_tokens(config, 2, 6)
    positions = np.array([[0, 2, 3, 7, 8, 9], [1, 2, 4, 5, 6, 7]])
    expected = model.forward(tokens, positions)
    enable_sharded_cache(model, LocalWorkers(3), kind, 2, **options_for(kind, 2))
    first = model.forward(tokens[:, :4], positions[:, :4])
    second = model.forward(tokens[:, 4:], positions[:, 4:])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), expected, atol=TOLERANCE)


@every_kind
def test_forgetting_sends_nothing(make_model, make_tokens, kind):
    model, tokens = make_model(CONFIGS["llama"]), make_tokens(CONFIGS["llama"], 1, 8)
    cache = enable_sharded_cache(model, LocalWorkers(2), kind)
    model.forward(tokens)
    before = cache.traffic
    cache.truncate(3)
    cache.reset()
    assert cache.traffic == before


@every_kind
def test_overflow_is_refused_before_anything_is_sent(make_model, make_tokens, kind):
    config = CONFIGS["gpt2"]
    model, tokens = make_model(config), make_tokens(config, 1, 8)
    expected = model.forward(tokens[:, :6])
    cache = enable_sharded_cache(model, LocalWorkers(2), kind, max_seq_len=6)
    model.forward(tokens[:, :4])
    before = cache.traffic
    message = "cache overflow: 4 tokens cached and 3 new exceed max_seq_len=6"
    with pytest.raises(ValueError, match=message):
        model.forward(tokens[:, 4:7])
    assert (cache.traffic, cache.seq_pos) == (before, 4)
    rest = model.forward(tokens[:, 4:6])
    np.testing.assert_allclose(rest, expected[:, 4:], atol=TOLERANCE)


@every_kind
def test_a_pass_that_fails_leaves_the_cache_as_it_was(make_model, make_tokens, kind):
    config = CONFIGS["llama"]
    model, tokens = make_model(config), make_tokens(config, 1, 9)
    expected = model.forward(tokens)
    cache = enable_sharded_cache(model, LocalWorkers(3), kind, **options_for(kind, 2))
    model.forward(tokens[:, :4])
    final_norm, model.final_norm = model.final_norm, None
    with pytest.raises(TypeError):
        model.forward(tokens[:, 2:7])
    model.final_norm = final_norm
    assert cache.seq_pos == 4
    np.testing.assert_allclose(model.forward(tokens[:, 4:]), expected[:, 4:], atol=TOLERANCE)


@every_kind
def test_only_a_part_of_a_pass_can_be_kept(make_model, make_tokens, kind, monkeypatch):
    config = CONFIGS["llama"]
    model, tokens = make_model(config), make_tokens(config, 1, 9)
    expected = model.forward(tokens)
    cache = enable_sharded_cache(model, LocalWorkers(3), kind, **options_for(kind, 2))
    model.forward(tokens[:, :4])
    with monkeypatch.context() as patch:
        patch.setattr(cache, "advance", lambda num_tokens: None)
        model.forward(tokens[:, 4:])
    with pytest.raises(ValueError, match="from 1 to the 5 of the last pass, got 6"):
        cache.advance(6)
    cache.advance(2)
    with pytest.raises(ValueError, match="from 1 to the 0 of the last pass"):
        cache.advance()
    np.testing.assert_allclose(model.forward(tokens[:, 6:]), expected[:, 6:], atol=TOLERANCE)


@every_kind
def test_a_stream_fills_it_and_the_model_is_given_back(make_model, make_tokens, kind):
    config = CONFIGS["gpt2"]
    model, prompt = make_model(config), make_tokens(config, 2, 7)
    expected = generate(model, prompt, 12)
    cache = new_sharded_cache(model, LocalWorkers(3), kind, 2, **options_for(kind, 3))
    written = np.stack(list(stream(model, prompt, 12, cache=cache)), axis=1)
    np.testing.assert_array_equal(written, expected[:, 7:])
    assert get_kv_cache(model) is None
    assert all("forward" not in vars(block) for block in model.blocks)
    assert all("forward" not in vars(block.attention) for block in model.blocks)

    with use_kv_cache(model, cache):
        assert get_kv_cache(model) is cache
    own = enable_sharded_cache(model, LocalWorkers(2), kind, 2)
    assert get_kv_cache(model) is own
    disable_kv_cache(model)
    np.testing.assert_allclose(
        model.forward(prompt), make_model(config).forward(prompt), atol=TOLERANCE
    )


@every_kind
def test_two_caches_share_workers(make_model, make_tokens, kind):
    config = CONFIGS["llama"]
    model, tokens = make_model(config), make_tokens(config, 2, 6)
    expected = model.forward(tokens)
    workers = LocalWorkers(2)
    caches = [new_sharded_cache(model, workers, kind) for _ in range(2)]
    for step in range(6):
        for row, cache in enumerate(caches):
            with use_kv_cache(model, cache):
                logits = model.forward(tokens[row : row + 1, step : step + 1])
            np.testing.assert_allclose(logits[0], expected[row, step : step + 1], atol=TOLERANCE)


@every_kind
def test_half_precision(make_model, make_tokens, kind):
    config = CONFIGS["llama"]
    model, tokens = make_model(config), make_tokens(config, 1, 9)
    whole = KVCache(1, 48, 4, 4, 6, np.float16)
    with use_kv_cache(model, whole):
        expected = feed(model, tokens, [7, 1, 1])
    cache = enable_sharded_cache(model, LocalWorkers(2), kind, dtype=np.float16)
    np.testing.assert_allclose(feed(model, tokens, [7, 1, 1]), expected, atol=1e-2)
    assert cache.nbytes == whole.nbytes
    assert cache.get(0)[0].dtype == np.float16
    sent = [
        expected_traffic(config, kind, 2, start, size, 128 if kind == "layers" else 16, itemsize=2)
        for start, size in ((0, 7), (7, 1), (8, 1))
    ]
    passes = np.sum([one.counts for one in sent], axis=0)
    fetched = cache.traffic.counts
    assert fetched[2] == passes[2]


def test_where_the_memory_is(make_model, make_weights):
    config = CONFIGS["llama"]
    model = make_model(config)
    whole = KVCache(1, 48, 4, 4, 6)
    for kind in KINDS:
        shares = new_sharded_cache(model, LocalWorkers(4), kind, **options_for(kind, 4))
        found = shares.memory_by_shard()
        assert [one["cache"] for one in found] == [whole.nbytes // 4] * 4
        block_weights = sum(
            array.nbytes
            for name, array in make_weights(config).items()
            if name.startswith("blocks.0.")
        )
        expected = block_weights if kind == "layers" else 0
        assert [one["weights"] for one in found] == [expected] * 4


@every_kind
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "rows"}, r"by='rows' must be one of \('sequence', 'layers', 'heads'\)"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"max_seq_len": 49}, "max_seq_len=49 exceeds the model's max_seq_len=48"),
        ({"dtype": np.int32}, "dtype must be a floating-point type, got int32"),
        ({"num_shards": 4}, "4 shards need as many workers, there are 3"),
        ({"num_shards": 0}, "num_shards must be an integer of at least 1, got 0"),
    ],
)
def test_what_cannot_be_made_is_refused(make_model, kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        enable_sharded_cache(
            make_model(CONFIGS["gpt2"]), LocalWorkers(3), **({"by": kind} | arguments)
        )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("layers", "4 layers cannot be spread over 5 workers"),
        ("heads", "4 key/value heads cannot be spread over 5 workers"),
    ],
)
def test_fewer_layers_or_heads_than_workers(make_model, kind, message):
    with pytest.raises(ValueError, match=message):
        enable_sharded_cache(make_model(CONFIGS["gpt2"]), LocalWorkers(5), kind)


@every_kind
def test_wrong_arguments_are_named(make_model, make_tokens, kind):
    config = CONFIGS["gpt2"]
    model = make_model(config)
    cache = enable_sharded_cache(model, LocalWorkers(2), kind, 2)
    with pytest.raises(ValueError, match="tokens must have batch_size=2 rows, got 1"):
        model.forward(make_tokens(config, 1, 3))
    with pytest.raises(ValueError, match="below vocab_size=61"):
        model.forward(np.array([[61], [0]]))
    with pytest.raises(ValueError, match=r"tokens must have shape \(batch, tokens\)"):
        model.forward(np.array([1, 2]))
    model.forward(make_tokens(config, 2, 3))
    for length in (-1, 4):
        with pytest.raises(ValueError, match=f"seq_len must be from 0 to seq_pos=3, got {length}"):
            cache.truncate(length)
    with pytest.raises(ValueError, match="layer_idx must be from 0 to 3, got 4"):
        cache.get(4)
    for indices in ([0], [0, 2], [0.0, 1.0], [-1, 0]):
        with pytest.raises(ValueError, match="batch_indices must be 2 integers from 0 to 1"):
            cache.reorder(indices)
    assert cache.seq_pos == 3
