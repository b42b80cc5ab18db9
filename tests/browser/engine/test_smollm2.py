"""SmolLM2 in the browser: the tokens of transformers and llama.cpp, and the logits of tinytorch."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.browser.engine.conftest import decoded
from tinytorch import generate
from tinytorch.models import load_smollm2

REFERENCE = Path(__file__).parents[2] / "models" / "reference_smollm2.json"
PROMPTS = {
    prompt["name"]: prompt
    for prompt in json.loads(REFERENCE.read_text(encoding="utf-8"))["prompts"]
}
ROUNDED = 2e-2  # activations are rounded to 16 bits; logits reach 46

OWN_PROMPTS = [
    "What is a key/value cache?",
    "Name three rivers of Europe.",
    "How does a bicycle stay upright?",
    "Write a haiku about rain.",
    "Explain recursion to a child.",
    "What is 12 times 12?",
    "Who wrote Hamlet?",
    "Give me a recipe for pancakes.",
    "Translate 'good morning' into French.",
    "Why do cats purr?",
    "List the planets.",
    "What does HTTP stand for?",
    "Tell me about the Roman Empire.",
    "Schreibe einen Satz über Berge.",
    "How far away is the Moon?",
    "Write a Python function that reverses a list.",
    "What makes bread rise?",
    "Describe the color blue.",
    "¿Dónde está la biblioteca?",
    "Summarize photosynthesis in one sentence.",
]

GREEDY = """async ([ids, maxTokens, cache]) => {
  const { model, tokenizer } = smollm2;
  const options = { maxTokens, cache, stopTokens: [] };
  return (await collect(generate(model, tokenizer, ids, options))).map(({ id }) => id);
}"""


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_tokens_with_the_cache(smollm2, prompt):
    tokens = smollm2.evaluate(GREEDY, [prompt["prompt_tokens"], 48, True])
    assert tokens == prompt["new_tokens"]


@pytest.mark.parametrize("name", ["one token", "history", "sky"])
def test_tokens_without_a_cache(smollm2, name):
    prompt = PROMPTS[name]
    tokens = smollm2.evaluate(GREEDY, [prompt["prompt_tokens"], 8, False])
    assert tokens == prompt["new_tokens"][:8]


@pytest.mark.parametrize("name", PROMPTS)
def test_a_pass_over_the_whole_text_chooses_what_the_cache_did(smollm2, name):
    """Without a cache, each prefix of the text is a row: 48 rows tell all 48 tokens."""
    prompt = PROMPTS[name]
    text = prompt["prompt_tokens"] + prompt["new_tokens"][:-1]
    chosen = smollm2.evaluate(
        """(ids) => {
          const { model } = smollm2;
          const logits = model.forward(ids);
          const width = model.config.vocabSize;
          return ids.slice(-48).map((_, i) => {
            const start = (ids.length - Math.min(48, ids.length) + i) * width;
            const row = logits.subarray(start, start + width);
            return row.reduce((best, logit, id) => (logit > row[best] ? id : best), 0);
          });
        }""",
        text,
    )
    assert chosen == prompt["new_tokens"]


@pytest.fixture(scope="module")
def tinytorch_model():
    return load_smollm2()


@pytest.mark.parametrize("question", OWN_PROMPTS)
def test_logits_and_tokens_are_those_of_tinytorch(smollm2, tinytorch_model, question):
    model, tokenizer = tinytorch_model
    prompt = tokenizer.encode_chat(question)
    text = generate(model, prompt, 16)
    logits = smollm2.evaluate(
        """(ids) => {
          const cache = smollm2.model.newCache(ids.length);
          const logits = encoded(smollm2.model.forward(ids, 0, cache).slice(-16 * 49152));
          cache.free();
          return logits;
        }""",
        text[:-1].tolist(),
    )
    ours = decoded(logits, model.vocab_size)
    expected = model.forward(text[None, :-1])[0, -16:]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=ROUNDED)
    np.testing.assert_array_equal(ours.argmax(axis=-1), text[-16:])


def test_chunks_of_the_prompt_give_the_same_bits(smollm2):
    tokens = PROMPTS["long story"]["prompt_tokens"]
    same = smollm2.evaluate(
        """(ids) => {
          const { model } = smollm2;
          const last = (sizes, cache) => encoded(feed(model, ids, sizes, cache).slice(-49152));
          const cache = model.newCache(ids.length);
          const whole = last([ids.length], null);
          const chunks = last([1, 5, 33, ids.length - 39], cache);
          cache.free();
          return whole === chunks;
        }""",
        tokens,
    )
    assert same
