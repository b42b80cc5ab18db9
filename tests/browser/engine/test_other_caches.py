"""A cache that does something else is a class of its own, in the browser as in Python."""

import numpy as np

from tests.browser.engine import tiny
from tests.browser.engine.conftest import decoded
from tinytorch import KVCache, use_kv_cache

WINDOW, SINKS = 8, 2

JAVASCRIPT = """async ([tokens, window, numSinks]) => {
  const { Cache } = await import("./engine/cache.mjs");
  const { model, engine } = small;

  class WindowedCache extends Cache {
    room = this.memory.allocate(2 * (window + 3) * this.tokenBytes);

    update(layer, key, value, numTokens) {
      const { keys, values, numKeys } = super.update(layer, key, value, numTokens);
      if (numKeys <= window) return { keys, values, numKeys };
      const kept = { keys: this.room, values: this.room + (window + 3) * this.tokenBytes };
      for (const [from, to] of [[keys, kept.keys], [values, kept.values]]) {
        const [first, rest] = [numSinks * this.tokenBytes, (window - numSinks) * this.tokenBytes];
        this.memory.copy(to, from, first);
        this.memory.copy(to + first, from + numKeys * this.tokenBytes - rest, rest);
      }
      return { ...kept, numKeys: window };
    }
  }

  const cache = new WindowedCache(engine.memory, model.config, tokens.length);
  const logits = encoded(feed(model, tokens, tokens.map(() => 1), cache));
  engine.memory.free(cache.room);
  cache.free();
  return logits;
}"""


class WindowedCache(KVCache):
    def update(self, layer_idx, key, value):
        keys, values = super().update(layer_idx, key, value)
        count = keys.shape[2]
        if count <= WINDOW:
            return keys, values
        kept = [*range(SINKS), *range(count - WINDOW + SINKS, count)]
        return keys[:, :, kept], values[:, :, kept]


def test_a_window_with_sinks_is_a_subclass_and_its_logits_are_those_of_tinytorch(page, served):
    tokens = np.random.default_rng(3).integers(31, size=30)
    model = tiny.numpy_model(served / "small.gguf")
    cache = WindowedCache(1, 30, model.num_layers, model.num_kv_heads, model.head_dim)
    with use_kv_cache(model, cache):
        expected = np.concatenate([model.forward(token[None, None])[0] for token in tokens])
    logits = page.evaluate(JAVASCRIPT, [tokens.tolist(), WINDOW, SINKS])
    np.testing.assert_allclose(decoded(logits, 31), expected, rtol=0, atol=4e-3)
    whole = model.forward(tokens[None])[0]
    assert np.abs(whole - expected)[WINDOW:].max() > 0.5, "the window must matter here"
