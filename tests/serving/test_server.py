"""What a server in a thread answers, with a small model."""

from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.serving.servers import MODEL, running_server, small_text, small_tokenizer


@pytest.fixture(scope="module")
def server():
    with running_server() as server:
        yield server


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("where", [5, 30])
def test_the_text_ends_before_a_stop(server, stream, where):
    text = small_text("Hello", 60, server)
    stop = text[where : where + 3]
    body = {"model": MODEL, "prompt": "Hello", "max_tokens": 60, "temperature": 0, "stop": stop}
    with server.client() as client:
        if not stream:
            choice = client.completions.create(**body).choices[0]
            sent, reason = choice.text, choice.finish_reason
        else:
            choices = [chunk.choices[0] for chunk in client.completions.create(**body, stream=True)]
            sent, reason = "".join(choice.text for choice in choices), choices[-1].finish_reason
    assert sent == text[: text.index(stop)]
    assert reason == "stop"
    server.wait_until_idle()


def test_a_stop_token_is_not_sent(server):
    text = small_text("Hello", 40, server)
    (token,) = small_tokenizer().encode(text[9]).tolist()
    status, _, answer = server.post(
        {"model": MODEL, "prompt": "Hello", "max_tokens": 40, "temperature": 0}
        | {"stop_token_ids": [token]}
    )
    assert status == 200
    assert answer["choices"][0]["text"] == text[: text.index(text[9])]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == text.index(text[9]) + 1


def test_a_stop_ends_drafts_too():
    with running_server(max_drafts=4) as server:
        text = small_text("ababababab", 200, server)
        for end in range(180, 190):  # the stop is complete with each place of a step's tokens
            _, _, answer = server.post(
                {"model": MODEL, "prompt": "ababababab", "max_tokens": 200, "temperature": 0}
                | {"stop": [text[:end]]}
            )
            assert answer["choices"][0]["text"] == ""
            assert answer["usage"]["completion_tokens"] == end
        assert server.engine.metrics.num_accepted > 0
        server.wait_until_idle()


def test_errors_reach_clients_as_theirs(server):
    with server.client() as client:
        with pytest.raises(openai.BadRequestError) as error:
            client.completions.create(model=MODEL, prompt="Hello", n=3)
        assert error.value.param == "n"
        assert error.value.type == "invalid_request_error"
        with pytest.raises(openai.BadRequestError, match="1001 tokens") as error:
            client.completions.create(model=MODEL, prompt="x" * 1001)
        assert error.value.code == "context_length_exceeded"
        with pytest.raises(openai.NotFoundError):
            client.completions.create(model="gpt", prompt="Hello")


def test_a_full_queue_says_when_to_come_back_and_loses_nothing():
    with running_server(max_requests=3, max_running=2) as server:
        server.engine.gate.clear()
        expected = small_text("Hello", 16, server)
        body = {"model": MODEL, "prompt": "Hello", "temperature": 0}
        with ThreadPoolExecutor(4) as pool:
            served = [pool.submit(server.post, body) for _ in range(3)]
            server.wait_until(lambda: server.worker.num_requests == 3)
            status, headers, answer = server.post(body)
            assert status == 429
            assert headers["Retry-After"] == "1"
            assert answer["error"]["type"] == "rate_limit_error"
            assert answer["error"]["code"] == "rate_limit_exceeded"
            with server.client() as client, pytest.raises(openai.RateLimitError):
                client.completions.create(model=MODEL, prompt="Hello")
            patient = pool.submit(_complete, server, max_retries=10)
            server.engine.gate.set()
            for answer in served:
                status, _, completion = answer.result(60)
                assert status == 200
                assert completion["choices"][0]["text"] == expected
            assert patient.result(60) == expected
        server.wait_until_idle()


def _complete(server, **options):
    with server.client(**options) as client:
        completion = client.completions.create(model=MODEL, prompt="Hello", temperature=0)
        return completion.choices[0].text


def test_two_hundred_at_once_get_their_own_texts():
    with running_server(num_blocks=256, max_requests=200) as server:
        prompts = [f"Request {i % 50} is here" for i in range(200)]
        expected = {prompt: small_text(prompt, 12, server) for prompt in set(prompts)}

        def ask(prompt):
            body = {"model": MODEL, "prompt": prompt, "max_tokens": 12, "temperature": 0}
            return server.post(body)

        with ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(ask, prompts))
        for prompt, (status, _, answer) in zip(prompts, answers, strict=True):
            assert status == 200
            assert answer["choices"][0]["text"] == expected[prompt]
        server.wait_until_idle()


def test_a_step_that_fails_once_is_tried_again(server):
    expected = small_text("Hello", 16, server)
    server.engine.failures = 1
    _, _, answer = server.post({"model": MODEL, "prompt": "Hello", "temperature": 0})
    assert answer["choices"][0]["text"] == expected


def read_all(server, **options):
    with server.client() as client:
        return list(client.completions.create(model=MODEL, prompt="Hello", **options))


@pytest.mark.parametrize("stream", [False, True])
def test_a_step_that_fails_twice_is_told_and_the_next_is_served(server, stream):
    server.engine.failures = 2
    with pytest.raises(openai.APIError, match="no room for the logits"):
        read_all(server, stream=stream)
    server.wait_until_idle()
    assert server.post({"model": MODEL, "prompt": "Hello"})[0] == 200


def test_a_request_that_the_engine_refuses_harms_no_other(server, monkeypatch):
    def refuse(*args, **kwargs):
        raise TypeError("not with me")

    monkeypatch.setattr(server.engine, "add_request", refuse)
    status, _, answer = server.post({"model": MODEL, "prompt": "Hello"})
    assert (status, answer["error"]["message"]) == (500, "the engine failed: not with me")
    assert answer["error"]["type"] == "server_error"
    monkeypatch.undo()
    assert server.post({"model": MODEL, "prompt": "Hello"})[0] == 200


def test_a_thread_that_fails_leaves_nobody_waiting(monkeypatch):
    with running_server() as server:
        server.engine.gate.clear()
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(server.post, {"model": MODEL, "prompt": "Hi"}) for _ in range(2)]
            server.wait_until(lambda: server.worker.num_requests == 2)
            monkeypatch.setattr(server.worker, "_read", None)
            server.engine.gate.set()
            assert [answer.result(60)[0] for answer in answers] == [500, 500]
        status, _, answer = server.post({"model": MODEL, "prompt": "Hello"})
        assert (status, answer["error"]["message"]) == (503, "the engine has stopped")


def test_a_chat_with_the_small_model(server):
    messages = [{"role": "user", "content": "Hello"}]
    text = small_text("[user] Hello [assistant] ", 20, server)
    body = {"model": MODEL, "messages": messages, "max_tokens": 20, "temperature": 0}
    with server.client() as client:
        chunks = list(client.chat.completions.create(**body, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
        assert not any("usage" in chunk.to_dict() for chunk in chunks)
        answer = client.chat.completions.create(**body)
        assert answer.choices[0].message.content == text
        assert client.models.retrieve(MODEL).id == MODEL


def test_the_beginning_that_was_found_is_counted(server):
    body = {"model": MODEL, "prompt": "The same beginning, 48 characters long, and more", "seed": 1}
    assert server.post(body)[0] == 200
    usage = server.post(body)[2]["usage"]
    assert usage["prompt_tokens"] == 48
    assert 32 <= usage["prompt_tokens_details"]["cached_tokens"] < 48


def test_limits_must_fit_the_memory():
    problem = r"^1000 prompt tokens and 3000 new ones must .* 1600 places"
    with pytest.raises(ValueError, match=problem), running_server(num_blocks=100):
        pass
