import json

import numpy as np
import pytest

from tinytorch import count_operations, generate
from tinytorch.analysis import trace_generation
from tinytorch.models import load_smollm2


@pytest.fixture(scope="module")
def smollm2():
    return load_smollm2()


@pytest.fixture(scope="module")
def records(smollm2):
    return trace_generation(*smollm2, "The café serves crème brûlée and 🍰", 12)


def test_tokens_and_text_are_those_of_generate(smollm2, records):
    model, tokenizer = smollm2
    prompt = tokenizer.encode("The café serves crème brûlée and 🍰")
    new = generate(model, prompt, 12)[len(prompt) :]
    assert [record["token"] for record in records] == new.tolist()
    assert "".join(record["text"] for record in records) == tokenizer.decode(new)


def test_the_cache_grows_by_one_token_a_step(smollm2, records):
    _, tokenizer = smollm2
    prompt_length = len(tokenizer.encode("The café serves crème brûlée and 🍰"))
    for step, record in enumerate(records):
        assert record["step"] == step
        assert record["seq_pos"] == prompt_length + step
        assert record["cache_bytes"] == record["seq_pos"] * 2 * 30 * 3 * 64 * 4
        assert record["ms"] > 0


def test_operations_without_a_cache_are_what_an_uncached_pass_counts(smollm2, records):
    model, _ = smollm2
    for record in records[:: len(records) // 3]:
        with count_operations() as count:
            model.forward(np.ones((1, record["seq_pos"]), dtype=int), last_only=True)
        assert record["operations_without_cache"] == count.total


def test_only_the_prefill_costs_as_much_with_a_cache_as_without(records):
    assert records[0]["operations_with_cache"] == records[0]["operations_without_cache"]
    for record in records[1:]:
        assert record["operations_with_cache"] < record["operations_without_cache"] / 5


def test_time_without_a_cache_is_noted_on_request(smollm2, records):
    timed = trace_generation(*smollm2, "Hello", 3, time_without_cache=True)
    assert all(record["ms_without_cache"] > 0 for record in timed)
    assert "ms_without_cache" not in records[0]


def test_progress_is_shown_on_request(smollm2, capsys):
    trace_generation(*smollm2, "Hello", 1)
    assert capsys.readouterr().err == ""
    trace_generation(*smollm2, "Hello", 1, progress=True)
    assert "with a cache" in capsys.readouterr().err


def test_records_survive_json(records):
    assert json.loads(json.dumps(records)) == records


def test_a_run_ends_at_a_stop_token(smollm2):
    model, tokenizer = smollm2
    prompt = tokenizer.encode_chat("Answer with one word: what is the capital of France?")
    records = trace_generation(model, tokenizer, prompt, 60)
    assert len(records) < 60
    assert records[-1]["token"] in tokenizer.stop_tokens
    assert records[-1]["text"] == ""


def test_no_steps_give_no_records(smollm2):
    assert trace_generation(*smollm2, "Hello", 0) == []
