"""The engine's tokenizer against tinytorch's, on text of every kind."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinytorch.models import load_smollm2

CONTROL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<repo_name>",
    "<file_sep>",
    "<|im_",
    "|>",
]
WORDS = [
    " the",
    "The",
    " don't",
    "'s",
    "'LL",
    "  ",
    "\n\n",
    "\t",
    "123",
    " 4",
    "٣",
    "½",
    "中文",
    "👍🏽",
]

texts = st.lists(
    st.text(max_size=12) | st.sampled_from(CONTROL + WORDS) | st.text("ab 1\n'", max_size=12),
    max_size=8,
).map("".join)


@pytest.fixture(scope="module")
def tokenizer():
    return load_smollm2()[1]


@settings(max_examples=600)
@given(text=texts)
@example(text="")
@example(text="a \u0085\ufeff\u00a0 b")
@example(text="\x00\x01")
@example(text="x" * 3000)
def test_ids_are_those_of_tinytorch(smollm2, tokenizer, text):
    result = smollm2.evaluate(
        """(text) => {
          const { tokenizer } = smollm2;
          try {
            const ids = tokenizer.encode(text);
            return { ids, text: tokenizer.decode(ids) };
          } catch ({ message }) {
            return { message };
          }
        }""",
        text,
    )
    try:
        expected = tokenizer.encode(text).tolist()
    except ValueError as error:
        unknown = str(error).replace("'", "").replace("[", "").replace("]", "")
        assert result == {"message": unknown}
    else:
        assert result == {"ids": expected, "text": text}


@settings(max_examples=200)
@given(ids=st.lists(st.integers(0, 400) | st.integers(0, 49_151), max_size=12))
def test_pieces_of_text_are_those_of_tinytorch(smollm2, tokenizer, ids):
    result = smollm2.evaluate(
        """(ids) => {
          const { tokenizer } = smollm2;
          return {
            pieces: ids.map(tokenizer.decodeStream()),
            whole: tokenizer.decode(ids),
            plain: tokenizer.decode(ids, { skipControlTokens: true }),
          };
        }""",
        ids,
    )
    assert result["pieces"] == list(tokenizer.decode_stream(ids))
    assert result["whole"] == tokenizer.decode(ids)
    assert result["plain"] == tokenizer.decode(ids, skip_control_tokens=True)


@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["system", "user", "assistant"]), "content": texts}
        ),
        max_size=4,
    )
)
def test_conversations_are_written_as_by_the_template(smollm2, tokenizer, messages):
    rendered = smollm2.evaluate("(messages) => smollm2.tokenizer.renderChat(messages)", messages)
    assert rendered == tokenizer.render_chat(messages)


def test_a_question_is_a_conversation(smollm2, tokenizer):
    question = "Why is the sky blue?"
    ids = smollm2.evaluate("(text) => smollm2.tokenizer.encodeChat(text)", question)
    assert ids == tokenizer.encode_chat(question).tolist()
    assert smollm2.evaluate("() => smollm2.tokenizer.stopTokens") == [2, 0]
    assert smollm2.evaluate("() => smollm2.tokenizer.vocabSize") == tokenizer.vocab_size


@pytest.mark.parametrize("token", [-1, 49_152, 1.5])
def test_a_token_outside_the_vocabulary_is_refused(smollm2, token):
    error = smollm2.evaluate("(id) => errorOf(() => smollm2.tokenizer.decode([id]))", token)
    assert error == f"tokens must be from 0 to 49151, got {token}"


def test_a_template_of_another_kind_is_refused(page):
    error = page.evaluate("() => errorOf(() => small.tokenizer.encodeChat('abc'))")
    assert error.startswith("the file's chat template is not of the kind")
