"""The command ``python -m tinytorch``."""

import os
import subprocess
import sys

import pytest

from tinytorch import generate
from tinytorch.models import load_smollm2

pytestmark = pytest.mark.slow


def ask(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tinytorch", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"} | variables,
    )


@pytest.fixture(scope="module")
def smollm2():
    return load_smollm2()


@pytest.mark.parametrize("option", ["--cache", "--no-cache"])
def test_it_answers_a_question_with_and_without_the_cache(smollm2, option):
    model, tokenizer = smollm2
    prompt = tokenizer.encode_chat("Say hello.")
    answer = generate(model, prompt, 12, stop_tokens=tokenizer.stop_tokens)[len(prompt) :]
    run = ask("Say hello.", option, "--max-new-tokens", "12")
    assert run.returncode == 0
    assert run.stdout == tokenizer.decode(answer, skip_control_tokens=True) + "\n"
    assert f"[{len(prompt)} prompt tokens in " in run.stderr
    assert " tokens/s; " in run.stderr
    assert run.stderr.endswith(
        {"--cache": "with", "--no-cache": "without"}[option] + " KV cache]\n"
    )


def test_raw_text_is_continued(smollm2):
    model, tokenizer = smollm2
    prompt = tokenizer.encode("Once upon a time")
    text = tokenizer.decode(generate(model, prompt, 1)[len(prompt) :])
    run = ask("Once upon a time", "--raw", "--max-new-tokens", "1")
    assert run.stdout == text + "\n"
    assert "tokens/s" not in run.stderr


def test_draws_are_repeatable():
    arguments = ("Tell me a story.", "--temperature", "1.5", "--max-new-tokens", "8", "--seed")
    assert ask(*arguments, "1").stdout == ask(*arguments, "1").stdout
    assert ask(*arguments, "1").stdout != ask(*arguments, "2").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument"),
        (("hello", "--max-new-tokens", "0"), "'--max-new-tokens'"),
        (("hello", "--temperature", "-1"), "'--temperature'"),
        (("hello", "--max-new-tokens", "9000"), "exceed max_seq_len=8192"),
        (("bell \x04", "--raw"), "0x04"),
    ],
)
def test_bad_input_is_explained(arguments, message):
    run = ask(*arguments)
    assert run.returncode != 0
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_without_model_and_network_it_says_what_to_run(tmp_path):
    run = ask(
        "hello",
        TINYTORCH_CACHE=str(tmp_path),
        PIP_NO_INDEX="1",
        PIP_CONFIG_FILE=os.devnull,
        PIP_NO_CACHE_DIR="1",
        PIP_FIND_LINKS="",
    )
    assert run.returncode == 1
    assert "make model" in run.stderr
    assert "Traceback" not in run.stderr
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_the_model_can_be_fetched_alone():
    run = subprocess.run(
        [sys.executable, "-m", "tinytorch.models"], capture_output=True, text=True, check=True
    )
    assert "smollm2-135m-instruct" in run.stdout
