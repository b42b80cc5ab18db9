// Write text with a model, one token at a time, and let other work of the thread happen between.

import { Cache } from "./cache.mjs";

/** @import { Model } from "./model.mjs" */
/** @import { Tokenizer } from "./tokenizer.mjs" */

const LONGEST_TURN = 30; // milliseconds of a pass before others get a turn

/**
 * @typedef {object} Options
 * @property {number} [maxTokens]
 * @property {boolean | Cache} [cache] whether to keep keys and values, or where: a cache that holds
 *   the text before is continued, and filled; the last token yielded is not in it
 * @property {number} [temperature] 0 takes the most likely token; above, tokens are drawn from
 *   softmax(logits / temperature)
 * @property {number} [seed] makes the draws repeatable
 * @property {Iterable<number>} [stopTokens] the text ends after one of these
 * @property {AbortSignal} [signal]
 */

/**
 * Continue a prompt.
 *
 * @param {Model} model
 * @param {Tokenizer} tokenizer
 * @param {string | number[]} prompt text, or token ids
 * @param {Options} [options]
 * @returns {AsyncGenerator<{ id: number, text: string, ms: number }>} each token, its text as far
 *   as its characters are complete, and the time of its pass
 * @throws {RangeError} at once, if an argument is out of range or the text would not fit
 */
export function generate(model, tokenizer, prompt, options = {}) {
  const {
    maxTokens = 64,
    cache = true,
    temperature = 0,
    seed = Math.floor(Math.random() * 2 ** 32),
    stopTokens = tokenizer.stopTokens,
    signal,
  } = options;
  const tokens = typeof prompt === "string" ? tokenizer.encode(prompt) : Array.from(prompt);
  const cached = cache instanceof Cache ? cache.seqPos : 0;
  const room = cache instanceof Cache ? cache.maxSeqLen : model.config.maxSeqLen;
  if (tokens.length === 0) throw new RangeError("the prompt is empty: expected at least one token");
  if (!Number.isInteger(maxTokens) || maxTokens < 0) {
    throw new RangeError(`maxTokens must be an integer of at least 0, got ${maxTokens}`);
  }
  if (cached + tokens.length + maxTokens - 1 > Math.min(room, model.config.maxSeqLen)) {
    throw new RangeError(
      `${cached + tokens.length} tokens of text and ${maxTokens} new ones exceed the ` +
        `${Math.min(room, model.config.maxSeqLen)} that fit`,
    );
  }
  const choose = sampler(temperature, seed);
  const settings = { maxTokens, cache, choose, stop: new Set(stopTokens), signal };
  return steps(model, tokenizer, tokens, settings);
}

/**
 * @param {Model} model
 * @param {Tokenizer} tokenizer
 * @param {number[]} prompt
 * @param {object} settings
 * @param {number} settings.maxTokens
 * @param {boolean | Cache} settings.cache
 * @param {(logits: Float32Array) => number} settings.choose
 * @param {Set<number>} settings.stop
 * @param {AbortSignal} [settings.signal]
 */
async function* steps(model, tokenizer, prompt, { maxTokens, cache, choose, stop, signal }) {
  const read = tokenizer.decodeStream();
  const own = cache === true ? model.newCache(prompt.length + maxTokens) : null;
  const kept = /** @type {Cache | null} */ (own ?? (cache || null));
  let inputs = prompt;
  try {
    for (let i = 0; i < maxTokens; i += 1) {
      const { logits, ms } = await pass(model, inputs, kept, signal);
      const id = choose(logits);
      yield { id, text: read(id), ms };
      if (stop.has(id)) return;
      inputs = kept ? [id] : [...inputs, id];
    }
  } finally {
    own?.free();
  }
}

/**
 * A forward pass in turns with what else the thread has to do, and its own milliseconds.
 *
 * @param {Model} model
 * @param {number[]} tokens
 * @param {Cache | null} cache
 * @param {AbortSignal} [signal]
 */
async function pass(model, tokens, cache, signal) {
  await nextTask();
  while (model.isBusy) await nextTask();
  signal?.throwIfAborted();
  /** @type {Iterator<number, Float32Array>} */
  const run = model.steps(tokens, cache?.seqPos ?? 0, cache, { lastOnly: true });
  let ms = 0;
  try {
    for (;;) {
      const start = performance.now();
      let step = run.next();
      while (!step.done && performance.now() - start < LONGEST_TURN) step = run.next();
      ms += performance.now() - start;
      if (step.done) return { logits: step.value, ms };
      await nextTask();
      signal?.throwIfAborted();
    }
  } finally {
    run.return?.();
  }
}

/** Resolves after the events that wait now; setTimeout would wait for 4 ms more. */
export async function nextTask() {
  const { port1, port2 } = new MessageChannel();
  port2.postMessage(null);
  await new Promise((resolve) => {
    port1.onmessage = resolve;
  });
  port1.close();
}

/**
 * A function that chooses a token from logits.
 *
 * @param {number} temperature
 * @param {number} seed
 * @returns {(logits: Float32Array) => number}
 */
export function sampler(temperature, seed) {
  if (!(temperature >= 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`temperature must be finite and at least 0, got ${temperature}`);
  }
  const random = uniform(seed);
  return (logits) => {
    const best = logits.reduce((most, logit, id) => (logit > logits[most] ? id : most), 0);
    if (temperature === 0) return best;
    const weights = Float64Array.from(logits, (x) => Math.exp((x - logits[best]) / temperature));
    let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
    for (const [id, weight] of weights.entries()) {
      left -= weight;
      if (left < 0) return id;
    }
    return best;
  };
}

/**
 * Numbers from 0 to below 1 (mulberry32 by Tommy Ettinger, public domain).
 *
 * @param {number} seed
 */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
