"""The lab's sessions on a small model, beside the same in NumPy."""

import base64
from functools import partial

import numpy as np
import pytest

from tests.browser.engine import tiny
from tests.browser.engine.conftest import decoded

LAB = """async () => {
  const [lab, { SESSIONS }] = await Promise.all(
    ["./engine/lab.mjs", "./engine/lab_sessions.mjs"].map((name) => import(name)),
  );
  const { model, tokenizer } = small;
  const signal = new AbortController().signal;
  const run = async (what) => {
    const steps = await collect(lab.runExperiment(model, tokenizer, what, signal));
    return Object.assign({ ids: steps.flatMap(({ id }) => id ?? []) }, ...steps);
  };
  window.lab = { ...lab, SESSIONS, run };
}"""
TEXT = [(7 * i * i + 3) % tiny.SMALL.vocab_size for i in range(24)]
START = 10


@pytest.fixture(scope="module")
def lab(page):
    page.evaluate(LAB)
    return page


@pytest.fixture(scope="module")
def numpy_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("numpy") / "small.gguf"
    tiny.write_gguf(path)
    return tiny.numpy_model(path)


def loss(logits: np.ndarray) -> float:
    logits = logits[START - 1 : -1].astype(float)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -log_p[np.arange(len(log_p)), TEXT[START:]].mean()


@pytest.mark.parametrize("one_pass", [False, True])
def test_the_right_session_writes_and_reads_as_the_model_does(lab, numpy_model, one_pass):
    what = {"name": "right", "prompt": TEXT[:START], "maxTokens": 12, "text": TEXT, "start": START}
    found = lab.evaluate("(what) => lab.run(what)", what | {"onePass": one_pass})
    expected = lab.evaluate(
        """async ([prompt, maxTokens]) => {
          const options = { maxTokens, stopTokens: [] };
          return (await collect(generate(small.model, small.tokenizer, prompt, options))).map(
            ({ id }) => id,
          );
        }""",
        [TEXT[:START], 12],
    )
    assert found["ids"] == expected
    assert found["loss"] == pytest.approx(loss(numpy_model.forward([TEXT])[0]), abs=2e-3)
    assert found["bytes"] == 2 * 2 * 2 * 24 * 4 * (START + 11)


@pytest.mark.parametrize(
    ("name", "bits", "axis"),
    [
        ("int8-token", 8, -1),
        ("int8-channel", 8, -2),
        ("int4-token", 4, -1),
        ("int4-channel", 4, -2),
    ],
)
def test_keys_and_values_are_rounded_as_in_numpy(lab, name, bits, axis):
    """Beyond the simple cache: the axis of a scale, and the integers."""

    def rounded(x, axis):
        scale = np.abs(x).max(axis=axis, keepdims=True) / (2 ** (bits - 1) - 1)
        return np.round(x / scale) * scale

    tokens, heads, width = 5, 2, 24
    rng = np.random.default_rng(0)
    key, value = rng.standard_normal((2, tokens, heads, width), dtype=np.float32)
    sent = [base64.b64encode(part.tobytes()).decode() for part in (key, value)]
    kept = lab.evaluate(
        """([name, sent, count]) => {
          const { memory, config } = small.model;
          const cache = new lab.SESSIONS[name].Cache(memory, config, 8);
          const parts = sent.map((text) => {
            const address = memory.allocate(count * 4);
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            memory.bytes(address, bytes.length).set(bytes);
            return address;
          });
          const { keys, values } = cache.update(0, ...parts, 5);
          const read = [keys, values].map((part) => encoded(memory.floats(part, count).slice()));
          for (const address of parts) memory.free(address);
          cache.free();
          return read;
        }""",
        [name, sent, key.size],
    )
    heads_first = [part.swapaxes(0, 1) for part in (key, value)]
    expected = [rounded(heads_first[0], axis), rounded(heads_first[1], -1)]
    for found, part in zip(kept, expected, strict=True):
        ours = decoded(found, width).reshape(tokens, heads, width)
        np.testing.assert_allclose(ours, part.swapaxes(0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("num_sinks", [0, 2])
@pytest.mark.parametrize("sizes", [[23], [9, 14], [4] + 19 * [1]])
def test_a_window_is_that_of_numpy_in_any_passes(lab, numpy_model, num_sinks, sizes):
    window = 7

    def attend(query, key, value):
        i, j = np.ogrid[: key.shape[2], : key.shape[2]]
        visible = (j <= i) & ((i - j < window - num_sinks) | (j < num_sinks))
        key, value = (np.repeat(part, 2, axis=1) for part in (key, value))
        scores = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
        weights = np.where(visible, np.exp(scores - scores.max(axis=-1, keepdims=True)), 0)
        return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32) @ value

    def forward(layer, x, rotation=None):
        return layer.merge(attend(*layer.project(x, rotation)))

    for block in numpy_model.blocks:
        block.attention.forward = partial(forward, block.attention)
    expected = numpy_model.forward([TEXT[:23]])[0]
    for block in numpy_model.blocks:
        del block.attention.forward
    logits = lab.evaluate(
        """async ([text, sizes, window, numSinks]) => {
          const session = new (class extends lab.SESSIONS.window {
            static window = window;
            static numSinks = numSinks;
          })(small.model, 30);
          const found = [];
          const onLogits = (at, logits) => found.push(...logits);
          for (const size of sizes) {
            await session.feed(text.splice(0, size), undefined, { onLogits });
          }
          session.free();
          return encoded(Float32Array.from(found));
        }""",
        [TEXT, sizes, window, num_sinks],
    )
    ours = decoded(logits, tiny.SMALL.vocab_size)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-2)


def test_nothing_is_left_behind(lab):
    """Memory, kernels and tensors are as before, after whole runs and after one that was left."""
    same = lab.evaluate(
        """async ([text, start]) => {
          const { model, tokenizer } = small;
          const state = () => [model.memory.blocks.length, model.kernels, model.tensors];
          const what = { prompt: text.slice(0, start), maxTokens: 4, text, start, onePass: false };
          await lab.run({ ...what, name: "right" });
          const before = state();
          for (const name of Object.keys(lab.SESSIONS)) {
            if (["shifted", "length-stays"].includes(name)) continue; // of a larger model
            await lab.run({ ...what, name });
            const stop = new AbortController();
            const tokens = lab.runExperiment(model, tokenizer, { ...what, name }, stop.signal);
            await tokens.next();
            const next = tokens.next();
            stop.abort();
            await next.catch(() => {});
            await tokens.return();
          }
          return !model.isBusy && state().every((part, i) => part === before[i]);
        }""",
        [TEXT, START],
    )
    assert same


def test_an_unknown_session_is_refused(lab):
    told = lab.evaluate("() => errorOf(() => lab.run({ name: 'other', prompt: [1], text: [] }))")
    assert told == "no session is called other"
