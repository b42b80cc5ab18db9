"""Workloads on SmolLM2 against what transformers and llama.cpp wrote for each prompt alone.

The prompts are short ones of `tests/models/reference_smollm2.json`. Most are chats, which begin
alike, and a workload repeats one or two, so that they are known whole.
"""

import json
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.checks import CheckedEngine, ReplayedEvents, check_scheduler
from tinytorch.generation import generate
from tinytorch.models import load_smollm2
from tinytorch.serving import Engine, speculate

pytestmark = pytest.mark.slow
REFERENCE = Path(__file__).parents[1] / "models" / "reference_smollm2.json"
PROMPTS = {
    prompt["name"]: prompt
    for prompt in json.loads(REFERENCE.read_text(encoding="utf-8"))["prompts"]
}
SHORT = [name for name, prompt in PROMPTS.items() if len(prompt["prompt_tokens"]) <= 48]
CHATS = [name for name in SHORT if PROMPTS[name]["chat"]]


@pytest.fixture(scope="module")
def model():
    return load_smollm2()[0]


@st.composite
def workloads(draw):
    names = st.sampled_from(
        draw(st.lists(st.sampled_from([*SHORT, *CHATS]), min_size=1, max_size=2))
    )
    requests = draw(
        st.lists(st.tuples(st.integers(0, 2), names, st.integers(1, 5)), min_size=2, max_size=4)
    )
    block_size = draw(st.sampled_from([4, 4, 6, 14, 16]))
    needed = max(-(-(len(PROMPTS[n]["prompt_tokens"]) + 4) // block_size) for _, n, _ in requests)
    return requests, {
        "num_blocks": needed + draw(st.integers(0, 2 * needed)),
        "block_size": block_size,
        "max_tokens_per_step": draw(st.sampled_from([8, 24, 100])),
        "max_running": draw(st.integers(1, 4)),
        "policy": draw(st.sampled_from(["continuous", "continuous", "static"])),
        "max_drafts": draw(st.sampled_from([0, 0, 3])),
    }


def test_fifty_workloads_equal_the_reference(model):
    seen = set()

    @settings(max_examples=50)
    @given(workloads())
    def check(workload):
        requests, options = workload
        replayed = ReplayedEvents()
        engine = Engine(model, **options, on_event=replayed)
        added, step = {}, 0
        while len(added) < len(requests) or engine.has_work:
            for index, (arrives, name, count) in enumerate(requests):
                if index not in added and arrives <= step:
                    added[index] = engine.add_request(PROMPTS[name]["prompt_tokens"], count)
            engine.step()
            check_scheduler(engine.scheduler, replayed)
            step += 1
        for index, (_, name, count) in enumerate(requests):
            assert added[index].new_tokens == PROMPTS[name]["new_tokens"][:count]
        assert engine.scheduler.pool.num_free == options["num_blocks"]
        seen.update(event["event"] for event in replayed.events)

    check()
    assert seen >= {"share", "preempt", "copy", "finish"}


def test_drawn_texts_equal_those_drawn_alone(model):
    engine = CheckedEngine(model, num_blocks=16, block_size=16, max_tokens_per_step=30)
    served = {
        name: engine.add_request(PROMPTS[name]["prompt_tokens"], 12, temperature=0.8, seed=1)
        for name in ("sky", "cache", "reverse", "german")
    }
    engine.run()
    for name, request in served.items():
        prompt = PROMPTS[name]["prompt_tokens"]
        assert request.tokens == generate(model, prompt, 12, temperature=0.8, seed=1).tolist()


@pytest.mark.parametrize(("name", "num_passes"), [("html", 12), ("history", 25), ("sky", 48)])
def test_speculation_writes_the_reference_in_fewer_passes(model, name, num_passes):
    passes = list(speculate(model, PROMPTS[name]["prompt_tokens"], 48, max_drafts=4))
    assert list(chain(*passes)) == PROMPTS[name]["new_tokens"]
    assert len(passes) == num_passes  # counted by hand in the reference: it fixes every draft
