"""A mutation of the engine's book-keeping is caught: texts differ, it refuses, or it never ends.

Most are mistakes of real servers, see `book/bugs.md`. Each is put into a copy of the source, and
the function with it takes the place of the right one.
"""

import importlib
from operator import attrgetter

import pytest

from tests.conftest import LLAMA, random_weights
from tests.generation.test_mutations import attend_to, mutate
from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import generate
from tinytorch.serving import Engine

FIRST = list(range(10, 22))  # three blocks of four
OTHER = list(range(30, 54))  # with its answer, all eight blocks
SHORT = [5, 6, 7, 8, 9, 9, 8, 7]
MISLEADING = [39, 39, 39, 5, 6, 49, 5, 10, 14, 39]  # its answer is guessed wrongly
WAVES = (
    [FIRST],
    [FIRST],  # known whole
    [SHORT],
    [SHORT[:4] + FIRST[4:]],  # blocks with known tokens, behind others
    [FIRST, FIRST],  # two that write behind the same block
    [OTHER],
    [FIRST, MISLEADING],  # after others have used all blocks
)
NUM_NEW = 6


@pytest.fixture(scope="module")
def model():
    config = ModelConfig(**LLAMA)
    return GPT(config, weights=random_weights(config))


def check_engine(model):
    """Compare what an engine writes, wave after wave, with each text alone."""
    engine = Engine(
        model, num_blocks=8, block_size=4, max_tokens_per_step=8, max_running=2, max_drafts=3
    )
    for wave in WAVES:
        requests = [engine.add_request(prompt, NUM_NEW) for prompt in wave]
        for _ in range(200):
            if not engine.has_work:
                break
            engine.step()
        assert not engine.has_work, "a request does not end"
        for prompt, request in zip(wave, requests, strict=True):
            assert request.tokens == generate(model, prompt, NUM_NEW).tolist(), "texts differ"


MUTATIONS = {
    "a_block_is_found_by_the_text_that_was_in_it": (
        "blocks.BlockPool.forget",
        ("del self._known[text_hash]", "pass"),
        "texts differ|shared or known",
    ),
    "a_text_that_is_known_whole_has_nothing_to_compute": (
        "prefix.known_beginning",
        ("num_tokens - 1)", "num_tokens)"),
        "does not end",
    ),
    "a_hash_of_its_own_tokens_alone": (
        "prefix.extend_hashes",
        ('(hashes[-1] if hashes else b"") + own', "own"),
        "texts differ",
    ),
    "no_copy_on_write": (
        "blocks.BlockTable._shared",
        ("> 1]", "> 10**6]"),
        "shared or known",
    ),
    "positions_start_again_in_each_pass": (
        "paged_cache.ragged_batch",
        ("np.arange(table.seq_pos, stop)", "np.arange(count)"),
        "texts differ",
    ),
    "wrong_drafts_stay_in_the_cache": (
        "scheduler.Scheduler._commit_chunk",
        ("table.advance(len(chunk.tokens) - num_wrong)", "table.advance(len(chunk.tokens))"),
        "texts differ|does not end",
    ),
}
IMPORTED_BY = {"known_beginning": "scheduler", "extend_hashes": "scheduler"}


@pytest.mark.parametrize(
    ("function", "change", "problem"), MUTATIONS.values(), ids=MUTATIONS.keys()
)
def test_a_mutation_is_noticed(model, monkeypatch, function, change, problem):
    module_name, _, path = function.partition(".")
    mutant = mutate(importlib.import_module(f"tinytorch.serving.{module_name}"), change)
    user = f"tinytorch.serving.{IMPORTED_BY.get(path, module_name)}.{path}"
    monkeypatch.setattr(user, attrgetter(path)(mutant))
    with pytest.raises((AssertionError, ValueError), match=problem):
        check_engine(model)


def test_a_prefill_that_sees_the_future_is_noticed(model, monkeypatch):
    attend = attend_to(lambda i, j, num_queries, num_keys: j >= 0)
    monkeypatch.setattr("tinytorch.serving.paged_cache.attend", attend)
    with pytest.raises(AssertionError, match="texts differ"):
        check_engine(model)


def test_without_a_mutation_nothing_is_noticed(model):
    check_engine(model)
