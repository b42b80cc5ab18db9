// What a session writes, how surprised it is by a given text, and the bytes that it keeps.

import { SESSIONS } from "./lab_sessions.mjs";

/** @import { Session } from "./lab_sessions.mjs" */
/** @import { Model } from "./model.mjs" */
/** @import { Tokenizer } from "./tokenizer.mjs" */

/**
 * @typedef {object} Experiment
 * @property {string} name one of SESSIONS
 * @property {number[]} prompt
 * @property {number} maxTokens
 * @property {number[]} text whose loss is wanted; none if it is empty
 * @property {number} start of its tokens that count
 * @property {boolean} onePass whether the text is read in one pass, or its tokens from `start` on
 *   one by one
 */

/**
 * What an experiment says next.
 *
 * @typedef {object} Finding
 * @property {number} [id] of a token that is written
 * @property {string} [text] of that token
 * @property {number} [bytes] that the session keeps in the end
 * @property {number} [read] tokens of the given text so far
 * @property {number} [of] tokens that will be read
 * @property {number} [loss] the mean of -ln p
 */

/**
 * Yields each token that is written, `{ id, text }`; then `{ bytes }`; then while the text is read
 * `{ read, of }`, and at last `{ loss }`.
 *
 * @param {Model} model
 * @param {Tokenizer} tokenizer
 * @param {Experiment} experiment
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Finding>}
 */
export async function* runExperiment(model, tokenizer, experiment, signal) {
  const { name, prompt, maxTokens, text } = experiment;
  const Session = SESSIONS[name];
  if (!Session) throw new RangeError(`no session is called ${name}`);
  yield* write(new Session(model, prompt.length + maxTokens), tokenizer, experiment, signal);
  if (text.length) yield* read(new Session(model, text.length), experiment, signal);
}

/**
 * @param {Session} session
 * @param {Tokenizer} tokenizer
 * @param {Experiment} experiment
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Finding>}
 */
async function* write(session, tokenizer, { prompt, maxTokens }, signal) {
  const decode = tokenizer.decodeStream();
  try {
    await session.begin(signal);
    let logits = await session.feed(prompt, signal);
    for (let i = 0; i < maxTokens; i += 1) {
      const id = likeliest(logits);
      yield { id, text: decode(id) };
      if (i + 1 < maxTokens) logits = await session.feed([id], signal);
    }
    yield { bytes: session.bytes };
  } finally {
    session.free();
  }
}

/**
 * @param {Session} session
 * @param {Experiment} experiment
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Finding>}
 */
async function* read(session, { text, start, onePass }, signal) {
  let sum = 0;
  const of = text.length - start;
  /** @type {(logits: Float32Array, at: number) => void} */
  const add = (logits, at) => {
    sum += surprise(logits, text[at]);
  };
  try {
    await session.begin(signal);
    if (onePass) {
      /** @type {(at: number, logits: Float32Array) => void} */
      const onLogits = (at, logits) => add(logits, at + 1);
      await session.feed(text.slice(0, -1), signal, { onLogits, from: start - 1 });
    } else {
      let logits = await session.feed(text.slice(0, start), signal);
      for (let at = start; at < text.length; at += 1) {
        if (at > start) logits = await session.feed([text[at - 1]], signal);
        add(logits, at);
        yield { read: at + 1 - start, of };
      }
    }
    yield { loss: sum / of };
  } finally {
    session.free();
  }
}

/** @param {Float32Array} logits */
const likeliest = (logits) =>
  logits.reduce((most, logit, at) => (logit > logits[most] ? at : most), 0);

/**
 * -ln p of a token.
 *
 * @param {Float32Array} logits
 * @param {number} id
 */
function surprise(logits, id) {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
  return Math.log(total) + most - logits[id];
}
