// What benchmarks.browser runs in a page: the book's engine and wllama, with one way to ask both.

const NUM_WARM = 8;
/** The benchmark's server has the package's modules here, and wllama's beside them. */
const [ENGINE, WLLAMA] = ["./engine", "./wllama"];

/** @typedef {{ ids: number[], text: string }} Prompt */
/** @typedef {{ prefillMs: number, decodeMs: number, text: string }} Written */

async function file() {
  return (await fetch("model.gguf")).blob();
}

/** The book's engine, on this thread. */
async function openEngine() {
  /** @type {typeof import("../tinytorch/browser/engine.mjs")} */
  const { createEngine } = await import(`${ENGINE}/engine.mjs`);
  /** @type {typeof import("../tinytorch/browser/generate.mjs")} */
  const { generate } = await import(`${ENGINE}/generate.mjs`);
  const blob = await file();
  const wasm = await (await fetch(`${ENGINE}/kernels.wasm`)).arrayBuffer();
  const start = performance.now();
  const engine = await createEngine({ wasm, fileBytes: blob.size });
  engine.weightsAt(0, blob.size).set(new Uint8Array(await blob.arrayBuffer()));
  const { model, tokenizer } = engine.open();
  const loadMs = performance.now() - start;

  /**
   * @param {number[]} ids
   * @param {number} maxTokens
   * @returns {Promise<Written>}
   */
  async function write(ids, maxTokens) {
    /** @type {number[]} */
    const times = [];
    /** @type {number[]} */
    const tokens = [];
    for await (const { id, ms } of generate(model, tokenizer, ids, { maxTokens, stopTokens: [] })) {
      times.push(ms);
      tokens.push(id);
    }
    const [prefillMs, ...decodeMs] = times;
    const decoded = decodeMs.reduce((sum, ms) => sum + ms, 0) / decodeMs.length;
    return { prefillMs, decodeMs: decoded, text: tokenizer.decode(tokens) };
  }
  await write([1, 2, 3, 4, 5], NUM_WARM);
  /** @type {(prompt: Prompt, maxTokens: number) => Promise<Written>} */
  const writePrompt = ({ ids }, maxTokens) => write(ids, maxTokens);
  return { loadMs, write: writePrompt };
}

/**
 * wllama on the processor, by the times that llama.cpp measures itself.
 *
 * @param {number} threads
 */
async function openWllama(threads) {
  const { Wllama, LoggerWithoutDebug } = await import(`${WLLAMA}/index.js`);
  const wllama = new Wllama(
    { default: new URL(`${WLLAMA}/wasm/wllama.wasm`, import.meta.url).href },
    { suppressNativeLog: true, logger: LoggerWithoutDebug },
  );
  const blob = await file();
  const start = performance.now();
  await wllama.loadModel([blob], {
    n_ctx: 1024,
    n_threads: threads,
    n_gpu_layers: 0,
    n_parallel: 1,
    warmup: true,
  });
  const loadMs = performance.now() - start;
  const used = wllama.isMultithread() ? wllama.getNumThreads() : 1;
  if (used !== threads) throw new Error(`wllama runs on ${used} threads: expected ${threads}`);

  /**
   * @param {{ text: string, ids?: number[] }} prompt
   * @param {number} maxTokens
   * @returns {Promise<Written>}
   */
  async function write({ text, ids }, maxTokens) {
    const options = { prompt: text, max_tokens: maxTokens, temp: 0, ignore_eos: true };
    const { choices, timings } = await wllama.createCompletion(options);
    if (ids && timings.prompt_n !== ids.length) {
      throw new Error(`wllama read ${timings.prompt_n} tokens: expected ${ids.length}`);
    }
    return {
      prefillMs: timings.prompt_ms,
      decodeMs: timings.predicted_per_token_ms,
      text: choices[0].text,
    };
  }
  await write({ text: "One two three four" }, NUM_WARM);
  return { loadMs, write };
}

/**
 * Milliseconds from a click on "start" to the first token, as a page of the book would wait.
 *
 * @param {string} question
 */
async function timeFirstToken(question) {
  /** @type {typeof import("../tinytorch/browser/index.mjs")} */
  const { load } = await import(`${ENGINE}/index.mjs`);
  const start = performance.now();
  const model = await load("model/manifest.json");
  const ids = await model.tokenizer.encodeChat(question);
  await model.generate(ids, { maxTokens: 1 }).next();
  const ms = performance.now() - start;
  model.close();
  if (!model.kept) throw new Error("the browser did not keep the model's file");
  return { ms, tokens: ids.length };
}

Object.assign(window, { openers: { engine: openEngine, wllama: openWllama }, timeFirstToken });
