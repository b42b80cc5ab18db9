"""SmolLM2's tokenizer: nothing is lost, nothing is invented, and chats look as in training."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from tinytorch.models import ChatTokenizer, fetch_smollm2
from tinytorch.models.tokenizer import CONTROL_TOKEN, build_bpe

# The bytes of UTF-8 that the vocabulary lacks: six control characters, and the first bytes of
# U+40000 to U+BFFFF, where Unicode has no characters.
LACKING_CONTROLS = "\x04\x06\x13\x14\x16\x1d"
LACKING = [*LACKING_CONTROLS.encode(), 0xF1, 0xF2]

texts = st.text(
    st.characters(codec="ascii", exclude_characters=LACKING_CONTROLS)
    | st.characters(codec="utf-8", exclude_characters=LACKING_CONTROLS, max_codepoint=0x3FFFF)
    | st.characters(codec="utf-8", min_codepoint=0xC0000)
    | st.sampled_from("  \n\t\r'’09٣½Ⅻéß北京ー각🚀\u200d\ufe0f\u00a0")
)

SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"


@pytest.fixture(scope="module")
def tokenizer():
    return ChatTokenizer.from_files(fetch_smollm2(), ("<|im_end|>", "<|endoftext|>"))


@pytest.fixture(scope="module")
def bpe():
    """Vocabulary and merges as the file has them."""
    model = json.loads((fetch_smollm2() / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return model["vocab"], {tuple(pair): rank for rank, pair in enumerate(model["merges"])}


def byte_characters(text):
    """One character of the vocabulary's alphabet for each byte of the text."""
    ((characters, _),) = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    ).pre_tokenize_str(text)
    return characters


def merge_naively(text, merges):
    """Byte-pair encoding as Sennrich et al. 2016 (arXiv:1508.07909) describe it, step by step."""
    symbols = list(byte_characters(text))
    while True:
        pairs = [pair for pair in itertools.pairwise(symbols) if pair in merges]
        if not pairs:
            return symbols
        best = min(pairs, key=merges.get)
        merged = []
        while symbols:
            size = 2 if tuple(symbols[:2]) == best else 1
            merged.append("".join(symbols[:size]))
            del symbols[:size]
        symbols = merged


@given(text=texts)
@example("")
@example("<|im_start|>user\nHi<|im_end|>")
@example("  \r\n\t 12  3\u00a0\u2003x \n\n")
@example("👩‍🚀 naïve 北京 각 \ufffd \x00")
@settings(max_examples=200)
def test_text_comes_back_byte_for_byte(tokenizer, text):
    tokens = tokenizer.encode(text)
    assert tokens.dtype == np.int64
    assert tokens.ndim == 1
    assert tokenizer.decode(tokens).encode() == text.encode()


@given(
    word=st.text(
        st.characters(categories=["L"], max_codepoint=0x3FFFF)
        | st.sampled_from("abcdefghijklmnopqrstuvwxyz"),
        min_size=1,
        max_size=20,
    ),
    space=st.sampled_from(["", " "]),
)
@example("hello", "")
@example("Donaudampfschifffahrt", " ")
@settings(max_examples=200)
def test_a_word_is_merged_as_the_paper_says(tokenizer, bpe, word, space):
    vocabulary, merges = bpe
    expected = [vocabulary[symbol] for symbol in merge_naively(space + word, merges)]
    assert tokenizer.encode(space + word).tolist() == expected


def test_every_digit_is_one_token(tokenizer):
    digits = tokenizer.encode("0123456789")
    assert len(digits) == 10
    np.testing.assert_array_equal(tokenizer.encode("5203"), digits[[5, 2, 0, 3]])
    # Spaces before a digit stay together, and apart from it.
    np.testing.assert_array_equal(
        tokenizer.encode("a   7"), [*tokenizer.encode("a"), *tokenizer.encode("   "), digits[7]]
    )


def test_bytes_that_the_vocabulary_lacks(bpe):
    # These characters have all bytes that occur in UTF-8.
    covering = [*range(0x800), *range(0x800, 0x10000, 0x40), *range(0x10000, 0x110000, 0x1000)]
    alphabet = {}
    for character in (chr(code) for code in covering if not 0xD800 <= code < 0xE000):
        alphabet.update(zip(character.encode(), byte_characters(character), strict=True))
    assert sorted(alphabet) == [*range(0xC0), *range(0xC2, 0xF5)]
    vocabulary, _ = bpe
    assert [byte for byte in sorted(alphabet) if alphabet[byte] not in vocabulary] == LACKING


@given(
    before=texts, after=texts, lacking=st.sampled_from(LACKING_CONTROLS + "\U00040000\U000bffff")
)
@settings(max_examples=50)
def test_a_lacking_byte_is_refused_by_name(tokenizer, before, after, lacking):
    byte = lacking.encode()[0]
    with pytest.raises(ValueError, match=rf"no token for these bytes.*\['0x{byte:02x}'\]"):
        tokenizer.encode(before + lacking + after)


def test_all_lacking_bytes_are_named_once(tokenizer):
    with pytest.raises(ValueError, match=r"\['0x04', '0x1d', '0xf2'\]"):
        tokenizer.encode("\U00080000 a \x1d b \x04 c \x1d")


def test_sizes_and_stop_tokens(tokenizer, bpe):
    assert tokenizer.vocab_size == 49152 == len(bpe[0])
    assert tokenizer.stop_tokens == (2, 0)


@pytest.mark.parametrize(
    ("text", "token"), [("<|endoftext|>", 0), ("<|im_start|>", 1), ("<|im_end|>", 2)]
)
def test_control_tokens(tokenizer, text, token):
    assert tokenizer.encode(text).tolist() == [token]
    before, after = tokenizer.encode("Yes").tolist(), tokenizer.encode(" no").tolist()
    tokens = tokenizer.encode(f"Yes{text} no")
    assert tokens.tolist() == [*before, token, *after]
    assert tokenizer.decode(tokens) == f"Yes{text} no"
    assert tokenizer.decode(tokens, skip_control_tokens=True) == "Yes no"
    assert "".join(tokenizer.decode_stream(tokens)) == "Yes no"


@pytest.mark.parametrize("text", ["<|im_end|", "<im_end>", "|im_start|>", "< |im_end|>"])
def test_what_looks_like_a_control_token(tokenizer, text):
    tokens = tokenizer.encode(text)
    assert tokens.min() > 16, "the 17 control tokens come first"
    assert tokenizer.decode(tokens, skip_control_tokens=True) == text


@given(text=texts.filter(lambda text: not text.endswith("\ufffd")))
@example("👩‍🚀👨‍👩‍👧 北京 서울 東京 ❤️‍🔥")
@settings(max_examples=200)
def test_streamed_pieces_join_to_the_text(tokenizer, text):
    tokens = tokenizer.encode(text)
    pieces = list(tokenizer.decode_stream(tokens))
    assert len(pieces) == len(tokens)
    assert "".join(pieces) == tokenizer.decode(tokens, skip_control_tokens=True) == text


def test_a_piece_waits_until_its_character_is_complete(tokenizer):
    text = "Go 👩‍🚀, 北京!"
    tokens = tokenizer.encode(text)
    pieces = list(tokenizer.decode_stream(tokens))
    assert "" in pieces, "this text must have a character of several tokens"
    assert [piece for piece in pieces if piece] == [
        "Go",
        " 👩",
        "\u200d",
        "🚀",
        ",",
        " 北",
        "京",
        "!",
    ]


def test_pieces_come_while_tokens_still_do(tokenizer):
    tokens = iter(tokenizer.encode("one two three").tolist())
    pieces = tokenizer.decode_stream(tokens)
    assert [next(pieces), next(pieces)] == ["one", " two"]
    assert len(list(tokens)) == 1


def test_an_incomplete_character(tokenizer):
    tokens = tokenizer.encode("A🚀")
    assert len(tokens) > 2
    assert tokenizer.decode(tokens[:-1]).startswith("A\ufffd")
    assert "🚀" not in tokenizer.decode(tokens[:-1])
    assert "".join(tokenizer.decode_stream(tokens[:-1])) == "A"


def test_chat_of_one_turn(tokenizer):
    assert tokenizer.render_chat([{"role": "user", "content": "Why is the sky blue?"}]) == (
        f"{SYSTEM}<|im_end|>\n"
        "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_chat_of_several_turns(tokenizer):
    assert tokenizer.render_chat(
        [
            {"role": "user", "content": "Hi!"},
            {"role": "assistant", "content": "Hello. "},
            {"role": "user", "content": "\n{{ 1 + 1 }} is {% raw %}?\n"},
        ]
    ) == (
        f"{SYSTEM}<|im_end|>\n"
        "<|im_start|>user\nHi!<|im_end|>\n"
        "<|im_start|>assistant\nHello. <|im_end|>\n"
        "<|im_start|>user\n\n{{ 1 + 1 }} is {% raw %}?\n<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("num_turns", [1, 2])
def test_chat_with_a_system_message(tokenizer, num_turns):
    turns = [
        {"role": "user", "content": "Ahoy"},
        {"role": "assistant", "content": "Arr"},
        {"role": "user", "content": "Bye"},
    ][: 2 * num_turns - 1]
    turn = "<|im_start|>user\nAhoy<|im_end|>\n<|im_start|>assistant\n"
    expected = {1: turn, 2: f"{turn}Arr<|im_end|>\n{turn.replace('Ahoy', 'Bye')}"}
    assert tokenizer.render_chat([{"role": "system", "content": "Be a pirate."}, *turns]) == (
        f"<|im_start|>system\nBe a pirate.<|im_end|>\n{expected[num_turns]}"
    )


def test_encode_chat_takes_a_question_or_messages(tokenizer):
    question = tokenizer.encode_chat("Why?")
    messages = [{"role": "user", "content": "Why?"}]
    np.testing.assert_array_equal(question, tokenizer.encode_chat(messages))
    assert tokenizer.decode(question) == tokenizer.render_chat(messages)
    assert question.tolist().count(1) == 3
    assert question.tolist().count(2) == 2


TOKENS = ["<s>", "l", "o", "w", "e", "Ġ", "1", "lo", "Ġlo", "low", "we", "ĠĠ", "11"]
MERGES = ["l o", "Ġ lo", "lo w", "w e", "Ġ Ġ", "1 1"]


@pytest.fixture
def small_bpe():
    return build_bpe(TOKENS, [CONTROL_TOKEN] + [1] * (len(TOKENS) - 1), MERGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("low", ["low"]),
        ("lowe", ["low", "e"]),  # `lo w` comes before `w e`
        (" low", ["Ġlo", "w"]),  # `Ġ lo` comes before `lo w`
        ("owe<s>we", ["o", "we", "<s>", "we"]),
        ("lo11 1", ["lo", "1", "1", "Ġ", "1"]),  # `1 1` has no effect: digits stand alone
        ("lo  1", ["lo", "ĠĠ", "1"]),  # and take no space with them
        ("lo  lo", ["lo", "Ġ", "Ġlo"]),  # as a word does
    ],
)
def test_build_bpe_by_hand(small_bpe, text, expected):
    encoding = small_bpe.encode(text)
    assert encoding.tokens == expected
    assert small_bpe.decode(encoding.ids, skip_special_tokens=False) == text


def test_a_template_may_be_indented(small_bpe):
    # transformers renders templates with trim_blocks and lstrip_blocks, so many rely on it.
    template = (
        "{% for message in messages %}\n"
        "    {% if message['role'] == 'user' %}\n"
        "{{ message['content'] }}\n"
        "    {% endif %}\n"
        "{% endfor %}\n"
        "e"
    )
    tokenizer = ChatTokenizer(small_bpe, template, ["<s>"])
    assert tokenizer.render_chat([{"role": "user", "content": "low"}]) == "low\ne"
    assert tokenizer.stop_tokens == (0,)
    assert tokenizer.vocab_size == len(TOKENS)


def test_a_stop_token_must_exist(small_bpe):
    with pytest.raises(ValueError, match=r"^the vocabulary has no token '<stop>'$"):
        ChatTokenizer(small_bpe, "", ["<stop>"])


@pytest.mark.parametrize("token", [-1, 49152, 60000])
def test_a_token_outside_the_vocabulary_is_refused(tokenizer, token):
    with pytest.raises(ValueError, match=rf"^tokens must be from 0 to 49151, got \[{token}\]$"):
        tokenizer.decode([504, token])
