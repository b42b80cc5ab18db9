// What the tests call in a page: it loads files that the tests' server has into engines.

import { createEngine } from "./engine/engine.mjs";
import { generate } from "./engine/generate.mjs";

const wasm = await WebAssembly.compileStreaming(fetch("./engine/kernels.wasm"));

/** Load a GGUF file as it arrives. */
async function load(name) {
  const response = await fetch(name, { cache: "no-store" });
  const fileBytes = Number(response.headers.get("Content-Length"));
  const engine = await createEngine({ wasm, fileBytes });
  const reader = response.body.getReader();
  let offset = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { engine, ...engine.open() };
    engine.weightsAt(offset, value.length).set(value);
    offset += value.length;
  }
}

/** The message of the error that a function throws, or null. */
async function errorOf(action) {
  try {
    await action();
  } catch (error) {
    return error.message;
  }
  return null;
}

/** Float32 numbers as text, without a digit lost. */
function encoded(numbers) {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

/** Logits of a text fed in chunks of some sizes, one (T * vocab) array. */
function feed(model, tokens, sizes, cache) {
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

async function collect(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

Object.assign(window, { collect, encoded, errorOf, feed, generate, load });
window.isReady = true;
