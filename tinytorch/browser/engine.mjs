// The kernels, the memory that they share with JavaScript, and the model's file in it.

import { parseGGUF } from "./gguf.mjs";
import { Memory } from "./memory.mjs";
import { Model } from "./model.mjs";
import { Tokenizer } from "./tokenizer.mjs";

/**
 * The functions of kernels.c: they take addresses, sizes and scales.
 *
 * @typedef {Record<string, (...args: number[]) => void>} Kernels
 */

const PAGE = 65_536;

/**
 * Make room for a model's file. Its bytes are written into `weightsAt(...)` as they arrive, from
 * any end; `open` then reads them where they lie.
 *
 * @param {object} parts
 * @param {BufferSource | WebAssembly.Module} parts.wasm kernels.wasm
 * @param {number} parts.fileBytes
 */
export async function createEngine({ wasm, fileBytes }) {
  const module = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
  const memory = new Memory(PAGE); // the kernels' own: their stack
  const weights = memory.allocate(fileBytes);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory: memory.wasm } });
  return new Engine(memory, /** @type {Kernels} */ (exports), weights, fileBytes);
}

class Engine {
  /**
   * @param {Memory} memory
   * @param {Kernels} kernels
   * @param {number} weights where the file begins in memory
   * @param {number} fileBytes
   */
  constructor(memory, kernels, weights, fileBytes) {
    this.memory = memory;
    this.kernels = kernels;
    this.weights = weights;
    this.fileBytes = fileBytes;
  }

  /**
   * A view of the file's bytes in memory, good until something else is allocated.
   * @param {number} offset
   * @param {number} length
   */
  weightsAt(offset, length) {
    if (offset < 0 || offset + length > this.fileBytes) {
      throw new RangeError(`bytes ${offset} to ${offset + length}: the file has ${this.fileBytes}`);
    }
    return this.memory.bytes(this.weights + offset, length);
  }

  /** Read the complete file: the model, and the tokenizer that it carries. */
  open() {
    const gguf = parseGGUF(this.weightsAt(0, this.fileBytes));
    return { model: new Model(gguf, this), tokenizer: new Tokenizer(gguf.metadata) };
  }
}
