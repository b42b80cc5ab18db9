"""What the benchmark of the browser asks, and the table that it prints."""

import pytest

from benchmarks.browser import IMPLEMENTATIONS, PROMPT_LENGTHS, prompt_of, table
from tinytorch.models import load_smollm2


@pytest.fixture(scope="module")
def tokenizer():
    return load_smollm2()[1]


def test_prompts_have_their_length_and_no_common_beginning(tokenizer):
    prompts = [
        prompt_of(tokenizer, length, turn) for length in PROMPT_LENGTHS for turn in range(13)
    ]
    for prompt in prompts:
        assert len(prompt["ids"]) in PROMPT_LENGTHS
        assert tokenizer.encode(prompt["text"]).tolist() == prompt["ids"]
    assert len({prompt["ids"][0] for prompt in prompts}) == len(prompts)


def test_the_table_compares_each_time_with_ours():
    names = list(IMPLEMENTATIONS)
    times = {
        name: {"64": {"median": 10.0 * (i + 1), "low": 9.0, "high": 50.0}}
        for i, name in enumerate(names)
    }
    first = {"prompt_tokens": 21, "ms": {"median": 512.4, "low": 500.0, "high": 600.0}}
    written = table({"prefill_ms": times, "decode_ms": times, "first_token": first})
    *lines, _, sentence = written.splitlines()[2:]
    assert "21 tokens of prompt" in sentence
    assert sentence.endswith("512 ms.")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[:2] for row in cells[:3]] == [["prefill of 64", name] for name in names]
    assert [row[0] for row in cells[3:]] == ["a token after 64"] * 3
    assert [row[4] for row in cells] == ["1.00", "2.00", "3.00"] * 2
