"""Every field of a request: what is taken, and what is refused with which words."""

import json

import pytest

from tests.serving.servers import MODEL, small_tokenizer
from tinytorch.serving.errors import ApiError
from tinytorch.serving.protocol import Limits, parse_completion, parse_json

LIMITS = Limits(max_prompt_tokens=40, max_new_tokens=100)


def parse(chat=False, **fields):
    prompt = {"messages": [{"role": "user", "content": "Hi"}]} if chat else {"prompt": "Hi"}
    body = {"model": MODEL} | prompt | fields
    return parse_completion(body, small_tokenizer(), MODEL, LIMITS, chat=chat)


def ids(text):
    return small_tokenizer().encode(text).tolist()


def test_defaults_are_those_of_openai():
    completion = parse()
    assert completion.prompt == ids("Hi")
    assert completion.max_new_tokens == 16
    assert completion.sampling == {"temperature": 1.0, "top_p": None, "seed": None}
    assert completion.stop_strings == ()
    assert completion.stop_tokens == {0}
    assert not completion.stream
    assert not completion.include_usage
    assert parse(chat=True).max_new_tokens == 100


def test_all_fields_are_taken():
    completion = parse(
        chat=True,
        max_completion_tokens=7,
        max_tokens=7,
        temperature=0.5,
        top_p=0.9,
        seed=3,
        stop=["x", "yz"],
        stop_token_ids=[5, 6],
        stream=True,
        stream_options={"include_usage": True},
        user="me",
        n=1,
        logprobs=False,
        tools=[],
        top_logprobs=None,
    )
    assert completion.max_new_tokens == 7
    assert completion.sampling == {"temperature": 0.5, "top_p": 0.9, "seed": 3}
    assert completion.stop_strings == ("x", "yz")
    assert completion.stop_tokens == {0, 5, 6}
    assert completion.stream
    assert completion.include_usage


@pytest.mark.parametrize("prompt", ["Hi", ["Hi"], ids("Hi"), [ids("Hi")]])
def test_a_prompt_is_text_or_tokens(prompt):
    assert parse(prompt=prompt).prompt == ids("Hi")


def test_a_chat_is_written_with_the_template():
    messages = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
    ]
    text = "[system] Be kind. [user] Hi [assistant] "
    assert parse(chat=True, messages=messages).prompt == ids(text)


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"model": None}, "model", "model must be a string, got null"),
        ({"n": 2}, "n", "n is not supported: leave it out, or give 1"),
        ({"n": True}, "n", "n is not supported: leave it out, or give 1"),
        ({"logprobs": 0}, "logprobs", "logprobs is not supported: leave it out, or give false"),
        ({"tools": [{}]}, "tools", "tools is not supported: leave it out, or give []"),
        ({"echo": True}, "echo", "echo is not supported: leave it out, or give false"),
        ({"spam": 1}, "spam", '"spam" is not a field that this server knows'),
        ({"messages": []}, "messages", '"messages" is not a field that this server knows'),
        ({"max_tokens": 0}, "max_tokens", "max_tokens must be an integer from 1 to 100, got 0"),
        ({"max_tokens": 101}, "max_tokens", "max_tokens must be an integer from 1 to 100, got 101"),
        ({"max_tokens": 1.5}, "max_tokens", "max_tokens must be an integer from 1 to 100, got 1.5"),
        (
            {"max_tokens": True},
            "max_tokens",
            "max_tokens must be an integer from 1 to 100, got true",
        ),
        ({"temperature": -1}, "temperature", "temperature must be a number from 0 to 2, got -1"),
        ({"temperature": "1"}, "temperature", 'temperature must be a number from 0 to 2, got "1"'),
        (
            {"temperature": float("nan")},
            "temperature",
            "temperature must be a number from 0 to 2, got NaN",
        ),
        ({"top_p": 1.1}, "top_p", "top_p must be a number from 0 to 1, got 1.1"),
        ({"top_p": 0}, "top_p", "top_p must be above 0: temperature 0 is greedy"),
        ({"seed": -1}, "seed", f"seed must be an integer from 0 to {2**63 - 1}, got -1"),
        ({"stop": ["a"] * 5}, "stop", "stop must be a string or up to 4 strings"),
        ({"stop": ""}, "stop", "stop must be a string or up to 4 strings"),
        ({"stop": [3]}, "stop", "stop must be a string or up to 4 strings"),
        ({"stop": "x" * 257}, "stop", "stop must be a string or up to 4 strings"),
        (
            {"stop_token_ids": [96]},
            "stop_token_ids",
            "stop_token_ids must hold token ids from 0 to 95, got [96]",
        ),
        ({"stream": 1}, "stream", "stream must be true or false, got 1"),
        ({"stream_options": {}}, "stream_options", "stream_options need stream: true"),
        (
            {"stream": True, "stream_options": {"x": 1}},
            "stream_options",
            "stream_options must be an object with include_usage",
        ),
        (
            {"stream": True, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
            "stream_options.include_usage must be true or false, got 1",
        ),
        (
            {"prompt": None},
            "prompt",
            "prompt must be one string or one list of token ids, got null",
        ),
        ({"prompt": ["a", "b"]}, "prompt", "prompt must be one string or one list of token ids"),
        ({"prompt": ""}, "prompt", "prompt must have at least one token"),
        ({"prompt": [-1]}, "prompt", "prompt must hold token ids from 0 to 95, got [-1]"),
        ({"prompt": [True]}, "prompt", "prompt must hold token ids from 0 to 95, got [true]"),
        ({"prompt": "x" * 41}, "prompt", "prompt has 41 tokens, this server takes 40"),
        ({"prompt": "é"}, "prompt", "prompt cannot be encoded: the vocabulary has no token for"),
        ({"prompt": "\ud800"}, "prompt", "prompt cannot be encoded: "),
    ],
)
def test_a_wrong_field_is_named(fields, param, message):
    with pytest.raises(ApiError) as error:
        parse(**fields)
    told = error.value.body["error"]
    assert told["message"].startswith(message)
    assert told["param"] == param
    assert told["type"] == "invalid_request_error"
    assert error.value.status == 400


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": [], "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content",
        ),
        ({"prompt": "Hi"}, "prompt"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
    ],
)
def test_a_wrong_field_of_a_chat_is_named(fields, param):
    with pytest.raises(ApiError) as error:
        parse(chat=True, **fields)
    assert error.value.body["error"]["param"] == param


def test_another_model_is_not_found():
    with pytest.raises(ApiError, match=r'^there is no model "gpt", this server has "small"$') as e:
        parse(model="gpt")
    assert (e.value.status, e.value.body["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[1]", b"nope", b"\xff", b'"\\ud800"', b"[" * 100_000, b"9" * 5000, b"[[1]]"],
)
def test_a_body_that_is_no_json_object_is_refused(data):
    with pytest.raises(ApiError, match=r"^the body (is not valid JSON|must be a JSON object)"):
        parse_json(data)


def test_a_value_nested_deeply_is_no_failure():
    for depth in range(100, 1000, 50):
        data = b'{"model": ' + b"[" * depth + b"]" * depth + b"}"
        with pytest.raises(ApiError, match=r"model must be a string|not valid JSON"):
            parse_completion(parse_json(data), small_tokenizer(), MODEL, LIMITS, chat=False)


def test_an_error_is_ascii_whatever_it_quotes():
    with pytest.raises(ApiError) as error:
        parse(**{"\ud800": 1})
    json.dumps(error.value.body).encode("ascii")
