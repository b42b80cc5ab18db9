"""The engine's forward pass and cache on small random models, beside tinytorch's."""

import numpy as np
import pytest

from tests.browser.engine import tiny
from tests.browser.engine.conftest import decoded

# Logits of these models reach 12. With float32 weights only sums are taken in another order; with
# the others, activations are rounded to 16 bits.
TOLERANCE = {("F32",): 1e-4}
ROUNDED = 4e-3

FEED = """([tokens, sizes, room]) => {
  const cache = room ? small.model.newCache(room) : null;
  const logits = encoded(feed(small.model, tokens, sizes, cache));
  cache?.free();
  return logits;
}"""


def random_tokens(count, seed=0, vocab_size=tiny.SMALL.vocab_size):
    return np.random.default_rng(seed).integers(vocab_size, size=count).tolist()


def fed(page, tokens, sizes, room):
    return decoded(page.evaluate(FEED, [tokens, sizes, room]), tiny.SMALL.vocab_size)


@pytest.mark.parametrize("types", [("Q4_1",), ("Q8_0",), ("F32",), tiny.TYPES], ids="+".join)
@pytest.mark.parametrize("config", tiny.SHAPES.values(), ids=tiny.SHAPES)
def test_logits_are_those_of_tinytorch(page, served, config, types):
    path = served / "shape.gguf"
    tiny.write_gguf(path, config, seed=len(types), types=types)
    tokens = random_tokens(23, vocab_size=config.vocab_size)
    logits = page.evaluate(
        """async (tokens) => {
          const { model } = await load("shape.gguf");
          return encoded(model.forward(tokens));
        }""",
        tokens,
    )
    expected = tiny.numpy_model(path).forward(np.array([tokens]))[0]
    assert np.abs(expected).max() > 3
    np.testing.assert_allclose(
        decoded(logits, config.vocab_size), expected, rtol=0, atol=TOLERANCE.get(types, ROUNDED)
    )


@pytest.mark.parametrize("seed", range(12))
def test_any_chunks_give_the_same_bits_as_the_whole_text_without_a_cache(page, seed):
    rng = np.random.default_rng(seed)
    length = int(rng.integers(2, tiny.SMALL.max_seq_len + 1))
    cuts = np.sort(rng.choice(np.arange(1, length), rng.integers(1, length), replace=False))
    sizes = np.diff([0, *cuts, length]).tolist()
    tokens = random_tokens(length, seed)
    whole = fed(page, tokens, [length], 0)
    np.testing.assert_array_equal(fed(page, tokens, sizes, length), whole)
    np.testing.assert_array_equal(fed(page, tokens, [1] * length, 50), whole)


def test_the_last_token_alone_gives_the_same_bits(page):
    tokens = random_tokens(11)
    last = page.evaluate(
        "(tokens) => encoded(small.model.forward(tokens, 0, null, { lastOnly: true }))", tokens
    )
    whole = fed(page, tokens, [11], 0)
    np.testing.assert_array_equal(decoded(last, tiny.SMALL.vocab_size), whole[-1:])


def test_a_truncated_cache_continues_as_if_nothing_had_come_after(page):
    tokens = random_tokens(20)
    logits = page.evaluate(
        """([tokens, other]) => {
          const cache = small.model.newCache(30);
          feed(small.model, tokens.slice(0, 12), [12], cache);
          feed(small.model, other, [9], cache);
          cache.truncate(12);
          const continued = encoded(feed(small.model, tokens.slice(12), [8], cache));
          cache.reset();
          const again = encoded(feed(small.model, tokens, [20], cache));
          const { seqPos, nbytes, nbytesUsed } = cache;
          cache.free();
          return { continued, again, seqPos, nbytes, nbytesUsed };
        }""",
        [tokens, random_tokens(9, 1)],
    )
    whole = fed(page, tokens, [20], 0)
    width = tiny.SMALL.vocab_size
    np.testing.assert_array_equal(decoded(logits["continued"], width), whole[12:])
    np.testing.assert_array_equal(decoded(logits["again"], width), whole)
    assert logits["seqPos"] == 20
    assert logits["nbytes"] == 2 * 2 * 30 * 2 * 24 * 4
    assert logits["nbytesUsed"] == 2 * 2 * 20 * 2 * 24 * 4


def test_an_overflow_is_refused_before_anything_is_written(page):
    result = page.evaluate(
        """async (tokens) => {
          const { model, engine } = small;
          const cache = model.newCache(10);
          const bytes = () => encoded(engine.memory.floats(cache.address, cache.nbytes / 4));
          model.forward(tokens.slice(0, 8), 0, cache);
          const before = bytes();
          const error = await errorOf(() => model.forward(tokens.slice(8, 11), 8, cache));
          const result = { error, same: bytes() === before, seqPos: cache.seqPos };
          const logits = encoded(model.forward(tokens.slice(8, 10), 8, cache));
          cache.free();
          return { ...result, logits };
        }""",
        random_tokens(11),
    )
    assert result["error"] == "cache overflow: 8 tokens cached and 3 new exceed maxSeqLen=10"
    assert result["same"]
    assert result["seqPos"] == 8
    whole = fed(page, random_tokens(11), [11], 0)
    np.testing.assert_array_equal(decoded(result["logits"], tiny.SMALL.vocab_size), whole[8:10])


def test_a_pass_that_is_left_half_way_leaves_the_cache_as_it_was(page):
    tokens = random_tokens(9)
    result = page.evaluate(
        """async (tokens) => {
          const { model } = small;
          const cache = model.newCache(10);
          model.forward(tokens.slice(0, 4), 0, cache);
          const pass = model.steps(tokens.slice(2, 7), 4, cache);
          const layers = pass.next().value;
          const busy = await errorOf(() => model.forward([1]));
          pass.return();
          const seqPos = cache.seqPos;
          const logits = encoded(model.forward(tokens.slice(4), 4, cache));
          cache.free();
          return { layers, busy, seqPos, logits };
        }""",
        tokens,
    )
    assert result["layers"] == 1
    assert result["busy"] == "another pass of this model is under way"
    assert result["seqPos"] == 4
    whole = fed(page, tokens, [9], 0)
    np.testing.assert_array_equal(decoded(result["logits"], tiny.SMALL.vocab_size), whole[4:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("[]", "expected at least one token, got none"),
        ("[31]", "tokens must be integers from 0 to 30, got 31"),
        ("[-1]", "tokens must be integers from 0 to 30, got -1"),
        ("[1.5]", "tokens must be integers from 0 to 30, got 1.5"),
        ("[1], -1", "position must be an integer of at least 0, got -1"),
        ("[1, 2], 49", "2 tokens at position 49 exceed the context of 50"),
        ("Array(51).fill(1)", "51 tokens at position 0 exceed the context of 50"),
    ],
)
def test_what_cannot_be_run_is_refused(page, arguments, message):
    assert page.evaluate(f"() => errorOf(() => small.model.forward({arguments}))") == message
    assert fed(page, [1], [1], 0).shape == (1, 31)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("cache.advance(1)", "numTokens must be an integer from 1 to 0, got 1"),
        (
            "cache.update(0, keys, keys, 2); cache.advance(2)",
            "layers out of step: layer 0 has written 2 tokens, layer 1 0",
        ),
        ("cache.update(2, keys, keys, 1)", "layer must be an integer from 0 to 1, got 2"),
        ("cache.get(-1)", "layer must be an integer from 0 to 1, got -1"),
        ("cache.truncate(1)", "seqLen must be an integer from 0 to 0, got 1"),
        ("small.model.newCache(0)", "maxSeqLen must be an integer from 1 to"),
        ("cache.memory.free(1)", "no memory was allocated at 1"),
    ],
)
def test_a_cache_says_what_it_cannot_do(page, action, message):
    error = page.evaluate(
        f"""async () => {{
          const cache = small.model.newCache(3);
          const keys = cache.address;
          const error = await errorOf(() => {{ {action}; }});
          cache.free();
          return error;
        }}"""
    )
    assert error.startswith(message)


def test_part_of_what_was_written_can_be_committed(page):
    tokens = random_tokens(9)
    logits = page.evaluate(
        """(tokens) => {
          const cache = small.model.newCache(20);
          const advance = cache.advance;
          cache.advance = () => advance.call(cache, 3);
          small.model.forward(tokens.slice(0, 7), 0, cache);
          cache.advance = advance;
          return encoded(small.model.forward(tokens.slice(3), 3, cache));
        }""",
        tokens,
    )
    whole = fed(page, tokens, [9], 0)
    np.testing.assert_array_equal(decoded(logits, tiny.SMALL.vocab_size), whole[3:])


@pytest.mark.parametrize("size", [2**32, 2**50])
def test_too_little_memory_is_told_and_nothing_taken(page, size):
    result = page.evaluate(
        """async (size) => {
          const { memory } = small.engine;
          const blocks = memory.blocks.length;
          const error = await errorOf(() => memory.allocate(size));
          return { error, kept: memory.blocks.length - blocks };
        }""",
        size,
    )
    assert result["error"].startswith("the browser has not enough memory: ")
    assert result["kept"] == 0


def test_memory_that_is_given_back_is_used_again(page):
    grown = page.evaluate(
        """() => {
          const { memory } = small.engine;
          const hold = () => [1, 2, 3].map(() => small.model.newCache(50));
          hold().forEach((cache) => cache.free());
          const before = memory.wasm.buffer.byteLength;
          for (let i = 0; i < 20; i += 1) hold().forEach((cache) => cache.free());
          return memory.wasm.buffer.byteLength - before;
        }"""
    )
    assert grown == 0
