// A Llama-style transformer on the kernels: tokens in, logits out. It knows of caches only that
// they are told keys and values and answer with more of them; without one it does the same work.

import { Cache, KEYS_READ_AHEAD } from "./cache.mjs";
import { findTensors, readConfig } from "./config.mjs";
import { BLOCKS } from "./gguf.mjs";

/** @import { Layer } from "./config.mjs" */
/** @import { Kernels } from "./engine.mjs" */
/** @import { GGUF, Tensor } from "./gguf.mjs" */
/** @import { Memory } from "./memory.mjs" */

/** @typedef {ArrayLike<number> & Iterable<number>} Tokens */

/**
 * @typedef {object} StepsOptions
 * @property {boolean} [lastOnly] whether only the last token's logits are wanted
 * @property {(token: number, logits: Float32Array) => void} [onLogits] gets the logits of the
 *   tokens from `from` on instead, one by one
 * @property {number} [from]
 */

/**
 * Addresses of the arrays of a pass over T tokens; `address` is where they all begin.
 *
 * @typedef {Record<"numTokens" | "address" | ArrayName, number>} Arrays
 * @typedef {"x" | "normed" | "query" | "key" | "value" | "gate" | "up" | "activations" | "turns" |
 *   "scores" | "unpacked"} ArrayName
 */

const FLOAT = 4;
const LOGITS_AT_ONCE = 8; // tokens
const TOKEN_BLOCK = 64; // texts without a cache grow by a token: their arrays need not
const UNPACKED_BLOCK = 576; // bytes of `unpacked` in kernels.c, for 32 columns

export class Model {
  /**
   * @param {GGUF} gguf
   * @param {object} engine
   * @param {Memory} engine.memory
   * @param {Kernels} engine.kernels
   * @param {number} engine.weights where the file begins in memory
   */
  constructor(gguf, { memory, kernels, weights }) {
    this.config = readConfig(gguf);
    this.tensors = findTensors(this.config, gguf.tensors);
    this.memory = memory;
    this.kernels = kernels;
    this.weights = weights;
    /** Whether a pass is under way: the model has memory for one at a time. */
    this.isBusy = false;
    /** @type {Arrays | null} */
    this.scratch = null;
    const { headDim, ropeTheta } = this.config;
    this.frequencies = Float64Array.from(
      { length: headDim / 2 },
      (_, i) => ropeTheta ** ((-2 * i) / headDim),
    );
  }

  /** A cache for `maxSeqLen` tokens of this model. */
  newCache(maxSeqLen = this.config.maxSeqLen) {
    return new Cache(this.memory, this.config, maxSeqLen);
  }

  /**
   * One forward pass.
   *
   * @param {Tokens} tokens T token ids
   * @param {number} [position] of the first one in the text
   * @param {Cache | null} [cache] keys and values of the text before; it is told the new ones
   * @param {{ lastOnly?: boolean }} [options] whether only the last token's logits are wanted
   * @returns {Float32Array} logits (T, vocabSize), or (vocabSize)
   */
  forward(tokens, position, cache, options) {
    const steps = this.steps(tokens, position, cache, options);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  /**
   * The pass of `forward`, which can be left after each layer: yields how many are done.
   *
   * @param {Tokens} tokens
   * @param {number} [position]
   * @param {Cache | null} [cache]
   * @param {StepsOptions} [options]
   * @returns {Generator<number, Float32Array, void>}
   */
  *steps(tokens, position = 0, cache = null, { lastOnly = false, onLogits, from = 0 } = {}) {
    this.#check(tokens, position);
    if (this.isBusy) throw new Error("another pass of this model is under way");
    this.isBusy = true;
    try {
      const arrays = this.#arrays(tokens.length);
      this.#embed(tokens, arrays.x);
      this.#fillTurns(tokens.length, position, arrays.turns);
      for (const [i, layer] of this.tensors.layers.entries()) {
        this.#attention(layer, i, tokens.length, cache, arrays);
        this.#mlp(layer, tokens.length, arrays);
        yield i + 1;
      }
      if (onLogits) yield* this.#eachLogits(from, tokens.length, onLogits, arrays);
      const first = lastOnly || onLogits ? tokens.length - 1 : 0;
      const logits = this.#logits(first, tokens.length - first, arrays);
      cache?.advance(tokens.length);
      return logits;
    } finally {
      this.isBusy = false;
    }
  }

  /**
   * @param {Tokens} tokens
   * @param {number} position
   */
  #check(tokens, position) {
    const { vocabSize, maxSeqLen } = this.config;
    if (tokens.length === 0) throw new RangeError("expected at least one token, got none");
    for (const token of tokens) {
      if (!Number.isInteger(token) || token < 0 || token >= vocabSize) {
        throw new RangeError(`tokens must be integers from 0 to ${vocabSize - 1}, got ${token}`);
      }
    }
    if (!Number.isInteger(position) || position < 0) {
      throw new RangeError(`position must be an integer of at least 0, got ${position}`);
    }
    if (position + tokens.length > maxSeqLen) {
      throw new RangeError(
        `${tokens.length} tokens at position ${position} exceed the context of ${maxSeqLen}`,
      );
    }
  }

  /**
   * Addresses of the arrays of a pass over T tokens, or some more; kept for the next one.
   *
   * @param {number} least
   * @returns {Arrays}
   */
  #arrays(least) {
    if (this.scratch && this.scratch.numTokens >= least) return this.scratch;
    if (this.scratch) this.memory.free(this.scratch.address);
    this.scratch = null;
    const numTokens = Math.ceil(least / TOKEN_BLOCK) * TOKEN_BLOCK;
    const { embedDim, numHeads, numKvHeads, headDim, mlpDim, maxSeqLen } = this.config;
    const queryDim = numHeads * headDim;
    const keyDim = numKvHeads * headDim;
    const widest = Math.max(embedDim, queryDim, mlpDim);
    const keys = (numTokens + KEYS_READ_AHEAD) * keyDim;
    const lengths = {
      x: numTokens * embedDim,
      normed: numTokens * Math.max(embedDim, queryDim),
      query: numTokens * queryDim,
      key: keys,
      value: keys,
      gate: numTokens * mlpDim,
      up: numTokens * Math.max(mlpDim, embedDim),
      activations: numTokens * widest, // 2 bytes for each number, and 8 for each block of 32
      turns: numTokens * headDim,
      scores: maxSeqLen + KEYS_READ_AHEAD,
      unpacked: ((widest / 32) * UNPACKED_BLOCK) / FLOAT,
    };
    const total = Object.values(lengths).reduce((sum, length) => sum + length + 3, 0);
    const address = this.memory.allocate(total * FLOAT);
    const arrays = /** @type {Arrays} */ ({ numTokens, address });
    let next = address;
    for (const [name, length] of Object.entries(lengths)) {
      arrays[/** @type {ArrayName} */ (name)] = next;
      next += Math.ceil(length / 4) * 4 * FLOAT;
    }
    this.scratch = arrays;
    return arrays;
  }

  /**
   * @param {Tokens} tokens
   * @param {number} out
   */
  #embed(tokens, out) {
    const { embedDim } = this.config;
    const { type, offset } = this.tensors.embedding;
    const rowBytes = (embedDim / BLOCKS[type].size) * BLOCKS[type].bytes;
    for (const [t, token] of Array.from(tokens).entries()) {
      const row = this.weights + offset + token * rowBytes;
      const target = out + t * embedDim * FLOAT;
      if (type === "F32") this.memory.copy(target, row, rowBytes);
      else this.kernels[`read_row_${type.toLowerCase()}`](row, target, embedDim);
    }
  }

  /**
   * Cosine and sine of each token's angles (T, headDim / 2, 2), in double precision first.
   *
   * @param {number} numTokens
   * @param {number} position
   * @param {number} address
   */
  #fillTurns(numTokens, position, address) {
    const { headDim } = this.config;
    const turns = this.memory.floats(address, numTokens * headDim);
    for (let t = 0; t < numTokens; t += 1) {
      this.frequencies.forEach((frequency, i) => {
        turns[t * headDim + 2 * i] = Math.cos((position + t) * frequency);
        turns[t * headDim + 2 * i + 1] = Math.sin((position + t) * frequency);
      });
    }
  }

  /**
   * @param {Layer} layer
   * @param {number} index
   * @param {number} numTokens
   * @param {Cache | null} cache
   * @param {Arrays} arrays
   */
  #attention(layer, index, numTokens, cache, arrays) {
    const { numHeads, numKvHeads, headDim, maxSeqLen } = this.config;
    const { x, normed, query, key, value, turns, scores, up } = arrays;
    this.#norm(x, layer.attentionNorm, normed, numTokens, arrays);
    this.#multiply(layer.query, normed, query, numTokens, arrays);
    this.#multiply(layer.key, normed, key, numTokens, arrays);
    this.#multiply(layer.value, normed, value, numTokens, arrays);
    this.kernels.rotate(query, turns, numTokens, numHeads, headDim);
    this.kernels.rotate(key, turns, numTokens, numKvHeads, headDim);
    const seen = cache?.update(index, key, value, numTokens) ?? {
      keys: key,
      values: value,
      numKeys: numTokens,
    };
    if (seen.numKeys > maxSeqLen || seen.numKeys < numTokens) {
      throw new RangeError(`${seen.numKeys} keys: expected from ${numTokens} to ${maxSeqLen}`);
    }
    const { keys, values, numKeys } = seen;
    const sizes = [numTokens, numKeys, numHeads, numKvHeads, headDim];
    this.kernels.attend(query, keys, values, normed, ...sizes, scores);
    this.#quantise(normed, layer.output, numTokens, arrays);
    this.#multiply(layer.output, normed, up, numTokens, arrays);
    this.#addTo(x, up, numTokens);
  }

  /**
   * @param {Layer} layer
   * @param {number} numTokens
   * @param {Arrays} arrays
   */
  #mlp(layer, numTokens, arrays) {
    const { x, normed, gate, up } = arrays;
    this.#norm(x, layer.mlpNorm, normed, numTokens, arrays);
    this.#multiply(layer.gate, normed, gate, numTokens, arrays);
    this.#multiply(layer.up, normed, up, numTokens, arrays);
    this.kernels.swiglu(gate, up, numTokens * this.config.mlpDim);
    this.#quantise(gate, layer.down, numTokens, arrays);
    this.#multiply(layer.down, gate, up, numTokens, arrays);
    this.#addTo(x, up, numTokens);
  }

  /**
   * Tell logits in blocks, which take less memory than those of a whole text.
   *
   * @param {number} from
   * @param {number} numTokens
   * @param {NonNullable<StepsOptions["onLogits"]>} onLogits
   * @param {Arrays} arrays
   */
  *#eachLogits(from, numTokens, onLogits, arrays) {
    const { numLayers, vocabSize } = this.config;
    for (let first = from; first < numTokens; first += LOGITS_AT_ONCE) {
      const count = Math.min(LOGITS_AT_ONCE, numTokens - first);
      const logits = this.#logits(first, count, arrays);
      for (let i = 0; i < count; i += 1) {
        onLogits(first + i, logits.subarray(i * vocabSize, (i + 1) * vocabSize));
      }
      yield numLayers;
    }
  }

  /**
   * @param {number} first
   * @param {number} count
   * @param {Arrays} arrays
   */
  #logits(first, count, arrays) {
    const { embedDim, vocabSize } = this.config;
    const { finalNorm, head } = this.tensors;
    const x = arrays.x + first * embedDim * FLOAT;
    this.#norm(x, finalNorm, arrays.normed, count, arrays);
    const address = this.memory.allocate(count * vocabSize * FLOAT);
    try {
      this.#multiply(head, arrays.normed, address, count, arrays);
      return this.memory.floats(address, count * vocabSize).slice();
    } finally {
      this.memory.free(address);
    }
  }

  /**
   * Normalise, and make ready for the products that follow.
   *
   * @param {number} x
   * @param {Tensor} weights
   * @param {number} out
   * @param {number} numTokens
   * @param {Arrays} arrays
   */
  #norm(x, { offset }, out, numTokens, arrays) {
    const { embedDim, normEps } = this.config;
    this.kernels.rms_norm(x, this.weights + offset, out, numTokens, embedDim, normEps);
    this.kernels.quantise(out, arrays.activations, numTokens, embedDim);
  }

  /**
   * @param {number} x
   * @param {Tensor} weights which `x` is multiplied with
   * @param {number} numTokens
   * @param {Arrays} arrays
   */
  #quantise(x, { shape }, numTokens, arrays) {
    this.kernels.quantise(x, arrays.activations, numTokens, shape[1]);
  }

  /**
   * out (T, rows) = x times the rows of a tensor; x was quantised last.
   *
   * @param {Tensor} weights
   * @param {number} x
   * @param {number} out
   * @param {number} numTokens
   * @param {Arrays} arrays
   */
  #multiply({ type, offset, shape }, x, out, numTokens, arrays) {
    const [rows, columns] = shape;
    const input = type === "F32" ? x : arrays.activations;
    const kernel = this.kernels[`multiply_${type.toLowerCase()}`];
    kernel(this.weights + offset, input, out, numTokens, columns, rows, arrays.unpacked);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} numTokens
   */
  #addTo(x, y, numTokens) {
    this.kernels.add_to(x, y, numTokens * this.config.embedDim);
  }
}
