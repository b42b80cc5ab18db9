// The model for a page: loaded when asked, run in a worker, closed when it is no longer needed.

import { Channel } from "./channel.mjs";
import { EngineError } from "./errors.mjs";
import { readFiles } from "./files.mjs";

/** @import { Config } from "./config.mjs" */
/** @import { Manifest } from "./pieces.mjs" */
/** @import { Progress } from "./progress.mjs" */

/** A function that returns a 128-bit vector: valid where the browser has WebAssembly SIMD. */
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0,
].concat([65, 0, 253, 15, 253, 98, 11]);

const CHOOSE =
  "A page that is opened from a file may read no other: please choose the pieces of the model.";
const NOT_KEPT = "This browser keeps no copy of the model, so the next visit loads it again.";

/** Refuse a browser that cannot run the engine, before anything is fetched. */
function checkBrowser() {
  /** @type {(code: string, what: string) => EngineError} */
  const lacks = (code, what) => new EngineError(code, `This browser has no ${what}.`);
  if (typeof Worker === "undefined") throw lacks("no-worker", "web workers");
  if (typeof WebAssembly === "undefined") throw lacks("no-wasm", "WebAssembly");
  if (!WebAssembly.validate(new Uint8Array(SIMD))) throw lacks("no-simd", "WebAssembly SIMD");
}

/**
 * @param {string | URL} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<Manifest>}
 */
async function fetchManifest(url, signal) {
  try {
    const response = await fetch(url, { signal, cache: "no-cache" });
    const manifest = response.ok ? JSON.parse(await response.text()) : null;
    if (manifest?.pieces?.length) return manifest;
    throw new EngineError("missing", `This site has no model (status ${response.status}).`);
  } catch (error) {
    if (signal?.aborted || error instanceof EngineError) throw error;
    if (error instanceof SyntaxError) {
      throw new EngineError(
        "missing",
        "This site has no model: its list of pieces cannot be read.",
      );
    }
    const text = "The list of the model's pieces could not be read: the connection broke.";
    throw new EngineError("network", text);
  }
}

/**
 * @typedef {object} Host How a page starts the engine.
 * @property {() => Worker} startWorker
 * @property {() => Promise<ArrayBuffer>} kernels
 */

/**
 * @typedef {object} Options
 * @property {(progress: Progress) => void} [onProgress]
 * @property {AbortSignal} [signal] Ends the loading; what has arrived is kept.
 * @property {Iterable<Blob>} [files] The model's file or its pieces, chosen by the reader.
 */

/**
 * Make `load` for a host.
 * @param {Host} host
 */
export function createLoad(host) {
  /**
   * Load a model: from this browser where it is kept, else from the site.
   * @param {string | URL | {manifest: Manifest, base: string}} source The manifest's address, or
   *   a manifest with the address that its pieces lie beside.
   * @param {Options} [options]
   * @returns {Promise<Model>}
   */
  return async function load(source, { onProgress = () => {}, signal, files } = {}) {
    checkBrowser();
    signal?.throwIfAborted();
    const isAddress = typeof source === "string" || source instanceof URL;
    const base = new URL(isAddress ? source : source.base, document.baseURI).href;
    if (!files && base.startsWith("file:")) throw new EngineError("choose", CHOOSE);
    const manifest = isAddress ? await fetchManifest(base, signal) : source.manifest;
    const wasm = await host.kernels().catch(() => {
      throw new EngineError("network", "The engine could not be fetched: the connection broke.");
    });
    signal?.throwIfAborted();
    const channel = new Channel(host.startWorker(), onProgress);
    try {
      await channel.watch(signal);
      await channel.ask("create", [wasm, manifest], signal);
      const take = (/** @type {ArrayBuffer} */ bytes) => channel.ask("take", [bytes], signal);
      if (files) await readFiles({ manifest, files: [...files], take, onProgress });
      const kept = files ? false : await channel.ask("fetch", [base], signal);
      const config = await channel.ask("open", [], signal);
      return new Model(channel, { manifest, kept, config });
    } catch (error) {
      channel.end(new EngineError("closed", "The model was not loaded."));
      throw error;
    }
  };
}

/** A model that runs in its worker. */
export class Model {
  #channel;
  /**
   * @param {Channel} channel
   * @param {{manifest: Manifest, kept: boolean, config: Config}} about
   */
  constructor(channel, { manifest, kept, config }) {
    this.#channel = channel;
    this.manifest = manifest;
    /** The model's sizes. */
    this.config = config;
    /** Whether this browser keeps the weights, so that they need not be fetched again. */
    this.kept = kept;
    /** What to tell the reader about that, if anything. */
    this.note = kept ? "" : NOT_KEPT;
    /** Text to tokens and back. The tokenizer is in the worker, so these give promises. */
    this.tokenizer = {
      /** @type {(text: string) => Promise<number[]>} */
      encode: (text) => channel.ask("tokenizer", ["encode", text]),
      /** @type {(question: string | {role: string, content: string}[]) => Promise<number[]>} */
      encodeChat: (question) => channel.ask("tokenizer", ["encodeChat", question]),
      /** @type {(ids: number[]) => Promise<string>} */
      decode: (ids) => channel.ask("tokenizer", ["decode", ids]),
    };
  }

  /**
   * Generate token by token. A token is computed when it is asked for: to pause, do not ask. An
   * aborted signal ends the iteration with its reason, at once, even within a prefill.
   * @param {string | number[]} textOrIds
   * @param {{maxTokens?: number, cache?: boolean, temperature?: number, seed?: number,
   *   stopTokens?: number[], signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<{id: number, text: string, ms: number}, void>}
   */
  generate(textOrIds, { signal, ...options } = {}) {
    return this.#run("generate", [textOrIds, options], signal);
  }

  /**
   * Run a session of the lab, whose cache may be wrong: lab.mjs says what is yielded.
   * @param {import("./lab.mjs").Experiment} experiment
   * @param {AbortSignal} [signal]
   * @returns {AsyncGenerator<import("./lab.mjs").Finding, void>}
   */
  experiment(experiment, signal) {
    return this.#run("experiment", [experiment], signal);
  }

  /**
   * @returns {AsyncGenerator}
   * @param {string} method
   * @param {unknown[]} args
   * @param {AbortSignal} [signal]
   */
  async *#run(method, args, signal) {
    const run = await this.#channel.ask(method, args, signal);
    try {
      for (;;) {
        const { value, done } = await this.#channel.ask("next", [run], signal);
        if (done) return value;
        yield value;
      }
    } finally {
      this.#channel.tell("stop", [run]);
    }
  }

  /** Stop the worker and give its memory back. */
  close() {
    this.#channel.end(new EngineError("closed", "The model was closed."));
  }
}
