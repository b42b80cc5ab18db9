// The engine as one classic script: pages that are opened from a file may import and fetch nothing.

import { EngineError } from "./errors.mjs";
import { createLoad } from "./load.mjs";
import { isKept, removeWeights } from "./store.mjs";

/**
 * Offer the engine as `tinytorchEngine`; bundle.py writes the call.
 * @param {object} parts
 * @param {string} parts.worker The worker's code.
 * @param {string} parts.kernels The WebAssembly, compressed, in base64.
 * @param {object | null} parts.manifest That of the site's model, where it has one.
 */
export function offer({ worker, kernels, manifest }) {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const base = new URL("../model/manifest.json", script.src).href;
  const load = createLoad({
    startWorker() {
      const url = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
      try {
        return new Worker(url);
      } finally {
        URL.revokeObjectURL(url);
      }
    },
    kernels() {
      const packed = new Blob([Uint8Array.from(atob(kernels), (c) => c.charCodeAt(0))]);
      const unpacked = packed.stream().pipeThrough(new DecompressionStream("gzip"));
      return new Response(unpacked).arrayBuffer();
    },
  });
  const site = manifest && { manifest, base };
  const tinytorchEngine = { load, isKept, removeWeights, EngineError, site };
  Object.assign(globalThis, { tinytorchEngine });
}
