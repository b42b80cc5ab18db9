// Who holds which block, which are free, and what text is in them: tinytorch.serving.blocks again.

export const blocksFor = (/** @type {number} */ numTokens, /** @type {number} */ blockSize) =>
  Math.ceil(numTokens / blockSize);

const NONE = -1;

/** Blocks in an order that can be changed at both ends and from which any can be taken out. */
class BlockOrder {
  #next;
  #previous;
  #end;
  size;

  /** @param {number} numBlocks */
  constructor(numBlocks) {
    this.#end = numBlocks; // a ring with an end between the last and the first
    this.size = numBlocks;
    const places = Array.from({ length: numBlocks + 1 }, (_, i) => i);
    this.#next = places.map((i) => (i === numBlocks ? 0 : i + 1));
    this.#previous = places.map((i) => (i === 0 ? numBlocks : i - 1));
  }

  /** @param {number} block */
  has(block) {
    return this.#next[block] !== NONE;
  }

  /** @param {number} block */
  delete(block) {
    if (!this.has(block)) return;
    const [before, after] = [this.#previous[block], this.#next[block]];
    this.#next[before] = after;
    this.#previous[after] = before;
    this.#next[block] = this.#previous[block] = NONE;
    this.size -= 1;
  }

  /**
   * @param {number} block
   * @param {number} before
   * @param {number} after
   */
  #insert(block, before, after) {
    this.#next[before] = this.#previous[after] = block;
    this.#previous[block] = before;
    this.#next[block] = after;
    this.size += 1;
  }

  /** @param {number} block */
  push(block) {
    this.#insert(block, this.#previous[this.#end], this.#end);
  }

  /** @param {number} block */
  unshift(block) {
    this.#insert(block, this.#end, this.#next[this.#end]);
  }

  shift() {
    const first = this.#next[this.#end];
    this.delete(first);
    return first;
  }

  *[Symbol.iterator]() {
    for (let i = this.#next[this.#end]; i !== this.#end; i = this.#next[i]) yield i;
  }
}

/** All blocks; as BlockPool. A text's number stands for the hash that Python has. */
export class BlockPool {
  /** @type {Map<number, number>} By a text's number, the block that holds the end of it. */
  #known = new Map();
  /** @type {(number | undefined)[]} By block. */
  #texts = [];
  numFreeKnown = 0;

  /**
   * @param {number} numBlocks
   * @param {number} blockSize tokens
   */
  constructor(numBlocks, blockSize) {
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
    /** @type {number[]} */
    this.refCounts = new Array(numBlocks).fill(0);
    this.free = new BlockOrder(numBlocks);
  }

  get numFree() {
    return this.free.size;
  }

  /** A text's number, to the block that holds the end of it; a copy. */
  get known() {
    return new Map(this.#known);
  }

  /** @param {number} block */
  isKnown(block) {
    return this.#texts[block] !== undefined;
  }

  /** Hand out the free block that was used least recently; its text is forgotten. */
  allocate() {
    const block = this.free.shift();
    this.forget(block);
    this.refCounts[block] = 1;
    return block;
  }

  /** @param {number} block */
  share(block) {
    if (this.refCounts[block] === 0) {
      this.free.delete(block);
      this.numFreeKnown -= Number(this.isKnown(block));
    }
    this.refCounts[block] += 1;
  }

  /** @param {number} block */
  release(block) {
    this.refCounts[block] -= 1;
    if (this.refCounts[block] > 0) return;
    if (this.isKnown(block)) {
      this.free.push(block);
      this.numFreeKnown += 1;
    } else this.free.unshift(block); // nobody can want it back, so it goes out first
  }

  /**
   * @param {number} block
   * @param {number} text
   */
  publish(block, text) {
    if (this.isKnown(block) || this.#known.has(text)) return;
    this.#known.set(text, block);
    this.#texts[block] = text;
  }

  /** @param {number} block */
  forget(block) {
    const text = this.#texts[block];
    if (text === undefined) return;
    this.numFreeKnown -= Number(this.refCounts[block] === 0);
    this.#known.delete(text);
    this.#texts[block] = undefined;
  }

  /**
   * The blocks of the longest known beginning of a text.
   *
   * @param {number[]} texts
   * @returns {number[]}
   */
  find(texts) {
    const end = texts.findIndex((text) => !this.#known.has(text));
    const known = texts.slice(0, end < 0 ? texts.length : end);
    return known.map((text) => /** @type {number} */ (this.#known.get(text)));
  }
}

/** The blocks of one text, and how many of its tokens are in them; as BlockTable. */
export class BlockTable {
  /** @param {BlockPool} pool */
  constructor(pool) {
    this.pool = pool;
    /** @type {number[]} */
    this.blocks = [];
    this.seqPos = 0;
  }

  /**
   * @param {number[]} blocks
   * @param {number} seqLen
   */
  adopt(blocks, seqLen) {
    for (const block of blocks) this.pool.share(block);
    this.blocks = [...blocks];
    this.seqPos = seqLen;
  }

  /**
   * Places in the table of the blocks that `numTokens` more tokens go into, if it has them.
   *
   * @param {number} numTokens
   */
  #written(numTokens) {
    const { blockSize } = this.pool;
    const end = Math.min(blocksFor(this.seqPos + numTokens, blockSize), this.blocks.length);
    /** @type {number[]} */
    const places = [];
    for (let i = Math.floor(this.seqPos / blockSize); i < end; i += 1) places.push(i);
    return places;
  }

  /** @param {number} numTokens */
  #shared(numTokens) {
    return this.#written(numTokens).filter((i) => this.pool.refCounts[this.blocks[i]] > 1);
  }

  /** @param {number} numTokens */
  blocksNeeded(numTokens) {
    const end = blocksFor(this.seqPos + numTokens, this.pool.blockSize);
    return Math.max(end - this.blocks.length, 0) + this.#shared(numTokens).length;
  }

  /**
   * Take what more tokens need; return the blocks that are copied first, from and to.
   *
   * @param {number} numTokens
   */
  reserve(numTokens) {
    /** @type {[from: number, to: number][]} */
    const copies = [];
    for (const i of this.#shared(numTokens)) {
      const [from, to] = [this.blocks[i], this.pool.allocate()];
      copies.push([from, to]);
      this.pool.release(from);
      this.blocks[i] = to;
    }
    for (const i of this.#written(numTokens)) this.pool.forget(this.blocks[i]);
    while (this.blocks.length * this.pool.blockSize < this.seqPos + numTokens) {
      this.blocks.push(this.pool.allocate());
    }
    return copies;
  }

  /** @param {number[]} texts */
  publish(texts) {
    const numFull = Math.floor(this.seqPos / this.pool.blockSize);
    for (let i = 0; i < numFull; i += 1) this.pool.publish(this.blocks[i], texts[i]);
  }

  /** Give every block back, the last first; return them in this order. */
  reset() {
    const released = this.blocks.reverse();
    for (const block of released) this.pool.release(block);
    this.blocks = [];
    this.seqPos = 0;
    return released;
  }
}

/** Numbers for the texts of blocks: equal if and only if all tokens up to their ends are equal. */
export class TextNumbers {
  /** @type {Map<string, number>} */
  #numbers = new Map();
  /** @type {{ index: number, before: number | undefined }[]} */
  #places = [];

  /**
   * How many blocks a text has before its last one, and the number of the text in those.
   *
   * @param {number} text
   */
  place(text) {
    return this.#places[text];
  }

  /**
   * Append the number of each full block of `tokens` that `texts` lacks; as extend_hashes.
   *
   * @param {number[]} texts
   * @param {number[]} tokens
   * @param {number} blockSize
   */
  extend(texts, tokens, blockSize) {
    for (let end = (texts.length + 1) * blockSize; end <= tokens.length; end += blockSize) {
      const own = `${texts.at(-1)}:${tokens.slice(end - blockSize, end)}`;
      let number = this.#numbers.get(own);
      if (number === undefined) {
        number = this.#numbers.size;
        this.#numbers.set(own, number);
        this.#places.push({ index: texts.length, before: texts.at(-1) });
      }
      texts.push(number);
    }
  }
}
