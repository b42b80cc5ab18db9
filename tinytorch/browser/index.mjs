// The engine for pages that import modules; engine.js is the same for classic scripts and files.

import { EngineError } from "./errors.mjs";
import { createLoad } from "./load.mjs";
import { isKept, removeWeights } from "./store.mjs";

const beside = (/** @type {string} */ name) => new URL(name, import.meta.url);

export const load = createLoad({
  startWorker: () => new Worker(beside("worker.mjs"), { type: "module" }),
  kernels: async () => (await fetch(beside("kernels.wasm"))).arrayBuffer(),
});

export { EngineError, isKept, removeWeights };
