"""Writing text in the browser: stopping, aborting, drawing, and letting others have a turn."""

import numpy as np
import pytest

COLLECT = """async ([prompt, options]) => {
  const items = await collect(generate(small.model, small.tokenizer, prompt, options));
  return items.map(({ id }) => id);
}"""


def ids(page, prompt, **options):
    return page.evaluate(COLLECT, [prompt, options])


def test_each_token_comes_with_its_text_and_time(page):
    items = page.evaluate(
        """() => {
          const options = { maxTokens: 6, stopTokens: [] };
          return collect(generate(small.model, small.tokenizer, "ab c", options));
        }"""
    )
    assert len(items) == 6
    for item in items:
        assert item.keys() == {"id", "text", "ms"}
        assert 0 <= item["ms"] < 1000  # a page reads the time in steps of 0.1 ms
    text = page.evaluate(
        "(ids) => small.tokenizer.decode(ids, { skipControlTokens: true })",
        [item["id"] for item in items],
    )
    assert "".join(item["text"] for item in items) == text


@pytest.mark.parametrize("length", [1, 5, 30])
def test_the_tokens_are_the_same_without_a_cache(page, length):
    prompt = [(7 * i) % 31 for i in range(length)]
    cached = ids(page, prompt, maxTokens=20, stopTokens=[])
    assert cached == ids(page, prompt, maxTokens=20, stopTokens=[], cache=False)
    assert len(cached) == 20


def test_a_stop_token_ends_the_text(page):
    tokens = ids(page, [5], maxTokens=20, stopTokens=[])
    stop = tokens[3]
    assert ids(page, [5], maxTokens=20, stopTokens=[stop]) == tokens[: tokens.index(stop) + 1]


def test_a_cache_of_ones_own_is_continued(page):
    tokens = ids(page, [5, 6], maxTokens=12, stopTokens=[])
    parts = page.evaluate(
        """async () => {
          const cache = small.model.newCache(20);
          const write = async (prompt, maxTokens) => {
            const options = { maxTokens, cache, stopTokens: [] };
            const items = await collect(generate(small.model, small.tokenizer, prompt, options));
            return items.map(({ id }) => id);
          };
          const first = await write([5, 6], 5);
          const { seqPos } = cache;
          const second = await write([first.at(-1)], 7);
          cache.free();
          return { first, seqPos, second };
        }"""
    )
    assert parts["first"] + parts["second"] == tokens
    assert parts["seqPos"] == 2 + 5 - 1


def test_seeds_repeat_draws_and_draws_follow_the_probabilities(page):
    options = {"maxTokens": 20, "stopTokens": [], "temperature": 2.0}
    first = ids(page, [5], seed=3, **options)
    assert first == ids(page, [5], seed=3, **options)
    assert first != ids(page, [5], seed=4, **options)
    drawn = page.evaluate(
        """async () => {
          const { sampler } = await import("./engine/generate.mjs");
          const choose = sampler(0.5, 1);
          const logits = Float32Array.of(0, 1, -Infinity, 0.5);
          return Array.from({ length: 8000 }, () => choose(logits));
        }"""
    )
    weights = np.exp(np.array([0, 1, -np.inf, 0.5]) / 0.5)
    frequencies = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(frequencies, weights / weights.sum(), atol=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("[], {}", "the prompt is empty: expected at least one token"),
        ("'', {}", "the prompt is empty: expected at least one token"),
        ("'a', { maxTokens: -1 }", "maxTokens must be an integer of at least 0, got -1"),
        ("Array(51).fill(1), { maxTokens: 1 }", "51 tokens of text and 1 new ones exceed the 50"),
        ("[1], { maxTokens: 51 }", "1 tokens of text and 51 new ones exceed the 50 that fit"),
        (
            "[1], { maxTokens: 1, temperature: -1 }",
            "temperature must be finite and at least 0, got -1",
        ),
        (
            "[1], { maxTokens: 1, temperature: NaN }",
            "temperature must be finite and at least 0, got NaN",
        ),
        ("'é', {}", "the vocabulary has no token for these bytes of the text: 0xa9, 0xc3"),
    ],
)
def test_what_cannot_be_written_is_refused_when_called(page, arguments, message):
    error = page.evaluate(
        f"() => errorOf(() => {{ generate(small.model, small.tokenizer, {arguments}); }})"
    )
    assert error.startswith(message)


def test_the_whole_context_can_be_written(page):
    assert len(ids(page, [1], maxTokens=50, stopTokens=[])) == 50


@pytest.mark.parametrize("after", [0, 1, 4])
def test_an_abort_ends_the_text_and_gives_everything_back(page, after):
    result = page.evaluate(
        """async (after) => {
          const { model, tokenizer, engine } = small;
          const blocks = engine.memory.blocks.length;
          const controller = new AbortController();
          const ids = [];
          if (after === 0) controller.abort();
          const options = { maxTokens: 20, stopTokens: [], signal: controller.signal };
          let name = null;
          try {
            for await (const { id } of generate(model, tokenizer, [5], options)) {
              ids.push(id);
              if (ids.length === after) setTimeout(() => controller.abort(), 0);
              if (ids.length >= after) await new Promise((resolve) => setTimeout(resolve, 5));
            }
          } catch (error) {
            name = error.name;
          }
          return { ids, name, busy: model.isBusy, kept: engine.memory.blocks.length - blocks };
        }""",
        after,
    )
    assert result["name"] == "AbortError"
    assert len(result["ids"]) == after
    assert not result["busy"]
    assert result["kept"] == 0


def test_two_texts_on_one_model_take_turns(page):
    both = page.evaluate(
        """async () => {
          const write = (prompt, cache) => {
            const options = { maxTokens: 12, stopTokens: [], cache };
            return collect(generate(small.model, small.tokenizer, prompt, options));
          };
          const texts = await Promise.all([write([3], true), write([4], false)]);
          return texts.map((items) => items.map(({ id }) => id));
        }"""
    )
    options = {"maxTokens": 12, "stopTokens": []}
    assert both == [ids(page, [3], **options), ids(page, [4], **options)]


def test_a_long_pass_can_be_stopped_and_lets_others_have_a_turn(smollm2):
    result = smollm2.evaluate(
        """async () => {
          const { model, tokenizer } = smollm2;
          const controller = new AbortController();
          const prompt = Array.from({ length: 400 }, (_, i) => 100 + i);
          const { signal } = controller;
          let turns = 0;
          const timer = setInterval(() => { if ((turns += 1) === 3) controller.abort(); }, 1);
          let name = null;
          try {
            const options = { maxTokens: 1, cache: false, signal };
            await collect(generate(model, tokenizer, prompt, options));
          } catch (error) {
            name = error.name;
          }
          clearInterval(timer);
          return { name, turns, busy: model.isBusy };
        }"""
    )
    assert result == {"name": "AbortError", "turns": 3, "busy": False}
