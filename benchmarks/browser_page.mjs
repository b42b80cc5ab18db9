// What benchmarks.browser runs in a page: the book's engine and wllama, with one way to ask both.

const NUM_WARM = 8;

async function file() {
  return (await fetch("model.gguf")).blob();
}

/** The book's engine, on this thread. */
export async function openEngine() {
  const { createEngine } = await import("./engine/engine.mjs");
  const { generate } = await import("./engine/generate.mjs");
  const blob = await file();
  const wasm = await (await fetch("./engine/kernels.wasm")).arrayBuffer();
  const start = performance.now();
  const engine = await createEngine({ wasm, fileBytes: blob.size });
  engine.weightsAt(0, blob.size).set(new Uint8Array(await blob.arrayBuffer()));
  const { model, tokenizer } = engine.open();
  const loadMs = performance.now() - start;

  async function write(ids, maxTokens) {
    const times = [];
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
  return { loadMs, write: ({ ids }, maxTokens) => write(ids, maxTokens) };
}

/** wllama on the processor, by the times that llama.cpp measures itself. */
export async function openWllama(threads) {
  const { Wllama, LoggerWithoutDebug } = await import("./wllama/index.js");
  const wllama = new Wllama(
    { default: new URL("./wllama/wasm/wllama.wasm", import.meta.url).href },
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

/** Milliseconds from a click on "start" to the first token, as a page of the book would wait. */
export async function timeFirstToken(question) {
  const { load } = await import("./engine/index.mjs");
  const start = performance.now();
  const model = await load("model/manifest.json");
  const ids = await model.tokenizer.encodeChat(question);
  await model.generate(ids, { maxTokens: 1 }).next();
  const ms = performance.now() - start;
  model.close();
  if (!model.kept) throw new Error("the browser did not keep the model's file");
  return { ms, tokens: ids.length };
}

window.openers = { engine: openEngine, wllama: openWllama };
window.timeFirstToken = timeFirstToken;
