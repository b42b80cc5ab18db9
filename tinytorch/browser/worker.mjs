// The engine's side: answers the questions of load.mjs, in a Web Worker.

import { createEngine } from "./engine.mjs";
import { explained } from "./errors.mjs";
import { generate } from "./generate.mjs";
import { runExperiment } from "./lab.mjs";
import { placed } from "./pieces.mjs";
import { sha256 } from "./sha256.mjs";
import { fetchWeights } from "./weights.mjs";

/** @import { Options } from "./generate.mjs" */
/** @import { Experiment } from "./lab.mjs" */
/** @import { Manifest } from "./pieces.mjs" */

/** @type {Manifest} */
let manifest;
/** @type {Awaited<ReturnType<typeof createEngine>>} */
let engine;
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

/** @type {import("./pieces.mjs").WeightsAt} */
const weightsAt = (offset, length) => engine.weightsAt(offset, length);

const METHODS = {
  /**
   * Hold a lock as long as this worker lives; say whether the browser has locks.
   * @param {string} lock
   * @returns {Promise<boolean>}
   */
  hold(lock) {
    return new Promise((resolve) => {
      const forever = () => new Promise(() => resolve(true));
      const held = navigator.locks?.request(lock, forever) ?? Promise.reject();
      held.catch(() => resolve(false));
    });
  },
  /**
   * Make room for a model's file.
   * @param {ArrayBuffer} wasm
   * @param {Manifest} about
   */
  async create(wasm, about) {
    manifest = about;
    engine = await createEngine({ wasm, fileBytes: manifest.size });
  },
  /** Fill that room from the site; say whether this browser keeps it all. */
  fetch: (/** @type {string} */ base) => fetchWeights({ manifest, base, weightsAt, onProgress }),
  /**
   * Fill a part of it with a piece that the reader chose, if it is one; say its sha256.
   * @param {ArrayBuffer} buffer
   */
  async take(buffer) {
    const bytes = new Uint8Array(buffer);
    const found = await sha256(bytes);
    const piece = placed(manifest).find((piece) => piece.sha256 === found);
    if (piece) weightsAt(piece.offset, piece.size).set(bytes);
    return found;
  },
  open() {
    opened = engine.open();
    return { ...opened.model.config };
  },
  /**
   * Call a method of the tokenizer.
   * @param {"encode" | "encodeChat" | "decode"} method
   * @param {any} argument what that method takes
   */
  tokenizer(method, argument) {
    return opened.tokenizer[method](argument);
  },
  /**
   * Begin a run; `next` computes its next token, when the page wants it.
   * @param {string | number[]} textOrIds
   * @param {Options} options
   */
  generate(textOrIds, options) {
    const { model, tokenizer } = opened;
    return begin((signal) => generate(model, tokenizer, textOrIds, { ...options, signal }));
  },
  /** Begin an experiment of lab.mjs. */
  experiment: (/** @type {Experiment} */ options) =>
    begin((signal) => runExperiment(opened.model, opened.tokenizer, options, signal)),
  next: (/** @type {number} */ run) => runs.get(run)?.tokens.next(),
  stop(/** @type {number} */ run) {
    const { tokens, stop } = runs.get(run) ?? {};
    runs.delete(run);
    stop?.abort();
    return tokens?.return(undefined);
  },
};

/** @typedef {{ id?: number, method: keyof typeof METHODS, args: unknown[] }} Question */

addEventListener("message", async ({ data }) => {
  const { id, method, args } = /** @type {Question} */ (data);
  try {
    const answer = /** @type {(...args: unknown[]) => unknown} */ (METHODS[method]);
    const result = await answer(...args);
    if (id) postMessage({ id, result });
  } catch (error) {
    const { code, message } = explained(error);
    if (id) postMessage({ id, error: { code, message } });
  }
});
