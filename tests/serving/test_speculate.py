"""Speculation changes how many passes a text takes, and nothing of the text."""

import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import Sampler, generate
from tinytorch.serving import prompt_lookup, speculate, verify

TINY = ModelConfig(
    vocab_size=7,
    embed_dim=16,
    num_layers=2,
    num_heads=2,
    max_seq_len=64,
    norm="rmsnorm",
    positions="rope",
)
LOOPING = [1, 2, 3, 1, 2, 3, 1, 2]


class CountingGPT(GPT):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.lengths = []

    def forward(self, tokens, positions=None, *, last_only=False):
        self.lengths.append(np.shape(tokens)[1])
        return super().forward(tokens, positions, last_only=last_only)


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(TINY, cls=CountingGPT)


def chi_square_bound(degrees):
    """Wilson and Hilferty's approximation of the quantile at four standard deviations."""
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + 4 * math.sqrt(spread)) ** 3


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([5, 1, 2, 7, 8, 9, 1, 2], [7, 8, 9]),
        ([1, 2, 7, 1, 2, 8, 8, 1, 2], [8, 8, 1]),
        ([3, 3, 3], [3]),
        ([1, 2, 3, 4], []),
        ([1, 2, 5, 2], []),
        ([4], []),
        ([4, 4], []),
    ],
    ids=str,
)
def test_a_text_is_looked_up_in_itself(tokens, expected):
    assert prompt_lookup(tokens, 3) == expected


@given(tokens=st.lists(st.integers(0, 2), max_size=30), max_drafts=st.integers(0, 5))
def test_lookup_against_a_search_in_text(tokens, max_drafts):
    text = "".join(map(str, tokens))
    start = text.rfind(text[-2:], 0, len(text) - 1) if len(text) > 2 else -1
    expected = [] if start < 0 else tokens[start + 2 :][:max_drafts]
    assert prompt_lookup(tokens, max_drafts) == expected


@settings(max_examples=150)
@given(
    prompt=st.lists(st.integers(0, 6), min_size=1, max_size=20),
    max_new_tokens=st.integers(0, 25),
    max_drafts=st.integers(1, 6),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    top_p=st.sampled_from([None, 0.8]),
    stop_tokens=st.sampled_from([(), (4,), (0, 5)]),
    seed=st.integers(0, 9),
)
def test_the_text_is_that_of_generate(
    model, prompt, max_new_tokens, max_drafts, temperature, top_p, stop_tokens, seed
):
    sampling = {
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
        "stop_tokens": stop_tokens,
    }
    written = speculate(model, prompt, max_new_tokens, max_drafts=max_drafts, **sampling)
    expected = generate(model, prompt, max_new_tokens, **sampling)
    assert [*prompt, *itertools.chain(*written)] == expected.tolist()


def test_a_text_that_repeats_takes_fewer_passes(model):
    model.lengths.clear()
    written = list(speculate(model, LOOPING, 30, max_drafts=4))
    assert len(model.lengths) == len(written) < 25
    assert model.lengths[0] == len(LOOPING)
    assert all(length <= 5 for length in model.lengths[1:])
    assert max(len(tokens) for tokens in written) > 1


def test_no_more_is_computed_than_may_be_written(model):
    model.lengths.clear()
    room = TINY.max_seq_len - len(LOOPING) + 1
    assert sum(len(tokens) for tokens in speculate(model, LOOPING, room, max_drafts=6)) == room


@pytest.mark.parametrize(
    ("drafts", "stop_tokens", "expected"),
    [
        ([2, 0, 1], (), [2, 0, 1, 3]),
        ([2, 1, 1], (), [2, 0]),
        ([1, 0, 1], (), [2]),
        ([2, 0, 1], (0,), [2, 0]),
        ([2, 0, 1], (1, 3), [2, 0, 1]),
        ([], (), [2]),
    ],
    ids=str,
)
def test_right_drafts_are_kept_up_to_a_stop_token(drafts, stop_tokens, expected):
    logits = np.eye(4)[[2, 0, 1, 3]][: len(drafts) + 1]  # the model goes on with 2, 0, 1, 3
    assert verify(Sampler(), logits, drafts, stop_tokens) == expected


@pytest.mark.parametrize("draft", [0, 3])
def test_verified_draws_are_as_frequent_as_they_are_likely(draft):
    probs = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.25] * 4])
    sampler, num_draws, drafts = Sampler(1.0, seed=3), 4_000, [draft, 1]
    counts = Counter(tuple(verify(sampler, np.log(probs), drafts)) for _ in range(num_draws))
    expected = {}
    for first in range(4):
        if first != draft:
            expected[(first,)] = probs[0, first]
            continue
        for second in range(4):
            here = probs[0, first] * probs[1, second]
            if second != 1:
                expected[first, second] = here
            else:
                expected |= {(first, second, third): here / 4 for third in range(4)}
    assert math.isclose(sum(expected.values()), 1)
    assert set(counts) <= set(expected)
    statistic = sum(
        (counts[text] - num_draws * p) ** 2 / (num_draws * p) for text, p in expected.items()
    )
    assert statistic < chi_square_bound(len(expected) - 1)


def test_texts_are_as_frequent_as_the_model_makes_them(make_model):
    config = ModelConfig(
        vocab_size=3, embed_dim=8, num_layers=1, num_heads=2, max_seq_len=12, positions="rope"
    )
    model, prompt, num_draws = make_model(config), [0, 1, 0, 1], 1_500
    expected = {}
    for text in itertools.product(range(3), repeat=3):
        logits = model.forward([[*prompt, *text[:-1]]])[0, len(prompt) - 1 :]
        probs = np.exp(logits.astype(float) / 2)
        probs /= probs.sum(axis=1, keepdims=True)
        expected[text] = math.prod(probs[i, token] for i, token in enumerate(text))
    assert math.isclose(sum(expected.values()), 1, rel_tol=1e-5)
    draws = Counter(
        tuple(itertools.chain(*speculate(model, prompt, 3, temperature=2.0, seed=seed)))
        for seed in range(num_draws)
    )
    statistic = sum(
        (draws[text] - num_draws * p) ** 2 / (num_draws * p) for text, p in expected.items()
    )
    assert min(expected.values()) * num_draws > 3
    assert statistic < chi_square_bound(len(expected) - 1)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"max_drafts": 0}, "max_drafts must be an integer of at least 1, got 0"),
        ({"prompt_tokens": [[1]]}, "prompt_tokens must have shape (T,), got (1, 1)"),
        ({"max_new_tokens": 64}, "2 tokens so far and 64 new ones exceed max_seq_len=64"),
        ({"temperature": -1.0}, "temperature must be finite and at least 0, got -1.0"),
        ({"stop_tokens": [0.5]}, "stop_tokens must be integers, got [0.5]"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_when_called(model, kwargs, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        speculate(model, **{"prompt_tokens": [1, 2], "max_new_tokens": 3} | kwargs)
