// Sessions that do one thing otherwise, as the pages about bugs and about windows show in Python:
// the model is told other positions, its cache answers with other keys, or attention looks
// elsewhere. The engine knows nothing of them.

import { Cache, KEYS_READ_AHEAD } from "./cache.mjs";
import { nextTask } from "./generate.mjs";

/** @import { Config, ModelTensors } from "./config.mjs" */
/** @import { Kernels } from "./engine.mjs" */
/** @import { Memory } from "./memory.mjs" */
/** @import { Model, StepsOptions } from "./model.mjs" */

/** @typedef {ReturnType<Cache["update"]>} History keys and values, at their addresses */

const FLOAT = 4;

/** A model, a cache, and what joins them. This one is right. */
export class Session {
  static Cache = Cache;
  /** Tokens that the session itself puts before the text. */
  static before = 0;

  /**
   * @param {Model} model
   * @param {number} room tokens of text
   */
  constructor(model, room) {
    this.model = model;
    const { Cache, before } = /** @type {typeof Session} */ (this.constructor);
    this.cache = new Cache(model.memory, model.config, room + before);
    /**
     * What other tensors and kernels the model has during a pass of this session.
     *
     * @type {{ tensors?: ModelTensors, kernels?: Kernels }}
     */
    this.changes = {};
  }

  /**
   * What happens before the text.
   *
   * @param {AbortSignal} _signal
   */
  async begin(_signal) {}

  position() {
    return this.cache.seqPos;
  }

  /**
   * The pass over new tokens, layer by layer.
   *
   * @param {number[]} tokens
   * @param {StepsOptions} options
   */
  steps(tokens, options) {
    return this.model.steps(tokens, this.position(), this.cache, options);
  }

  /**
   * Run the model over new tokens, in turns with other work; return the last one's logits.
   *
   * @param {number[]} tokens
   * @param {AbortSignal} [signal]
   * @param {StepsOptions} [options]
   */
  async feed(tokens, signal, options = { lastOnly: true }) {
    while (this.model.isBusy) await nextTask();
    const { tensors, kernels } = this.model;
    Object.assign(this.model, this.changes);
    /** @type {Iterator<number, Float32Array>} */
    const pass = this.steps(tokens, options);
    try {
      for (;;) {
        const { done, value } = pass.next();
        if (done) return value;
        await nextTask();
        signal?.throwIfAborted();
      }
    } finally {
      pass.return?.();
      Object.assign(this.model, { tensors, kernels });
    }
  }

  /** Bytes of the keys and values that a cache of this kind keeps. */
  get bytes() {
    return this.cache.nbytesUsed;
  }

  free() {
    this.cache.free();
  }
}

/** Bug 1. A key of zeros takes its share of the softmax. */
class FirstTokenLost extends Cache {
  /** @param {number} numTokens */
  advance(numTokens) {
    const isFirst = this.seqPos === 0;
    super.advance(numTokens);
    if (isFirst) eachLayer(this, (entries) => clear(this, entries, 1));
  }
}

/** Bug 2. The history is read before the new token counts. */
class MissesItself extends Cache {
  /**
   * @param {number} layer
   * @param {number} key
   * @param {number} value
   * @param {number} numTokens
   */
  update(layer, key, value, numTokens) {
    const history = super.update(layer, key, value, numTokens);
    return this.seqPos ? this.get(layer) : history;
  }
}

/** Bug 3. */
class OffByOneSession extends Session {
  position() {
    return super.position() + (this.cache.seqPos > 0 ? 1 : 0);
  }
}

/** Bug 4. */
class NoPrefillSession extends Session {
  /**
   * @param {number[]} tokens
   * @param {StepsOptions} options
   */
  steps(tokens, options) {
    if (tokens.length > 1) return this.model.steps(tokens, 0, null, options);
    return super.steps(tokens, options);
  }
}

/** Bug 5. */
class LastLayerSession extends Session {
  /**
   * @param {Model} model
   * @param {number} room
   */
  constructor(model, room) {
    super(model, room);
    const { layers } = model.tensors;
    const { query, key, value, output } = layers[layers.length - 1];
    const wrong = layers.map((layer) => ({ ...layer, query, key, value, output }));
    this.changes = { tensors: { ...model.tensors, layers: wrong } };
  }
}

/** Bug 6. It shows in a second text. */
class LengthStays extends Cache {
  reset() {
    eachLayer(this, (entries) => clear(this, entries, this.seqPos));
  }
}

/** The texts before a reset, and left of the text: what they say does not matter. */
const OTHER_TEXT = [504, 338, 253, 216];
const PADDING = [0, 0, 0];

class SecondTextSession extends Session {
  static Cache = LengthStays;
  static before = OTHER_TEXT.length;

  /** @param {AbortSignal} signal */
  async begin(signal) {
    await this.feed(OTHER_TEXT, signal);
    this.cache.reset();
  }
}

/** Bug 7. The padding's keys are not attended to, but the position is that of the column. */
class WithoutPadding extends Cache {
  /**
   * @param {number} layer
   * @param {number} key
   * @param {number} value
   * @param {number} numTokens
   */
  update(layer, key, value, numTokens) {
    const history = super.update(layer, key, value, numTokens);
    return this.seqPos ? withoutFirst(this, history, PADDING.length) : history;
  }
}

class ColumnPositionsSession extends Session {
  static Cache = WithoutPadding;
  static before = PADDING.length;

  /** @param {AbortSignal} signal */
  async begin(signal) {
    await this.feed(PADDING, signal);
  }
}

const SHIFT = 100;

class ShiftedSession extends Session {
  position() {
    return super.position() + SHIFT;
  }
}

/** Once the prompt is read, its first token is gone: not zeroed, as in bug 1. */
class FirstTokenDropped extends Cache {
  /**
   * @param {number} layer
   * @param {number} key
   * @param {number} value
   * @param {number} numTokens
   */
  update(layer, key, value, numTokens) {
    const history = super.update(layer, key, value, numTokens);
    return this.seqPos ? withoutFirst(this, history, 1) : history;
  }

  get nbytesUsed() {
    return super.nbytesUsed - 2 * this.numLayers * this.tokenBytes;
  }
}

/** Attention to the first tokens and the last ones. It hides what a real cache would drop. */
class WindowSession extends Session {
  static window = 64;
  static numSinks = 0;

  /**
   * @param {Model} model
   * @param {number} room
   */
  constructor(model, room) {
    super(model, room);
    const { window, numSinks } = /** @type {typeof WindowSession} */ (this.constructor);
    this.kept = { first: numSinks, last: window - numSinks };
    this.window = window;
    this.partBytes = (window + KEYS_READ_AHEAD) * this.cache.tokenBytes;
    this.near = model.memory.allocate(2 * this.partBytes);
    this.attendAll = model.kernels.attend;
    this.changes = { kernels: { ...model.kernels, attend: this.attend.bind(this) } };
  }

  /**
   * Attend to what is seen; the arguments are those of the kernel.
   *
   * @param {number} query
   * @param {number} keys
   * @param {number} values
   * @param {number} out
   * @param {number} numTokens
   * @param {number} numKeys
   * @param {number} heads
   * @param {number} kvHeads
   * @param {number} headDim
   * @param {number} scores
   */
  attend(query, keys, values, out, numTokens, numKeys, heads, kvHeads, headDim, scores) {
    const row = heads * headDim * FLOAT;
    for (let t = 0; t < numTokens; t += 1) {
      const end = numKeys - numTokens + t + 1;
      const seen = end > this.window ? this.visible(keys, values, end) : [keys, values];
      const count = Math.min(end, this.window);
      const sizes = [1, count, heads, kvHeads, headDim];
      this.attendAll(query + t * row, ...seen, out + t * row, ...sizes, scores);
    }
  }

  /**
   * Put the entries that a token sees beside each other.
   *
   * @param {number} keys
   * @param {number} values
   * @param {number} end
   */
  visible(keys, values, end) {
    const { tokenBytes, memory } = this.cache;
    const { first, last } = this.kept;
    return [keys, values].map((part, i) => {
      const target = this.near + i * this.partBytes;
      memory.copy(target, part, first * tokenBytes);
      const recent = part + (end - last) * tokenBytes;
      memory.copy(target + first * tokenBytes, recent, last * tokenBytes);
      return target;
    });
  }

  get bytes() {
    const tokens = Math.min(this.cache.seqPos, this.window);
    return 2 * this.cache.numLayers * tokens * this.cache.tokenBytes;
  }

  free() {
    super.free();
    this.model.memory.free(this.near);
  }
}

class SinksSession extends WindowSession {
  static numSinks = 4;
}

/**
 * Keys and values as integers with scales: one for each token of a head, or for keys one for each
 * channel of the tokens of a pass. A token that comes alone has a channel's scale for itself: its
 * key stays as it is. The numbers are rounded, but held as floats; the bytes are counted.
 */
class Rounded extends Cache {
  static bits = 8;
  static byChannel = false;
  #bytes = 0;

  /**
   * @param {Memory} memory
   * @param {Config} config
   * @param {number} maxSeqLen
   */
  constructor(memory, config, maxSeqLen) {
    super(memory, config, maxSeqLen);
    this.headDim = config.headDim;
  }

  /**
   * @param {number} layer
   * @param {number} key
   * @param {number} value
   * @param {number} numTokens
   */
  update(layer, key, value, numTokens) {
    const { bits, byChannel } = /** @type {typeof Rounded} */ (this.constructor);
    const width = this.tokenBytes / FLOAT;
    /** @type {(part: number) => Float32Array} */
    const numbers = (part) => this.memory.floats(part, numTokens * width);
    if (byChannel) {
      for (let i = 0; i < width; i += 1) round(numbers(key), i, width, numTokens, bits);
    } else this.roundTokens(numbers(key), bits);
    this.roundTokens(numbers(value), bits);
    return super.update(layer, key, value, numTokens);
  }

  /**
   * @param {Float32Array} numbers (T, numKvHeads, headDim)
   * @param {number} bits
   */
  roundTokens(numbers, bits) {
    const { headDim } = this;
    for (let i = 0; i < numbers.length; i += headDim) round(numbers, i, 1, headDim, bits);
  }

  /** @param {number} numTokens */
  advance(numTokens) {
    super.advance(numTokens);
    const { bits, byChannel } = /** @type {typeof Rounded} */ (this.constructor);
    const width = this.tokenBytes / FLOAT;
    const byToken = numTokens * ((width * bits) / 8 + (width / this.headDim) * FLOAT);
    const channels = (numTokens * width * bits) / 8 + width * FLOAT;
    const alone = numTokens === 1 ? this.tokenBytes : channels;
    this.#bytes += this.numLayers * (byToken + (byChannel ? alone : byToken));
  }

  get nbytesUsed() {
    return this.#bytes;
  }
}

/**
 * Round `count` numbers, `step` apart, to integers with one scale.
 *
 * @param {Float32Array} numbers
 * @param {number} start
 * @param {number} step
 * @param {number} count
 * @param {number} bits
 */
function round(numbers, start, step, count, bits) {
  const end = start + count * step;
  let most = 0;
  for (let i = start; i < end; i += step) most = Math.max(most, Math.abs(numbers[i]));
  const scale = most / (2 ** (bits - 1) - 1) + 1e-12;
  for (let i = start; i < end; i += step) numbers[i] = Math.round(numbers[i] / scale) * scale;
}

/** A session with another cache. */
const keeping = (/** @type {typeof Cache} */ kind) =>
  class extends Session {
    static Cache = kind;
  };

/** @type {Record<string, typeof Session>} */
export const SESSIONS = {
  right: Session,
  "first-lost": keeping(FirstTokenLost),
  "misses-itself": keeping(MissesItself),
  "off-by-one": OffByOneSession,
  "no-prefill": NoPrefillSession,
  "last-layer": LastLayerSession,
  "length-stays": SecondTextSession,
  columns: ColumnPositionsSession,
  shifted: ShiftedSession,
  "first-dropped": keeping(FirstTokenDropped),
  window: WindowSession,
  sinks: SinksSession,
  "int8-token": keeping(Rounded),
  "int8-channel": keeping(
    class extends Rounded {
      static byChannel = true;
    },
  ),
  "int4-token": keeping(
    class extends Rounded {
      static bits = 4;
    },
  ),
  "int4-channel": keeping(
    class extends Rounded {
      static bits = 4;
      static byChannel = true;
    },
  ),
};

/**
 * @param {Cache} cache
 * @param {(entries: History) => void} change
 */
function eachLayer(cache, change) {
  for (let layer = 0; layer < cache.numLayers; layer += 1) change(cache.get(layer));
}

/**
 * Write zeros over the first tokens of a layer.
 *
 * @param {Cache} cache
 * @param {History} entries
 * @param {number} numTokens
 */
function clear(cache, { keys, values }, numTokens) {
  for (const part of [keys, values]) cache.memory.bytes(part, numTokens * cache.tokenBytes).fill(0);
}

/**
 * What is seen of a layer without its first tokens.
 *
 * @param {Cache} cache
 * @param {History} history
 * @param {number} count
 * @returns {History}
 */
function withoutFirst(cache, { keys, values, numKeys }, count) {
  const skipped = count * cache.tokenBytes;
  return { keys: keys + skipped, values: values + skipped, numKeys: numKeys - count };
}
