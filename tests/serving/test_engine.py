"""Whatever the engine does at once, each request gets the tokens of `generate` alone."""

import re
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.checks import CheckedEngine
from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import enable_kv_cache, generate, get_kv_cache
from tinytorch.serving import Engine

TINY = {"vocab_size": 13, "embed_dim": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 48}
LLAMA = {"norm": "rmsnorm", "positions": "rope", "mlp": "swiglu", "bias": False}
STYLES = {
    "gpt2": ModelConfig(**TINY),
    "llama-grouped": ModelConfig(**TINY | LLAMA | {"num_kv_heads": 2}),
    "llama-multi-query": ModelConfig(**TINY | LLAMA | {"num_kv_heads": 1, "num_layers": 1}),
}


class FailingGPT(GPT):
    """Fails in the given passes, after it has written keys and values."""

    failing = ()
    num_passes = 0

    def forward(self, tokens, positions=None, *, last_only=False):
        logits = super().forward(tokens, positions, last_only=last_only)
        self.num_passes += 1
        if self.num_passes in self.failing:
            raise InterruptedError(f"pass {self.num_passes}")
        return logits


class StepClock:
    """Counts passes of a model as seconds."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds

    def model(self, model):
        forward = model.forward

        def timed(*args, **kwargs):
            self.now += 1
            return forward(*args, **kwargs)

        model.forward = timed
        return model


@pytest.fixture(scope="module", params=STYLES.values(), ids=STYLES)
def tiny_model(request, make_model):
    return make_model(request.param, cls=FailingGPT)


@pytest.fixture
def model(make_model):
    return make_model(STYLES["llama-grouped"])


BEGINNINGS = np.random.default_rng(0).integers(0, 13, (3, 24)).tolist()


@st.composite
def requests(draw):
    """A prompt that may begin or even end as others do, and settings."""
    begin, end = draw(st.sampled_from(BEGINNINGS)), draw(st.lists(st.integers(0, 2), max_size=4))
    return {
        "arrives": draw(st.integers(0, 10)),
        "prompt": (begin[: draw(st.integers(0, 24))] + end) or [1],
        "max_new_tokens": draw(st.integers(1, 12)),
        "temperature": draw(st.sampled_from([0.0, 0.0, 1.0, 2.5])),
        "top_k": draw(st.sampled_from([None, 4])),
        "seed": draw(st.integers(0, 3)),
        "stop_tokens": draw(st.sampled_from([(), (3, 7)])),
        "cancelled_after": draw(st.sampled_from([None, None, None, 0, 2, 5])),
    }


@st.composite
def workloads(draw):
    sent = draw(st.lists(requests(), min_size=1, max_size=6))
    block_size = draw(st.integers(1, 8))
    needed = max(-(-(len(one["prompt"]) + one["max_new_tokens"] - 1) // block_size) for one in sent)
    max_running = draw(st.integers(1, 5))
    return sent, {
        "num_blocks": needed + draw(st.integers(0, 12)),
        "block_size": block_size,
        "max_running": max_running,
        "max_tokens_per_step": draw(st.integers(max_running, 40)),
        "policy": draw(st.sampled_from(["continuous", "continuous", "static"])),
        "share_prefixes": draw(st.sampled_from([True, True, False])),
        "reserve_longest": draw(st.sampled_from([False, False, True])),
        "max_drafts": draw(st.sampled_from([0, 0, 1, 4])),
    }


def sampling(one):
    return {name: one[name] for name in ("temperature", "top_k", "seed", "stop_tokens")}


def alone(model, one):
    return generate(model, one["prompt"], one["max_new_tokens"], **sampling(one)).tolist()


def add(engine, one):
    return engine.add_request(one["prompt"], one["max_new_tokens"], **sampling(one))


def serve(engine, sent):
    """Run a workload step by step; return the requests in the order sent."""
    added, step = {}, 0
    while len(added) < len(sent) or engine.has_work:
        for index, one in enumerate(sent):
            if index not in added and one["arrives"] <= step:
                added[index] = add(engine, one)
            cancelled_after = one["cancelled_after"]
            if cancelled_after is not None and step == one["arrives"] + cancelled_after:
                engine.cancel(added[index])
        try:
            engine.step()
        except InterruptedError:
            assert engine.scheduler.running == []
        step += 1
    return [added[index] for index in range(len(sent))]


def check_workload(model, workload, failing=()):
    """Compare with `generate`; return the names of the events seen."""
    sent, settings = workload
    engine = CheckedEngine(model, **settings)
    model.failing, model.num_passes = failing, 0
    served = serve(engine, sent)
    model.failing = ()
    for one, request in zip(sent, served, strict=True):
        expected = alone(model, one)
        if request.status == "cancelled":
            assert request.tokens == expected[: len(request.tokens)]
        else:
            assert (request.status, request.tokens) == ("finished", expected)
    assert engine.scheduler.pool.num_free == settings["num_blocks"]
    return {event["event"] for event in engine.replayed.events}


def test_tokens_equal_those_of_generate_alone(tiny_model):
    seen = set()

    @settings(max_examples=220)
    @given(workloads())
    def check(workload):
        seen.update(check_workload(tiny_model, workload))

    check()
    assert seen >= {"share", "copy", "preempt", "cancel", "finish"}


@settings(max_examples=80)
@given(workload=workloads(), failing=st.sets(st.integers(1, 12), min_size=1, max_size=4))
def test_passes_that_fail_lose_nothing(tiny_model, workload, failing):
    check_workload(tiny_model, workload, failing)


def test_a_failed_draw_is_drawn_again(model, monkeypatch):
    engine = CheckedEngine(model, num_blocks=10, block_size=4)
    served = [engine.add_request([1, 2, i], 6, temperature=2.0, seed=i) for i in range(2)]
    engine.step()

    def interrupt(logits):
        raise KeyboardInterrupt

    monkeypatch.setattr(served[1].sampler, "probabilities", interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.step()
    monkeypatch.undo()
    engine.run()
    for i, request in enumerate(served):
        expected = generate(model, [1, 2, i], 6, temperature=2.0, seed=i)
        assert request.tokens == expected.tolist()


def test_streams_take_turns_and_each_gets_its_own_text(model):
    engine = CheckedEngine(model, num_blocks=20, block_size=4)
    texts = [[1, 2, 3], [4, 5, 6, 7], [1, 2]]
    streams = [engine.stream(engine.add_request(text, 6)) for text in texts]
    columns = list(zip(*streams, strict=True))
    for text, written in zip(texts, zip(*columns, strict=True), strict=True):
        assert [*text, *written] == generate(model, text, 6).tolist()
    assert engine.metrics.num_steps == 6


def test_a_stream_may_begin_late(model):
    engine = CheckedEngine(model, num_blocks=20, block_size=4)
    request = engine.add_request([1, 2, 3], 6)
    engine.run()
    assert list(engine.stream(request)) == generate(model, [1, 2, 3], 6)[3:].tolist()


def test_closing_a_stream_cancels_its_request_only(model):
    engine = CheckedEngine(model, num_blocks=20, block_size=4)
    first, second = engine.add_request([1, 2, 3], 6), engine.add_request([4, 5], 6)
    stream = engine.stream(first)
    next(stream)
    stream.close()
    assert (first.status, len(first.new_tokens)) == ("cancelled", 1)
    engine.run()
    assert second.tokens == generate(model, [4, 5], 6).tolist()
    assert not engine.has_work


def test_step_tells_what_came_out(model):
    engine = CheckedEngine(model, num_blocks=20, block_size=4, max_tokens_per_step=4, max_running=4)
    first, second = engine.add_request([1, 2, 3], 2), engine.add_request([4, 5], 1)
    new = [generate(model, [1, 2, 3], 2)[3:].tolist(), generate(model, [4, 5], 1)[2:].tolist()]
    assert engine.step() == [(first, new[0][:1])]
    assert engine.step() == [(first, new[0][1:]), (second, new[1])]
    assert engine.step() == []


def test_the_model_keeps_its_own_cache(model):
    cache = enable_kv_cache(model)
    model.forward([[1, 2]])
    engine = CheckedEngine(model, num_blocks=20, block_size=4)
    engine.add_request([1, 2, 3], 3)
    engine.run()
    assert get_kv_cache(model) is cache
    assert cache.seq_pos == 2


def test_times_are_those_of_the_clock(make_model):
    clock = StepClock()
    model = clock.model(make_model(STYLES["gpt2"]))
    engine = CheckedEngine(model, num_blocks=30, block_size=4, max_running=1, clock=clock)
    first = engine.add_request([1, 2, 3], 5)
    second = engine.add_request([4, 5, 6], 3)
    third = engine.add_request([1], 1)
    assert (second.waiting_time, second.time_to_first_token) == (None, None)
    clock.now += 10
    engine.run()
    assert (first.waiting_time, first.time_to_first_token, first.time_per_token) == (10, 11, 1)
    assert (second.waiting_time, second.time_to_first_token, second.time_per_token) == (15, 16, 1)
    assert (third.waiting_time, third.time_to_first_token, third.time_per_token) == (18, 19, None)
    assert engine.metrics.tokens_per_second == 9 / 19


def test_metrics_in_closed_form(model):
    engine = CheckedEngine(model, num_blocks=30, block_size=4, max_running=2)
    text = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    engine.add_request(text, 3)
    engine.step()
    engine.add_request([*text[:8], 0], 2)
    engine.run()
    metrics = engine.metrics
    # Passes: 10; then 1 and 1 (8 of 9 are found); then 1 and 1.
    assert (metrics.num_steps, metrics.num_computed, metrics.num_generated) == (3, 14, 5)
    assert (metrics.num_prompt, metrics.num_found) == (19, 8)
    assert metrics.found_prefix == 8 / 19
    # Slots: 3 blocks; then 4 blocks, 2 of them shared; and again.
    assert (metrics.num_filled, metrics.num_slots) == (10 + (11 + 1) + (12 + 2), 12 + 16 + 16)
    assert metrics.useful_memory == 36 / 44


def test_drafts_are_counted_and_save_passes(model):
    prompt = [1, 2, 3, 1, 2, 3, 1, 2]
    engine = CheckedEngine(model, num_blocks=30, block_size=4, max_drafts=4)
    request = engine.add_request(prompt, 24)
    engine.run()
    assert request.tokens == generate(model, prompt, 24).tolist()
    metrics = engine.metrics
    assert metrics.num_steps + metrics.num_accepted == 24
    assert metrics.num_computed == len(prompt) + metrics.num_steps - 1 + metrics.num_drafted
    assert 0 < metrics.num_accepted <= metrics.num_drafted
    assert metrics.accepted_drafts == metrics.num_accepted / metrics.num_drafted


def test_static_batching_counts_its_idle_places(model):
    engine = CheckedEngine(model, num_blocks=30, block_size=4, max_running=3, policy="static")
    for length in (2, 6, 3, 1):
        engine.add_request([1, 2, 3], length)
    engine.run()
    # Of 6 steps with 3 places: 4 and 3 idle. The last request has its batch to itself.
    assert (engine.metrics.num_idle_rows, engine.metrics.num_steps) == (7, 7)
    engine = CheckedEngine(model, num_blocks=30, block_size=4, max_running=3)
    engine.add_request([1, 2, 3], 2)
    engine.run()
    assert engine.metrics.num_idle_rows == 0


def test_nothing_to_do_changes_nothing(model):
    engine = CheckedEngine(model, num_blocks=30)
    before = asdict(engine.metrics)
    engine.run()
    assert engine.step() == []
    assert asdict(engine.metrics) == before
    metrics = engine.metrics
    shares = (metrics.tokens_per_second, metrics.useful_memory, metrics.found_prefix)
    assert (shares, metrics.accepted_drafts) == ((0, 0, 0), 0)


BAD_REQUESTS = {
    "two texts": ({"prompt_tokens": [[1], [2]]}, "prompt_tokens must have shape (T,), got (2, 1)"),
    "empty": ({"prompt_tokens": []}, "prompt_tokens must have shape (batch, tokens) or (tokens,)"),
    "unknown token": ({"prompt_tokens": [13]}, "prompt_tokens must be integers from 0 to 12"),
    "nothing new": ({"max_new_tokens": 0}, "max_new_tokens must be an integer of at least 1"),
    "too long": ({"max_new_tokens": 48}, "2 tokens so far and 48 new ones exceed max_seq_len=48"),
    "too large": (
        {"max_new_tokens": 24},
        "2 prompt tokens and 24 new ones need 7 blocks, there are 6",
    ),
    "temperature": ({"temperature": -1}, "temperature must be finite and at least 0, got -1"),
    "stop tokens": ({"stop_tokens": [0.5]}, "stop_tokens must be integers, got [0.5]"),
}


@pytest.mark.parametrize(("kwargs", "message"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_requests_are_refused_and_others_go_on(model, kwargs, message):
    engine = CheckedEngine(model, num_blocks=6, block_size=4)
    request = engine.add_request([1, 2], 3)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        engine.add_request(**{"prompt_tokens": [1, 2], "max_new_tokens": 3} | kwargs)
    engine.run()
    assert request.tokens == generate(model, [1, 2], 3).tolist()
    assert len([e for e in engine.replayed.events if e["event"] == "arrive"]) == 1


@pytest.mark.parametrize("max_drafts", [-1, 1.5, True], ids=str)
def test_drafts_must_be_a_count(model, max_drafts):
    with pytest.raises(ValueError, match=r"^max_drafts must be an integer of at least 1"):
        Engine(model, 10, max_drafts=max_drafts)
