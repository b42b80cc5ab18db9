"""Workloads: drawn as they say, the same for the same seed, and replayed at their times."""

import math
import re

import numpy as np
import pytest

from tests.serving.checks import CheckedEngine
from tinytorch.core import ModelConfig
from tinytorch.generation import generate
from tinytorch.serving import Arrival, make_workload, replay
from tinytorch.serving.workloads import SeededRandom

CONFIG = ModelConfig(
    vocab_size=13, embed_dim=16, num_layers=1, num_heads=2, max_seq_len=96, positions="rope"
)


class Clock:
    """Time that passes only when an engine waits, or when a test says so."""

    def __init__(self):
        self.now = 5.0
        self.waits = []

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def model(make_model):
    return make_model(CONFIG)


def test_the_first_numbers_are_those_of_mulberry32():
    # From the JavaScript of tinytorch/browser/generate.mjs, run in Node.
    random = SeededRandom(0)
    assert [random.uniform() for _ in range(3)] == [
        0.26642920868471265,
        0.0003297457005828619,
        0.2232720274478197,
    ]
    random = SeededRandom(2**32 + 4_000_000_000)
    assert [random.uniform() for _ in range(3)] == [
        0.6919068221468478,
        0.5511944761965424,
        0.666226316941902,
    ]


def test_uniform_numbers_are_uniform():
    random = SeededRandom(1)
    counts = np.bincount([random.integer(0, 9) for _ in range(10_000)], minlength=10)
    assert counts.sum() == 10_000
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 36  # 9 degrees of freedom, p = 4e-5


def test_waiting_times_are_exponential():
    random = SeededRandom(2)
    drawn = sorted(random.exponential() for _ in range(10_000))
    distance = max(abs(i / 10_000 - (1 - math.exp(-x))) for i, x in enumerate(drawn))
    assert distance < 2.2 / math.sqrt(10_000)  # Kolmogorov and Smirnov, p = 1e-4
    assert abs(np.mean(drawn) - 1) < 0.04


def test_lengths_have_their_mean_and_their_limits():
    random = SeededRandom(3)
    lengths = [random.length(20, 1_000) for _ in range(10_000)]
    assert min(lengths) == 1
    assert abs(np.mean(lengths) - 19.5) < 0.8  # rounded down
    assert max(random.length(20, 30) for _ in range(200)) == 30


def test_the_same_seed_draws_the_same_workload():
    first = make_workload(1, 20, 50, rate=2.0, mean_prompt=9)
    assert first == make_workload(1, 20, 50, rate=2.0, mean_prompt=9)
    assert first != make_workload(2, 20, 50, rate=2.0, mean_prompt=9)
    times = [arrival.time for arrival in first]
    assert times == sorted(times)
    assert abs(times[-1] - 10) < 4 * math.sqrt(20) / 2


def test_chats_begin_with_one_of_the_system_prompts_and_turns_follow_each_other():
    workload = make_workload(
        4, 12, 50, num_system_prompts=2, system_length=10, num_turns=3, max_prompt=7, max_answer=5
    )
    assert len(workload) == 36
    starts = {arrival.prompt[:10] for arrival in workload if arrival.follows is None}
    assert len(starts) == 2
    for i, arrival in enumerate(workload):
        assert arrival.follows == (i - 1 if i % 3 else None)
        own = len(arrival.prompt) - (0 if i % 3 else 10)
        assert 1 <= own <= 7
        assert 1 <= arrival.max_new_tokens <= 5
        assert all(0 <= token < 50 for token in arrival.prompt)


def test_requests_are_sent_at_their_times(model):
    clock = Clock()
    engine = CheckedEngine(model, num_blocks=40, block_size=4, clock=clock)
    workload = [Arrival(3.0, (1, 2), 4), Arrival(1.0, (3,), 2), Arrival(2.0, (4,), 3, follows=1)]
    served = replay(engine, workload, clock.wait)
    assert [request.arrived_at - 5 for request in served] == [3.0, 1.0, 3.0]
    assert clock.waits == [1.0, 2.0]
    first_turn = served[1].tokens
    assert first_turn == generate(model, [3], 2).tolist()
    assert served[2].prompt == [*first_turn, 4]
    for request in served:
        expected = generate(model, request.prompt, request.max_new_tokens)
        assert request.tokens == expected.tolist()


def test_chats_find_their_own_past(model):
    clock = Clock()
    engine = CheckedEngine(model, num_blocks=100, block_size=4, clock=clock)
    workload = make_workload(
        1, 3, 13, num_turns=3, num_system_prompts=1, system_length=20, max_prompt=6, max_answer=6
    )
    served = replay(engine, workload, clock.wait, temperature=1.0, seed=2)
    for arrival, request in zip(workload, served, strict=True):
        if arrival.follows is not None:
            cached = len(served[arrival.follows].tokens) - 1
            assert request.num_found == cached // 4 * 4
        elif request is not served[0]:
            assert request.num_found >= 20
        text = generate(model, request.prompt, request.max_new_tokens, temperature=1.0, seed=2)
        assert request.tokens == text.tolist()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_chats": 0}, "num_chats must be an integer of at least 1, got 0"),
        ({"num_turns": 0}, "num_turns must be an integer of at least 1, got 0"),
        ({"num_system_prompts": 1}, "system_length must be an integer of at least 1, got 0"),
        ({"rate": 0.0}, "rate=0.0 must be above 0"),
        ({"mean_prompt": math.nan}, "rate=1.0 must be above 0, mean_pause=1.0 at least 0"),
    ],
    ids=str,
)
def test_sizes_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make_workload(**{"seed": 0, "num_chats": 2, "vocab_size": 9} | kwargs)
