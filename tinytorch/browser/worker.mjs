// The engine's side: answers the questions of load.mjs, in a Web Worker.

import { createEngine } from "./engine.mjs";
import { explained } from "./errors.mjs";
import { readFiles } from "./files.mjs";
import { fetchWeights } from "./weights.mjs";

/** @type {Awaited<ReturnType<typeof createEngine>>} */
let engine;
/** @type {Map<number, {steps: AsyncGenerator, stop: AbortController}>} */
const runs = new Map();
let numRuns = 0;
/** The engine computes one step at a time, however many runs take turns. */
let turn = Promise.resolve();

const onProgress = (progress) => postMessage({ news: progress });

const METHODS = {
  /** Hold a lock as long as this worker lives; say whether the browser has locks. */
  hold(lock) {
    return new Promise((resolve) => {
      const forever = () => new Promise(() => resolve(true));
      const held = navigator.locks?.request(lock, forever) ?? Promise.reject();
      held.catch(() => resolve(false));
    });
  },
  /** Fill the engine's memory and open the model. */
  async load({ wasm, manifest, base, files }) {
    engine = await createEngine({ wasm, fileBytes: manifest.size });
    const weightsAt = (offset, length) => engine.weightsAt(offset, length);
    const from = { manifest, weightsAt, onProgress };
    const kept = files
      ? await readFiles({ ...from, files })
      : await fetchWeights({ ...from, base });
    await engine.open();
    return { kept: kept ?? false };
  },
  encode: (text) => engine.tokenizer.encode(text),
  decode: (ids) => engine.tokenizer.decode(ids),
  /** Begin a run; `next` computes its next token, when the page wants it. */
  generate(textOrIds, options) {
    const stop = new AbortController();
    const steps = engine.generate(textOrIds, { ...options, signal: stop.signal });
    numRuns += 1;
    runs.set(numRuns, { steps, stop });
    return numRuns;
  },
  next(run) {
    const step = turn.then(() => runs.get(run)?.steps.next() ?? { done: true });
    turn = step.catch(() => {});
    return step;
  },
  stop(run) {
    const { steps, stop } = runs.get(run) ?? {};
    runs.delete(run);
    stop?.abort();
    turn = turn.then(() => steps?.return()).catch(() => {});
  },
};

addEventListener("message", async ({ data: { id, method, args } }) => {
  try {
    const result = await METHODS[method](...args);
    if (id) postMessage({ id, result });
  } catch (error) {
    const { code, message } = explained(error);
    if (id) postMessage({ id, error: { code, message } });
  }
});
