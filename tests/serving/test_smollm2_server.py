"""Real clients stream from SmolLM2, served by a process of its own."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading

import openai
import pytest

from tests.serving.servers import (
    CURL,
)
from tinytorch.generation import generate
from tinytorch.models import load_smollm2

pytestmark = pytest.mark.slow
SMOLLM2 = "SmolLM2-135M-Instruct"
QUESTION = [{"role": "user", "content": "Why is the sky blue? Answer with an emoji."}]


@pytest.fixture(scope="module")
def smollm2():
    return load_smollm2()


@pytest.fixture(scope="module")
def smollm2_url():
    command = [sys.executable, "-m", "tinytorch.serving", "--port", "0", "--num-blocks", "64"]
    limits = ["--max-prompt-tokens", "512", "--max-new-tokens", "256"]
    with subprocess.Popen([*command, *limits], stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                found = re.search(r"running on (http://127\.0\.0\.1:\d+)", line)
                if found:
                    break
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield found[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def client(smollm2_url):
    with openai.OpenAI(base_url=f"{smollm2_url}/v1", api_key="any", max_retries=0) as client:
        yield client


def answer_alone(smollm2, prompt, count):
    model, tokenizer = smollm2
    tokens = generate(model, prompt, count, stop_tokens=tokenizer.stop_tokens)[len(prompt) :]
    return tokenizer.decode(tokens, skip_control_tokens=True), len(tokens)


def curl(url, body):
    command = [*CURL, "-d", json.dumps(body), url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_openai_streams_what_generate_writes(client, smollm2):
    text, count = answer_alone(smollm2, smollm2[1].encode_chat(QUESTION), 40)
    with client.chat.completions.create(
        model=SMOLLM2,
        messages=QUESTION,
        max_completion_tokens=40,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    *parts, usage = chunks
    assert "".join(part.choices[0].delta.content or "" for part in parts) == text
    assert parts[0].choices[0].delta.role == "assistant"
    assert len(parts) > 10  # it came bit by bit
    assert [part.choices[0].finish_reason for part in parts[:-1]] == [None] * (len(parts) - 1)
    assert parts[-1].choices[0].finish_reason == ("length" if count == 40 else "stop")
    assert usage.choices == []
    assert usage.usage.prompt_tokens == len(smollm2[1].encode_chat(QUESTION))
    assert usage.usage.completion_tokens == count
    assert usage.usage.total_tokens == usage.usage.prompt_tokens + count
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("as_tokens", [False, True])
def test_openai_completes_what_generate_writes(client, smollm2, as_tokens):
    prompt = "The lighthouse keeper"
    tokens = smollm2[1].encode(prompt)
    text, count = answer_alone(smollm2, tokens, 16)
    completion = client.completions.create(
        model=SMOLLM2, prompt=tokens.tolist() if as_tokens else prompt, temperature=0
    )
    assert completion.choices[0].text == text
    assert completion.usage.completion_tokens == count


def test_openai_chats_until_the_model_stops(client, smollm2):
    messages = [{"role": "user", "content": "Say yes."}]
    text, count = answer_alone(smollm2, smollm2[1].encode_chat(messages), 200)
    assert count < 200
    answer = client.chat.completions.create(
        model=SMOLLM2, messages=messages, max_tokens=200, temperature=0
    )
    assert answer.choices[0].message.content == text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == count  # the token that stops it included


def test_openai_draws_what_generate_draws(client, smollm2):
    model, tokenizer = smollm2
    tokens = tokenizer.encode("Once upon a time")
    settings = {"temperature": 0.8, "top_p": 0.9, "seed": 7}
    new = generate(model, tokens, 12, stop_tokens=tokenizer.stop_tokens, **settings)[len(tokens) :]
    completion = client.completions.create(
        model=SMOLLM2, prompt="Once upon a time", max_tokens=12, **settings
    )
    assert completion.choices[0].text == tokenizer.decode(new, skip_control_tokens=True)


def test_curl_streams_what_generate_writes(smollm2_url, smollm2):
    text, _ = answer_alone(smollm2, smollm2[1].encode("The lighthouse keeper"), 12)
    body = {"model": SMOLLM2, "prompt": "The lighthouse keeper", "max_tokens": 12}
    output = curl(f"{smollm2_url}/v1/completions", body | {"temperature": 0, "stream": True})
    *events, done, rest = output.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    assert "".join(choice["text"] for choice in choices) == text
    assert choices[-1]["finish_reason"] == "length"


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == [SMOLLM2]
    assert client.models.retrieve(SMOLLM2).object == "model"
    with pytest.raises(openai.NotFoundError, match=r"there is no model .*nothing"):
        client.models.retrieve("no/thing and nothing")


def test_it_listens_on_loopback_alone(smollm2_url):
    port = int(smollm2_url.rpartition(":")[2])
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def run_main(*arguments, before="pass"):
    code = f"import sys, runpy; {before}; sys.argv = ['serving', *{arguments!r}]; "
    code += "runpy.run_module('tinytorch.serving', run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_the_command_says_which_limits_do_not_fit():
    run = run_main("--num-blocks", "10", "--max-new-tokens", "50")
    assert run.returncode == 1
    assert run.stderr == (
        "error: 4096 prompt tokens and 50 new ones must be at least 1 each and fit in 160 places "
        "(the model's and the blocks')\n"
    )


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_the_command_says_which_package_is_missing(missing):
    run = run_main(before=f"sys.modules[{missing!r}] = None")
    assert run.returncode == 1
    expected = f"error: {missing} is missing: pip install 'tinytorch-kv-caching[serving]'\n"
    assert run.stderr == expected
