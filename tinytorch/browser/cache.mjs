// Keys and values of every past token, for every layer: tinytorch's KVCache, for one sequence.

const FLOAT = 4;

/** Keys that the kernel may read past the last one, without using them. */
export const KEYS_READ_AHEAD = 3;

/**
 * A forward pass over T new tokens calls `update` in each layer, then `advance` once. Until then
 * the new entries do not count: a pass that fails or is abandoned leaves the cache as it was.
 *
 * Keys and values of a layer are float32 of shape (maxSeqLen, numKvHeads, headDim), in the memory
 * of the kernels; addresses stand for arrays.
 */
export class Cache {
  /** Tokens that are committed. */
  seqPos = 0;
  /** @type {number[]} New tokens that each layer has written. */
  written = [];

  /**
   * @param {import("./memory.mjs").Memory} memory
   * @param {{ numLayers: number, numKvHeads: number, headDim: number }} config
   * @param {number} maxSeqLen tokens that fit
   */
  constructor(memory, { numLayers, numKvHeads, headDim }, maxSeqLen) {
    requireInteger("maxSeqLen", maxSeqLen, 1, Number.MAX_SAFE_INTEGER);
    this.memory = memory;
    this.maxSeqLen = maxSeqLen;
    this.numLayers = numLayers;
    this.tokenBytes = numKvHeads * headDim * FLOAT;
    this.address = memory.allocate(this.nbytes + KEYS_READ_AHEAD * this.tokenBytes);
    this.#commit(0);
  }

  /** Bytes of keys and values. */
  get nbytes() {
    return 2 * this.numLayers * this.maxSeqLen * this.tokenBytes;
  }

  /** Bytes that hold committed tokens. */
  get nbytesUsed() {
    return 2 * this.numLayers * this.seqPos * this.tokenBytes;
  }

  /**
   * Write the keys and values of new tokens behind the committed ones.
   *
   * @param {number} layer
   * @param {number} key address of (T, numKvHeads, headDim)
   * @param {number} value as `key`
   * @param {number} numTokens T
   * @returns {{ keys: number, values: number, numKeys: number }} the history and the new tokens
   * @throws {RangeError} if they do not fit; nothing is written then
   */
  update(layer, key, value, numTokens) {
    requireInteger("layer", layer, 0, this.numLayers - 1);
    requireInteger("numTokens", numTokens, 1, Number.MAX_SAFE_INTEGER);
    const numKeys = this.seqPos + numTokens;
    if (numKeys > this.maxSeqLen) {
      throw new RangeError(
        `cache overflow: ${this.seqPos} tokens cached and ${numTokens} new exceed ` +
          `maxSeqLen=${this.maxSeqLen}`,
      );
    }
    const { keys, values } = this.#layer(layer);
    const behind = this.seqPos * this.tokenBytes;
    this.memory.copy(keys + behind, key, numTokens * this.tokenBytes);
    this.memory.copy(values + behind, value, numTokens * this.tokenBytes);
    this.written[layer] = numTokens;
    return { keys, values, numKeys };
  }

  /** Commit the first `numTokens` that every layer has written: once for each forward pass. */
  advance(numTokens = 1) {
    const fewest = Math.min(...this.written);
    const most = Math.max(...this.written);
    if (fewest !== most) {
      throw new RangeError(
        `layers out of step: layer ${this.written.indexOf(most)} has written ${most} tokens, ` +
          `layer ${this.written.indexOf(fewest)} ${fewest}`,
      );
    }
    requireInteger("numTokens", numTokens, 1, fewest);
    this.#commit(this.seqPos + numTokens);
  }

  /**
   * The committed keys and values of a layer.
   * @param {number} layer
   */
  get(layer) {
    requireInteger("layer", layer, 0, this.numLayers - 1);
    return { ...this.#layer(layer), numKeys: this.seqPos };
  }

  /**
   * Forget all but the first `seqLen` tokens.
   * @param {number} seqLen
   */
  truncate(seqLen) {
    requireInteger("seqLen", seqLen, 0, this.seqPos);
    this.#commit(seqLen);
  }

  /** Forget every token. The memory is kept. */
  reset() {
    this.#commit(0);
  }

  /** Give the memory back; the cache can no longer be used. */
  free() {
    this.memory.free(this.address);
    this.maxSeqLen = 0;
    this.#commit(0);
  }

  /** @param {number} layer */
  #layer(layer) {
    const bytes = this.maxSeqLen * this.tokenBytes;
    const keys = this.address + 2 * layer * bytes;
    return { keys, values: keys + bytes };
  }

  /** @param {number} seqPos */
  #commit(seqPos) {
    this.seqPos = seqPos;
    this.written = new Array(this.numLayers).fill(0);
  }
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function requireInteger(name, value, least, most) {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} must be an integer from ${least} to ${most}, got ${value}`);
}
