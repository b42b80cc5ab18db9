import math
import re
from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core import GPT
from tinytorch.generation import KVCache, Sampler, enable_kv_cache, generate, get_kv_cache, stream

BOTH_WAYS = pytest.mark.parametrize("use_cache", [True, False], ids=["cached", "uncached"])
BOTH_FUNCTIONS = pytest.mark.parametrize("write", [generate, stream])


class CountingGPT(GPT):
    """Remembers the shape of the tokens of each forward pass."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.shapes = []

    def forward(self, tokens, positions=None, *, last_only=False):
        self.shapes.append(np.shape(tokens))
        return super().forward(tokens, positions, last_only=last_only)


@pytest.fixture
def model(learned_or_rope_config, make_model):
    return make_model(learned_or_rope_config, cls=CountingGPT)


@pytest.fixture
def prompt(learned_or_rope_config, make_tokens):
    return make_tokens(learned_or_rope_config, 2, 5)


def greedy(model, tokens, max_new_tokens):
    """Write with the model's plain forward pass and nothing else."""
    for _ in range(max_new_tokens):
        best = model.forward(tokens)[:, -1].argmax(axis=-1)
        tokens = np.concatenate([tokens, best[:, None]], axis=1)
    return tokens


def new_cache(model, batch_size=1, max_seq_len=None):
    return KVCache(
        batch_size,
        max_seq_len or model.max_seq_len,
        model.num_layers,
        model.num_kv_heads,
        model.head_dim,
    )


def contents(cache):
    return [[part.copy() for part in cache.get(layer)] for layer in range(cache.num_layers)]


def assert_plain(model):
    assert get_kv_cache(model) is None
    assert "forward" not in vars(model)
    assert all("forward" not in vars(block.attention) for block in model.blocks)


@given(
    batch_size=st.integers(1, 3),
    prompt_length=st.integers(1, 10),
    max_new_tokens=st.integers(1, 10),
    seed=st.integers(0, 999),
)
def test_cached_and_uncached_tokens_are_those_of_plain_forward_passes(
    config, make_model, make_tokens, batch_size, prompt_length, max_new_tokens, seed
):
    model = make_model(config, seed)
    prompt = make_tokens(config, batch_size, prompt_length, seed)
    expected = greedy(model, prompt, max_new_tokens)
    for use_cache in (True, False):
        actual = generate(model, prompt, max_new_tokens, use_cache=use_cache)
        np.testing.assert_array_equal(actual, expected)
    assert_plain(model)


@given(
    temperature=st.sampled_from([0.5, 1.0, 3.0]),
    top_k=st.none() | st.integers(1, 20),
    top_p=st.none() | st.sampled_from([0.3, 0.9]),
    seed=st.integers(0, 999),
)
def test_cached_and_uncached_draws_are_the_same(
    learned_or_rope_config, make_model, make_tokens, temperature, top_k, top_p, seed
):
    model = make_model(learned_or_rope_config)
    prompt = make_tokens(learned_or_rope_config, 2, 4, seed)
    settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    np.testing.assert_array_equal(
        generate(model, prompt, 8, **settings),
        generate(model, prompt, 8, use_cache=False, **settings),
    )


def test_a_batch_is_written_as_its_rows_are_alone(model, prompt):
    together = generate(model, prompt, 9)
    for row in range(2):
        np.testing.assert_array_equal(generate(model, prompt[row], 9), together[row])


@pytest.mark.parametrize("max_new_tokens", [1, 2, 7])
def test_with_a_cache_the_prompt_is_fed_once_and_then_single_tokens(model, prompt, max_new_tokens):
    generate(model, prompt, max_new_tokens)
    assert model.shapes == [(2, 5)] + [(2, 1)] * (max_new_tokens - 1)


@pytest.mark.parametrize("max_new_tokens", [1, 2, 7])
def test_without_a_cache_the_whole_text_is_fed_each_time(model, prompt, max_new_tokens):
    generate(model, prompt, max_new_tokens, use_cache=False)
    assert model.shapes == [(2, 5 + step) for step in range(max_new_tokens)]


@BOTH_WAYS
def test_no_pass_follows_the_stop_token(model, prompt, use_cache):
    written = generate(model, prompt[0], 6)[5:]
    model.shapes.clear()
    generate(model, prompt[0], 6, stop_tokens=[written[0]], use_cache=use_cache)
    assert model.shapes == [(1, 5)]


@BOTH_WAYS
def test_a_stream_computes_each_token_when_it_is_asked_for(model, prompt, use_cache):
    tokens = stream(model, prompt, 4, use_cache=use_cache)
    assert model.shapes == []
    for step in range(4):
        next(tokens)
        assert len(model.shapes) == step + 1
    with pytest.raises(StopIteration):
        next(tokens)
    assert len(model.shapes) == 4


@BOTH_WAYS
def test_stream_yields_what_generate_returns(model, prompt, use_cache):
    columns = list(stream(model, prompt, 6, use_cache=use_cache))
    assert {(column.shape, column.dtype) for column in columns} == {((2,), np.dtype(np.int64))}
    np.testing.assert_array_equal(
        np.stack(columns, axis=1), generate(model, prompt, 6, use_cache=use_cache)[:, 5:]
    )


@BOTH_WAYS
def test_an_enabled_cache_is_left_untouched(model, prompt, use_cache):
    expected = generate(model, prompt, 6)
    text = np.array([[3, 1, 4, 1, 5]])
    plain = model.forward(text)
    cache = enable_kv_cache(model)
    model.forward(text[:, :3])
    before = contents(cache)
    np.testing.assert_array_equal(generate(model, prompt, 6, use_cache=use_cache), expected)
    assert get_kv_cache(model) is cache
    assert cache.seq_pos == 3
    for parts, old_parts in zip(contents(cache), before, strict=True):
        for part, old in zip(parts, old_parts, strict=True):
            np.testing.assert_array_equal(part, old)
    np.testing.assert_allclose(model.forward(text[:, 3:]), plain[:, 3:], atol=1e-4)


@pytest.mark.parametrize("ways", [(True, True), (True, False), (False, True)], ids=str)
def test_streams_may_take_turns_on_one_model(model, prompt, ways):
    texts = [prompt[:1], prompt[1:, :3]]
    expected = [generate(model, text, 7)[0, text.shape[1] :] for text in texts]
    streams = [stream(model, text, 7, use_cache=way) for text, way in zip(texts, ways, strict=True)]
    written = list(zip_longest(*streams))
    np.testing.assert_array_equal(np.array(written)[:, :, 0].T, expected)
    assert_plain(model)


def test_the_model_is_free_between_the_tokens_of_a_stream(model, prompt):
    expected = generate(model, prompt, 5)[:, 5:]
    plain = model.forward(prompt)
    written = []
    for tokens in stream(model, prompt, 5):
        written.append(tokens)
        assert_plain(model)
        np.testing.assert_array_equal(model.forward(prompt), plain)
    np.testing.assert_array_equal(np.stack(written, axis=1), expected)


@BOTH_WAYS
def test_a_stream_closed_early_leaves_the_model_clean(model, prompt, use_cache):
    tokens = stream(model, prompt, 5, use_cache=use_cache)
    next(tokens)
    next(tokens)
    tokens.close()
    assert_plain(model)
    cache = enable_kv_cache(model)
    tokens = stream(model, prompt, 5, use_cache=use_cache)
    next(tokens)
    tokens.close()
    assert get_kv_cache(model) is cache
    assert cache.seq_pos == 0


@BOTH_WAYS
def test_a_broken_layer_leaves_the_model_clean(model, prompt, use_cache, monkeypatch):
    def broken(x):
        raise FloatingPointError("broken layer")

    monkeypatch.setattr(model.blocks[-1], "mlp", broken)
    with pytest.raises(FloatingPointError, match="broken layer"):
        generate(model, prompt, 3, use_cache=use_cache)
    assert_plain(model)


def test_a_given_cache_is_filled_but_for_the_last_token(model, prompt):
    cache = new_cache(model, batch_size=2)
    text = np.concatenate([prompt, np.stack(list(stream(model, prompt, 4, cache=cache)), 1)], 1)
    np.testing.assert_array_equal(text, generate(model, prompt, 4))
    assert cache.seq_pos == 8
    assert_plain(model)


def test_a_conversation_goes_on_in_its_cache(model, prompt):
    cache = new_cache(model, batch_size=2)
    first = np.stack(list(stream(model, prompt, 4, cache=cache)), axis=1)
    turn = np.concatenate([first[:, -1:], np.array([[7, 8], [9, 10]])], axis=1)
    model.shapes.clear()
    second = np.stack(list(stream(model, turn, 5, cache=cache)), axis=1)
    assert model.shapes == [(2, 3)] + [(2, 1)] * 4
    whole = np.concatenate([prompt, first[:, :-1], turn], axis=1)
    np.testing.assert_array_equal(second, generate(model, whole, 5)[:, whole.shape[1] :])


def test_a_given_cache_and_no_cache_contradict_each_other(model, prompt):
    with pytest.raises(ValueError, match=r"^a cache was given, but use_cache is False$"):
        stream(model, prompt, 3, cache=new_cache(model, 2), use_cache=False)


def test_a_given_cache_must_have_room(model, prompt):
    cache = new_cache(model, batch_size=2, max_seq_len=9)
    list(stream(model, prompt, 2, cache=cache))
    model.shapes.clear()
    with pytest.raises(ValueError, match=r"^8 tokens so far and 3 new ones exceed max_seq_len=9$"):
        stream(model, prompt[:, :2], 3, cache=cache)
    assert model.shapes == []
    assert len(list(stream(model, prompt[:, :2], 2, cache=cache))) == 2
    assert cache.seq_pos == 9


def test_a_given_cache_does_not_outgrow_the_model(model, prompt):
    cache = new_cache(model, batch_size=2, max_seq_len=100)
    with pytest.raises(
        ValueError, match=r"^5 tokens so far and 45 new ones exceed max_seq_len=48$"
    ):
        stream(model, prompt, 45, cache=cache)


def test_a_given_cache_of_another_batch_size_is_refused_before_anything_is_computed(model, prompt):
    with pytest.raises(ValueError, match="batch_size"):
        stream(model, prompt, 3, cache=new_cache(model, batch_size=1))
    assert model.shapes == []


@BOTH_WAYS
@pytest.mark.parametrize("position", [0, 1, 3])
def test_one_row_ends_with_its_stop_token(model, prompt, use_cache, position):
    written = list(generate(model, prompt[0], 8)[5:])
    stop = written[position]
    actual = generate(model, prompt[0], 8, stop_tokens={stop}, use_cache=use_cache)
    assert list(actual[5:]) == written[: written.index(stop) + 1]


@given(
    stop_tokens=st.sets(st.integers(0, 60), max_size=25),
    batch_size=st.integers(1, 4),
    temperature=st.sampled_from([0.0, 2.0]),
    seed=st.integers(0, 999),
)
@pytest.mark.parametrize("use_cache", [True, False], ids=["cached", "uncached"])
def test_rows_stop_each_in_their_own_time_and_repeat_their_stop_token(
    gpt2_config, make_model, make_tokens, use_cache, stop_tokens, batch_size, temperature, seed
):
    model = make_model(gpt2_config, seed)
    prompt = make_tokens(gpt2_config, batch_size, 3, seed)
    options = {"use_cache": use_cache, "temperature": temperature, "seed": seed}
    free = generate(model, prompt, 8, **options)[:, 3:].tolist()
    expected = []
    for row in free:
        ends = [i for i, token in enumerate(row) if token in stop_tokens]
        kept = row[: ends[0] + 1] if ends else row
        expected.append((len(kept), kept + [kept[-1]] * (8 - len(kept))))
    longest = max(length for length, _ in expected)
    actual = generate(model, prompt, 8, stop_tokens=stop_tokens, **options)[:, 3:]
    assert actual.shape == (batch_size, longest)
    for row, (length, tokens) in zip(actual.tolist(), expected, strict=True):
        assert row[:length] == tokens[:length]
        assert row[length:] == tokens[length:longest]


@pytest.mark.parametrize("container", [list, tuple, set, frozenset, np.array])
def test_stop_tokens_may_be_any_collection(model, prompt, container):
    written = generate(model, prompt[0], 4)[5:].tolist()
    stopped = generate(model, prompt[0], 4, stop_tokens=container([written[1], 60]))
    assert stopped[5:].tolist() == written[: written.index(written[1]) + 1]


@BOTH_WAYS
def test_on_token_is_told_every_step(model, prompt, use_cache):
    told = []
    sequences = generate(model, prompt, 6, use_cache=use_cache, on_token=told.append)
    assert [tokens.shape for tokens in told] == [(2,)] * 6
    np.testing.assert_array_equal(np.stack(told, axis=1), sequences[:, 5:])


def test_an_exception_in_on_token_leaves_the_model_clean(model, prompt):
    def interrupt(tokens):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(model, prompt, 6, on_token=interrupt)
    assert_plain(model)
    assert len(model.shapes) == 1


@BOTH_WAYS
def test_no_new_tokens_means_no_pass_and_the_prompt_back(model, prompt, use_cache):
    told = []
    sequences = generate(model, prompt, 0, use_cache=use_cache, on_token=told.append)
    np.testing.assert_array_equal(sequences, prompt)
    np.testing.assert_array_equal(generate(model, prompt[0], 0, use_cache=use_cache), prompt[0])
    assert list(stream(model, prompt, 0, use_cache=use_cache)) == []
    assert (model.shapes, told) == ([], [])


@BOTH_WAYS
def test_one_axis_in_one_axis_out(model, prompt, use_cache):
    row = generate(model, prompt[0], 4, use_cache=use_cache)
    assert row.shape == (9,)
    np.testing.assert_array_equal(row, generate(model, prompt[:1], 4)[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_tokens_come_back_as_int64_behind_an_unchanged_prompt(model, prompt, dtype):
    given_prompt = prompt.astype(dtype)
    sequences = generate(model, given_prompt, 3)
    assert sequences.dtype == np.int64
    np.testing.assert_array_equal(sequences[:, :5], prompt)
    np.testing.assert_array_equal(given_prompt, prompt)
    np.testing.assert_array_equal(generate(model, given_prompt.tolist(), 3), sequences)


@BOTH_WAYS
@BOTH_FUNCTIONS
def test_the_last_position_is_used_and_no_later_one(model, prompt, write, use_cache):
    limit = model.max_seq_len
    with pytest.raises(
        ValueError, match=rf"^5 tokens so far and {limit - 3} new ones exceed max_seq_len={limit}$"
    ):
        write(model, prompt, limit - 3, use_cache=use_cache)
    assert model.shapes == []
    list(write(model, prompt, limit - 4, use_cache=use_cache))
    assert len(model.shapes) == limit - 4


@BOTH_FUNCTIONS
def test_a_prompt_may_fill_the_context_for_one_more_token(model, write, make_tokens):
    prompt = make_tokens(model.config, 1, model.max_seq_len)
    list(write(model, prompt, 1))
    assert len(model.shapes) == 1
    with pytest.raises(
        ValueError, match=r"^48 tokens so far and 2 new ones exceed max_seq_len=48$"
    ):
        write(model, prompt, 2)
    assert len(model.shapes) == 1


NOT_A_PROMPT = "prompt_tokens must have shape (batch, tokens) or (tokens,) and not be empty, got {}"
NOT_TOKENS = "prompt_tokens must be integers from 0 to 60, got {}"
BAD_ARGUMENTS = {
    "scalar prompt": ({"prompt_tokens": 3}, NOT_A_PROMPT.format("()")),
    "three axes": ({"prompt_tokens": [[[1]]]}, NOT_A_PROMPT.format("(1, 1, 1)")),
    "empty prompt": ({"prompt_tokens": []}, NOT_A_PROMPT.format("(0,)")),
    "empty rows": ({"prompt_tokens": [[], []]}, NOT_A_PROMPT.format("(2, 0)")),
    "fractions": ({"prompt_tokens": [0.5]}, NOT_TOKENS.format("float64 from 0.5 to 0.5")),
    "booleans": ({"prompt_tokens": [True]}, NOT_TOKENS.format("bool from True to True")),
    "negative token": ({"prompt_tokens": [-1, 4]}, NOT_TOKENS.format("int64 from -1 to 4")),
    "unknown token": ({"prompt_tokens": [0, 61]}, NOT_TOKENS.format("int64 from 0 to 61")),
    "negative length": (
        {"max_new_tokens": -1},
        "max_new_tokens must be an integer of at least 0, got -1",
    ),
    "fractional length": (
        {"max_new_tokens": 1.5},
        "max_new_tokens must be an integer of at least 0, got 1.5",
    ),
    "length as text": (
        {"max_new_tokens": "3"},
        "max_new_tokens must be an integer of at least 0, got '3'",
    ),
    "negative temperature": (
        {"temperature": -0.1},
        "temperature must be finite and at least 0, got -0.1",
    ),
    "infinite temperature": (
        {"temperature": math.inf},
        "temperature must be finite and at least 0, got inf",
    ),
    "no temperature": (
        {"temperature": math.nan},
        "temperature must be finite and at least 0, got nan",
    ),
    "top_k of zero": ({"top_k": 0}, "top_k must be an integer of at least 1, got 0"),
    "fractional top_k": ({"top_k": 1.5}, "top_k must be an integer of at least 1, got 1.5"),
    "top_p of zero": ({"top_p": 0.0}, "top_p must be above 0 and at most 1, got 0.0"),
    "top_p above one": ({"top_p": 1.1}, "top_p must be above 0 and at most 1, got 1.1"),
    "no top_p": ({"top_p": math.nan}, "top_p must be above 0 and at most 1, got nan"),
}


@BOTH_WAYS
@BOTH_FUNCTIONS
@pytest.mark.parametrize(("kwargs", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_wrong_arguments_are_refused_before_anything_is_computed(
    model, write, use_cache, kwargs, message
):
    arguments = {"prompt_tokens": [1, 2], "max_new_tokens": 3, "use_cache": use_cache} | kwargs
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        write(model, **arguments)
    assert model.shapes == []


def expected_probabilities(logits, temperature, top_k, top_p):
    """The same distribution with Python's numbers, one token after the other."""
    largest = max(logits)
    weights = [math.exp((logit - largest) / temperature) for logit in logits]
    total = math.fsum(weights)
    ranked = sorted(range(len(logits)), key=lambda token: (-logits[token], token))[:top_k]
    kept = []
    reached = 0.0
    mass = math.fsum(weights[token] / total for token in ranked)
    for token in ranked:
        if top_p is not None and reached >= top_p:
            break
        kept.append(token)
        reached += weights[token] / total / mass
    kept_mass = math.fsum(weights[token] for token in kept)
    return [weights[t] / kept_mass if t in kept else 0.0 for t in range(len(logits))]


@given(
    temperature=st.floats(0.2, 5),
    top_k=st.none() | st.integers(1, 12),
    top_p=st.none() | st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_probabilities_against_an_independent_computation(temperature, top_k, top_p, seed):
    logits = np.random.default_rng(seed).normal(0, 3, (3, 9)).astype(np.float32)
    before = logits.copy()
    actual = Sampler(temperature, top_k, top_p).probabilities(logits)
    assert (actual.shape, actual.dtype) == ((3, 9), np.float64)
    for probs, row in zip(actual, logits.tolist(), strict=True):
        np.testing.assert_allclose(
            probs, expected_probabilities(row, temperature, top_k, top_p), atol=1e-12
        )
    np.testing.assert_array_equal(logits, before)


def test_nucleus_is_the_fewest_tokens_that_reach_p():
    logits = np.log(np.array([[0.1, 0.5, 0.15, 0.25]]))
    for top_p, kept in ((0.49, [1]), (0.51, [1, 3]), (0.74, [1, 3]), (0.76, [1, 2, 3])):
        probs = Sampler(1.0, top_p=top_p).probabilities(logits)[0]
        assert np.flatnonzero(probs).tolist() == kept
        assert probs.sum() == pytest.approx(1)


def test_top_k_beyond_the_vocabulary_and_top_p_of_one_change_nothing():
    logits = np.random.default_rng(0).normal(0, 4, (2, 30))
    expected = Sampler(1.0).probabilities(logits)
    np.testing.assert_allclose(Sampler(1.0, top_k=99).probabilities(logits), expected, atol=1e-12)
    np.testing.assert_allclose(Sampler(1.0, top_p=1.0).probabilities(logits), expected, atol=1e-12)


def test_top_k_takes_exactly_k_tokens_when_all_are_equal():
    probs = Sampler(1.0, top_k=3).probabilities(np.zeros((2, 8)))
    assert (probs > 0).sum(axis=1).tolist() == [3, 3]
    np.testing.assert_allclose(probs.max(axis=1), 1 / 3)


def test_top_k_breaks_ties_as_greedy_decoding_does():
    logits = np.zeros((1, 300))
    probs = Sampler(1.0, top_k=3).probabilities(logits)[0]
    assert np.flatnonzero(probs).tolist() == [0, 1, 2]
    assert Sampler()(logits).tolist() == [0]


def test_extreme_logits_do_not_overflow():
    probs = Sampler(0.01).probabilities(np.array([[-3e38, 0.0, 3e38]], np.float32))
    np.testing.assert_array_equal(probs, [[0, 0, 1]])


def test_a_low_temperature_approaches_greedy_and_a_high_one_uniform():
    logits = np.array([[1.0, 3.0, 2.0]])
    np.testing.assert_allclose(Sampler(0.01).probabilities(logits), [[0, 1, 0]], atol=1e-9)
    np.testing.assert_allclose(Sampler(1e6).probabilities(logits), [[1 / 3] * 3], atol=1e-5)


def test_temperature_zero_takes_the_first_of_the_most_likely_tokens():
    tokens = Sampler(0.0, top_k=2, top_p=0.5)(np.array([[0.0, 2.0, 2.0], [5.0, 1.0, 5.0]]))
    assert tokens.tolist() == [1, 0]
    assert tokens.dtype == np.int64


@pytest.mark.parametrize("settings", [{"top_k": 1}, {"top_p": 0.01}], ids=str)
def test_a_choice_of_one_is_greedy_at_any_temperature(model, prompt, settings):
    expected = generate(model, prompt, 6)
    drawn = generate(model, prompt, 6, temperature=4.0, seed=1, **settings)
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 1.0}, [0.1, 0.2, 0.3, 0.4]),
        ({"temperature": 0.5}, [1 / 30, 4 / 30, 9 / 30, 16 / 30]),
        ({"temperature": 1.0, "top_k": 2}, [0, 0, 3 / 7, 4 / 7]),
        ({"temperature": 1.0, "top_p": 0.75}, [0, 2 / 9, 3 / 9, 4 / 9]),
        ({"temperature": 1.0, "top_k": 3, "top_p": 0.75}, [0, 0, 3 / 7, 4 / 7]),
    ],
    ids=str,
)
def test_draws_are_as_frequent_as_they_are_likely(settings, expected):
    num_draws = 4000
    logits = np.tile(np.log(np.array([0.1, 0.2, 0.3, 0.4])), (num_draws, 1))
    tokens = Sampler(**settings, seed=7)(logits)
    frequencies = np.bincount(tokens, minlength=4) / num_draws
    for frequency, probability in zip(frequencies, expected, strict=True):
        deviation = math.sqrt(probability * (1 - probability) / num_draws)
        assert abs(frequency - probability) <= 4 * deviation


@BOTH_WAYS
def test_the_same_seed_draws_the_same_text_and_another_seed_another(model, prompt, use_cache):
    def draw(seed):
        return generate(model, prompt, 12, temperature=3.0, seed=seed, use_cache=use_cache)

    np.testing.assert_array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))
    streamed = np.stack(list(stream(model, prompt, 12, temperature=3.0, seed=1)), axis=1)
    np.testing.assert_array_equal(draw(1)[:, 5:], streamed)


def test_without_a_seed_texts_differ(model, prompt):
    texts = {generate(model, prompt, 12, temperature=5.0).tobytes() for _ in range(3)}
    assert len(texts) == 3


def test_generating_is_silent(model, prompt, capsys):
    generate(model, prompt, 3)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_stop_tokens_must_be_integers(model, prompt):
    with pytest.raises(ValueError, match=r"^stop_tokens must be integers, got \[2\.7\]$"):
        generate(model, prompt, 3, stop_tokens=[2.7])
    assert model.shapes == []
