"""The text that is sent, against a reference that looks at one character after the other."""

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from tinytorch.models import load_smollm2
from tinytorch.serving.text import TextStream


@pytest.fixture(scope="module")
def tokenizer():
    return load_smollm2()[1]


def encode(tokenizer, text):
    try:
        return tokenizer.encode(text).tolist()
    except ValueError:
        reject()  # it has a character that the vocabulary lacks


def cut(text, stops):
    """Everything before the stop string that is complete first, then the longest."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))], True
    return text, False


texts = st.text(st.sampled_from("aab b☀é😀\n"), max_size=40) | st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Co")), max_size=20
)
stop_lists = st.lists(st.text(st.sampled_from("ab ☀😀"), min_size=1, max_size=4), max_size=3)


@given(texts, stop_lists)
def test_what_is_sent_is_the_text_before_the_first_stop(tokenizer, text, stops):
    tokens = encode(tokenizer, text)
    stream = TextStream(tokenizer, stops)
    pieces = [stream.push(token) for token in tokens] + [stream.flush()]
    expected, stopped = cut(text, stops)
    assert "".join(pieces) == expected
    assert stream.stopped == stopped


@given(texts, stop_lists)
def test_nothing_is_held_back_longer_than_it_could_become_a_stop(tokenizer, text, stops):
    tokens = encode(tokenizer, text)
    stream, sent = TextStream(tokenizer, stops), ""
    pieces = list(tokenizer.decode_stream(tokens))
    for count, token in enumerate(tokens, 1):
        sent += stream.push(token)
        if stream.stopped:
            return
        held = "".join(pieces[:count])[len(sent) :]
        assert not held or any(stop.startswith(held) and stop != held for stop in stops)


def test_a_character_of_several_tokens_is_sent_whole(tokenizer):
    tokens = tokenizer.encode("🦜").tolist()
    assert len(tokens) > 1
    stream = TextStream(tokenizer)
    assert [stream.push(token) for token in tokens] == [""] * (len(tokens) - 1) + ["🦜"]


def test_half_a_character_at_the_end_is_left_out(tokenizer):
    stream = TextStream(tokenizer)
    tokens = tokenizer.encode("a🦜").tolist()[:-1]
    assert "".join(stream.push(token) for token in tokens) + stream.flush() == "a"


def test_a_stop_token_ends_the_text_and_gives_free_what_was_held(tokenizer):
    stop = tokenizer.encode(" sky").tolist()
    assert len(stop) == 1
    stream = TextStream(tokenizer, ["bluebird"], stop)
    tokens = tokenizer.encode("the blue").tolist() + stop
    assert "".join(stream.push(token) for token in tokens) == "the blue"
    assert stream.stopped
    assert stream.push(tokens[0]) == ""


def test_an_empty_stop_string_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"^a stop string must not be empty$"):
        TextStream(tokenizer, ["a", ""])


def test_the_stop_that_is_complete_first_counts_even_inside_one_token(tokenizer):
    (token,) = tokenizer.encode(" sky").tolist()
    assert TextStream(tokenizer, [" sky", "k"]).push(token) == " s"
    assert TextStream(tokenizer, ["k", " sk"]).push(token) == ""
