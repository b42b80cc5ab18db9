// The engine's side: answers the questions of load.mjs, in a Web Worker.

import { createEngine } from "./engine.mjs";
import { explained } from "./errors.mjs";
import { readFiles } from "./files.mjs";
import { generate } from "./generate.mjs";
import { runExperiment } from "./lab.mjs";
import { fetchWeights } from "./weights.mjs";

/** @type {ReturnType<Awaited<ReturnType<typeof createEngine>>["open"]>} */
let opened;
/** @type {Map<number, {tokens: AsyncGenerator, stop: AbortController}>} */
const runs = new Map();
let numRuns = 0;

/** @param {import("./progress.mjs").Progress} progress */
const onProgress = (progress) => postMessage({ news: progress });

/** @param {(signal: AbortSignal) => AsyncGenerator} start */
function begin(start) {
  const stop = new AbortController();
  const tokens = start(stop.signal);
  numRuns += 1;
  runs.set(numRuns, { tokens, stop });
  return numRuns;
}

/** @type {Record<string, (...args: any[]) => any>} */
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
    const engine = await createEngine({ wasm, fileBytes: manifest.size });
    /** @type {import("./weights.mjs").WeightsAt} */
    const weightsAt = (offset, length) => engine.weightsAt(offset, length);
    const from = { manifest, weightsAt, onProgress };
    const kept = files
      ? await readFiles({ ...from, files })
      : await fetchWeights({ ...from, base });
    opened = engine.open();
    return { kept, config: { ...opened.model.config } };
  },
  /** Call a method of the tokenizer. */
  tokenizer: (method, argument) => opened.tokenizer[method](argument),
  /** Begin a run; `next` computes its next token, when the page wants it. */
  generate(textOrIds, options) {
    const { model, tokenizer } = opened;
    return begin((signal) => generate(model, tokenizer, textOrIds, { ...options, signal }));
  },
  /** Begin an experiment of lab.mjs. */
  experiment: (options) =>
    begin((signal) => runExperiment(opened.model, opened.tokenizer, options, signal)),
  next: (run) => runs.get(run)?.tokens.next(),
  stop(run) {
    const { tokens, stop } = runs.get(run) ?? {};
    runs.delete(run);
    stop?.abort();
    return tokens?.return(undefined);
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
