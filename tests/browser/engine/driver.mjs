// What the tests call in a page: it loads files that the tests' server has into engines.

/** @import { Cache } from "../../../tinytorch/browser/cache.mjs" */
/** @import { Model } from "../../../tinytorch/browser/model.mjs" */

const ENGINE = "./engine"; // where the tests' folder has the package's modules

/** @type {typeof import("../../../tinytorch/browser/engine.mjs")} */
const { createEngine } = await import(`${ENGINE}/engine.mjs`);
/** @type {typeof import("../../../tinytorch/browser/generate.mjs")} */
const { generate } = await import(`${ENGINE}/generate.mjs`);
const wasm = await WebAssembly.compileStreaming(fetch(`${ENGINE}/kernels.wasm`));

/**
 * Load a GGUF file as it arrives.
 *
 * @param {string} name
 */
async function load(name) {
  const response = await fetch(name, { cache: "no-store" });
  const fileBytes = Number(response.headers.get("Content-Length"));
  const engine = await createEngine({ wasm, fileBytes });
  if (!response.body) throw new Error(`${name} has no body`);
  const reader = response.body.getReader();
  let offset = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { engine, ...engine.open() };
    engine.weightsAt(offset, value.length).set(value);
    offset += value.length;
  }
}

/**
 * The message of the error that a function throws, or null.
 *
 * @param {() => unknown} action
 */
async function errorOf(action) {
  try {
    await action();
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
  return null;
}

/**
 * Float32 numbers as text, without a digit lost.
 *
 * @param {Float32Array} numbers
 */
function encoded(numbers) {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

/**
 * Logits of a text fed in chunks of some sizes, one (T * vocab) array.
 *
 * @param {Model} model
 * @param {number[]} tokens
 * @param {number[]} sizes
 * @param {Cache | null} cache
 */
function feed(model, tokens, sizes, cache) {
  /** @type {Float32Array[]} */
  const parts = [];
  let at = 0;
  for (const size of sizes) {
    const position = cache ? cache.seqPos : 0;
    parts.push(model.forward(tokens.slice(at, at + size), position, cache));
    at += size;
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/**
 * @template Item
 * @param {AsyncIterable<Item>} iterator
 */
async function collect(iterator) {
  /** @type {Item[]} */
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

Object.assign(window, { collect, encoded, errorOf, feed, generate, load, isReady: true });
