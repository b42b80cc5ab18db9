// Who holds which block, which are free, and what text is in them: tinytorch.serving.blocks again.

export const blocksFor = (numTokens, blockSize) => Math.ceil(numTokens / blockSize);

/** Blocks in an order that can be changed at both ends and from which any can be taken out. */
class BlockOrder {
  #next;
  #previous;
  #end;
  size;

  constructor(numBlocks) {
    this.#end = numBlocks; // a ring with an end between the last and the first
    this.size = numBlocks;
    const places = Array.from({ length: numBlocks + 1 }, (_, i) => i);
    this.#next = places.map((i) => (i === numBlocks ? 0 : i + 1));
    this.#previous = places.map((i) => (i === 0 ? numBlocks : i - 1));
  }

  has(block) {
    return this.#next[block] !== null;
  }

  delete(block) {
    if (!this.has(block)) return;
    const [before, after] = [this.#previous[block], this.#next[block]];
    this.#next[before] = after;
    this.#previous[after] = before;
    this.#next[block] = this.#previous[block] = null;
    this.size -= 1;
  }

  #insert(block, before, after) {
    this.#next[before] = this.#previous[after] = block;
    this.#previous[block] = before;
    this.#next[block] = after;
    this.size += 1;
  }

  push(block) {
    this.#insert(block, this.#previous[this.#end], this.#end);
  }

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
  #known = new Map();
  #texts = [];
  numFreeKnown = 0;

  constructor(numBlocks, blockSize) {
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
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

  share(block) {
    if (this.refCounts[block] === 0) {
      this.free.delete(block);
      this.numFreeKnown -= Number(this.isKnown(block));
    }
    this.refCounts[block] += 1;
  }

  release(block) {
    this.refCounts[block] -= 1;
    if (this.refCounts[block] > 0) return;
    if (this.isKnown(block)) {
      this.free.push(block);
      this.numFreeKnown += 1;
    } else this.free.unshift(block); // nobody can want it back, so it goes out first
  }

  publish(block, text) {
    if (this.isKnown(block) || this.#known.has(text)) return;
    this.#known.set(text, block);
    this.#texts[block] = text;
  }

  forget(block) {
    if (!this.isKnown(block)) return;
    this.numFreeKnown -= Number(this.refCounts[block] === 0);
    this.#known.delete(this.#texts[block]);
    this.#texts[block] = undefined;
  }

  /** The blocks of the longest known beginning of a text. */
  find(texts) {
    const end = texts.findIndex((text) => !this.#known.has(text));
    return texts.slice(0, end < 0 ? texts.length : end).map((text) => this.#known.get(text));
  }
}

/** The blocks of one text, and how many of its tokens are in them; as BlockTable. */
export class BlockTable {
  constructor(pool) {
    this.pool = pool;
    this.blocks = [];
    this.seqPos = 0;
  }

  adopt(blocks, seqLen) {
    for (const block of blocks) this.pool.share(block);
    this.blocks = [...blocks];
    this.seqPos = seqLen;
  }

  /** Places in the table of the blocks that `numTokens` more tokens go into, if it has them. */
  #written(numTokens) {
    const { blockSize } = this.pool;
    const end = Math.min(blocksFor(this.seqPos + numTokens, blockSize), this.blocks.length);
    const places = [];
    for (let i = Math.floor(this.seqPos / blockSize); i < end; i += 1) places.push(i);
    return places;
  }

  #shared(numTokens) {
    return this.#written(numTokens).filter((i) => this.pool.refCounts[this.blocks[i]] > 1);
  }

  blocksNeeded(numTokens) {
    const end = blocksFor(this.seqPos + numTokens, this.pool.blockSize);
    return Math.max(end - this.blocks.length, 0) + this.#shared(numTokens).length;
  }

  /** Take what more tokens need; return the blocks that are copied first, from and to. */
  reserve(numTokens) {
    const copies = [];
    for (const i of this.#shared(numTokens)) {
      copies.push([this.blocks[i], this.pool.allocate()]);
      this.pool.release(this.blocks[i]);
      this.blocks[i] = copies.at(-1)[1];
    }
    for (const i of this.#written(numTokens)) this.pool.forget(this.blocks[i]);
    while (this.blocks.length * this.pool.blockSize < this.seqPos + numTokens) {
      this.blocks.push(this.pool.allocate());
    }
    return copies;
  }

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
  #numbers = new Map();
  #places = [];

  /** How many blocks a text has before its last one, and the number of the text in those. */
  place(text) {
    return this.#places[text];
  }

  /** Append the number of each full block of `tokens` that `texts` lacks; as extend_hashes. */
  extend(texts, tokens, blockSize) {
    for (let end = (texts.length + 1) * blockSize; end <= tokens.length; end += blockSize) {
      const own = `${texts.at(-1)}:${tokens.slice(end - blockSize, end)}`;
      if (!this.#numbers.has(own)) {
        this.#numbers.set(own, this.#numbers.size);
        this.#places.push({ index: texts.length, before: texts.at(-1) });
      }
      texts.push(this.#numbers.get(own));
    }
  }
}
