// Which tokens of which requests the next pass computes: tinytorch.serving.scheduler again.

import { BlockTable, blocksFor, TextNumbers } from "./server_blocks.mjs";

/** @import { BlockPool } from "./server_blocks.mjs" */
/** @import { Arrival, SchedulerSettings } from "./types" */

/**
 * A request: what is asked for, and how far it has come.
 *
 * @typedef {object} Request
 * @property {number[]} prompt
 * @property {number} maxNewTokens
 * @property {number} maxCached tokens at its end
 * @property {number[]} tokens of the text so far
 * @property {number[]} texts the numbers of its full blocks' texts
 * @property {number} id
 * @property {"new" | "waiting" | "running" | "finished"} status
 * @property {BlockTable | null} table while it runs
 * @property {number | null} numFound tokens of its beginning that were known
 * @property {number} numPreemptions
 * @property {number} numNew tokens that are written
 */

/**
 * @template {Request} R
 * @typedef {R & { table: BlockTable }} Running
 */

/**
 * Some tokens of a request that a pass computes; it samples if they are the last ones.
 *
 * @template {Request} R
 * @typedef {{ request: Running<R>, start: number, count: number, samples: boolean }} Chunk
 */

/**
 * @template {Request} R
 * @typedef {object} Step
 * @property {number} index
 * @property {Chunk<R>[]} chunks
 * @property {Set<number>} completed numbers of texts whose blocks become full
 * @property {number} numTokens
 * @property {number} numCopies blocks
 * @property {number} numAdmitted
 */

/** @typedef {{ step: number, event: string, request: number }} SchedulerEvent and its details */

/**
 * Blocks with which a text can begin, and the tokens in them; as known_beginning.
 *
 * @param {BlockPool} pool
 * @param {number[]} texts
 * @param {number} numTokens
 * @returns {[blocks: number[], seqLen: number]}
 */
function knownBeginning(pool, texts, numTokens) {
  const found = pool.find(texts);
  const seqLen = Math.min(found.length * pool.blockSize, numTokens - 1);
  return [found.slice(0, blocksFor(seqLen, pool.blockSize)), seqLen];
}

/**
 * Free blocks that a text takes, of which `found` are known; as admission_cost.
 *
 * @param {BlockPool} pool
 * @param {number[]} found
 * @param {number} seqLen
 * @param {number} numTokens
 */
function admissionCost(pool, found, seqLen, numTokens) {
  const revived = found.filter((block) => pool.refCounts[block] === 0).length;
  const isCopied = seqLen % pool.blockSize > 0 && pool.refCounts[found[found.length - 1]] > 0;
  return blocksFor(numTokens, pool.blockSize) - found.length + revived + Number(isCopied);
}

/**
 * A request: what is asked for, and how far it has come; as Request.
 * @param {Pick<Arrival, "prompt" | "maxNewTokens">} asked
 * @returns {Request}
 */
export function newRequest({ prompt, maxNewTokens }) {
  return {
    prompt,
    maxNewTokens,
    maxCached: prompt.length + maxNewTokens - 1,
    tokens: [...prompt],
    texts: [],
    id: -1,
    status: "new",
    table: null,
    numFound: null,
    numPreemptions: 0,
    get numNew() {
      return this.tokens.length - this.prompt.length;
    },
  };
}

/**
 * First come, first served, under a budget of tokens a step and of blocks; as Scheduler, without
 * guesses and cancelling. `onEvent`, if there is one, gets the same events.
 *
 * @template {Request} R
 */
export class Scheduler {
  /** @type {Step<R> | null} */
  #step = null;
  textNumbers = new TextNumbers();

  /**
   * @param {BlockPool} pool
   * @param {SchedulerSettings} settings
   * @param {((event: SchedulerEvent) => void) | null} onEvent
   */
  constructor(pool, settings, onEvent) {
    this.policy = settings.policy;
    this.max_running = settings.max_running;
    this.max_tokens_per_step = settings.max_tokens_per_step;
    this.share_prefixes = settings.share_prefixes;
    this.reserve_longest = settings.reserve_longest;
    this.pool = pool;
    this.onEvent = onEvent;
    /** @type {R[]} */
    this.waiting = [];
    /** @type {Running<R>[]} */
    this.running = [];
    this.numRequests = 0;
    this.numSteps = 0;
    this.batchSize = 0;
  }

  /**
   * An event, as a record; nobody makes it where nobody asks.
   *
   * @param {string} event
   * @param {R} request
   * @param {object} [details]
   */
  #event(event, request, details = {}) {
    return { step: this.numSteps, event, request: request.id, ...details };
  }

  /** @param {R} request */
  add(request) {
    request.id = this.numRequests;
    request.status = "waiting";
    this.numRequests += 1;
    this.waiting.push(request);
    this.onEvent?.(this.#event("arrive", request, { tokens: request.prompt.length }));
  }

  /**
   * Choose what the next pass computes, and reserve the blocks for it.
   *
   * @returns {Step<R>}
   */
  schedule() {
    this.numSteps += 1;
    const counts = { numTokens: 0, numCopies: 0, numAdmitted: 0 };
    /** @type {Step<R>} */
    const step = { index: this.numSteps, chunks: [], completed: new Set(), ...counts };
    this.#step = step;
    const batchEnded = this.running.length === 0;
    const numPreempted = this.#continueRunning(step);
    if (!numPreempted && (this.policy === "continuous" || batchEnded)) {
      const hasPlace = () => this.waiting.length > 0 && this.running.length < this.max_running;
      while (hasPlace() && this.#admit(step));
      this.batchSize = this.running.length;
    }
    return step;
  }

  /**
   * Take over the next tokens of each chunk's request; none where the chunk does not sample.
   *
   * @param {number[][]} newTokens
   */
  commit(newTokens) {
    const { chunks } = /** @type {Step<R>} */ (this.#step);
    for (const [i, chunk] of chunks.entries()) this.#commitChunk(chunk, newTokens[i]);
    this.#step = null;
  }

  /** @param {Step<R>} step */
  #continueRunning(step) {
    let [numPreempted, index] = [0, 0];
    while (index < this.running.length) {
      const request = this.running[index];
      const behind = this.running.length - index - 1;
      const tokens = this.#nextTokens(request, this.max_tokens_per_step - step.numTokens - behind);
      while (request.status === "running" && !this.#fits(request, tokens)) {
        this.#preempt();
        numPreempted += 1;
      }
      if (request.status === "running") {
        this.#addChunk(step, request, tokens);
        index += 1;
      }
    }
    return numPreempted;
  }

  /**
   * @param {Running<R>} request
   * @param {number} budget
   */
  #nextTokens({ table, tokens }, budget) {
    return Math.min(tokens.length - table.seqPos, budget);
  }

  /**
   * @param {Running<R>} request
   * @param {number} numTokens
   */
  #fits({ table }, numTokens) {
    return table.blocksNeeded(numTokens) <= this.pool.numFree;
  }

  /**
   * @param {Step<R>} step
   * @param {Running<R>} request
   * @param {number} count
   */
  #addChunk(step, request, count) {
    if (count === 0) return;
    const { table, texts } = request;
    const start = table.seqPos;
    this.#reserve(step, request, count);
    const end = start + count;
    const { blockSize } = this.pool;
    const full = texts.slice(Math.floor(start / blockSize), Math.floor(end / blockSize));
    for (const text of full) step.completed.add(text);
    step.chunks.push({ request, start, count, samples: end === request.tokens.length });
    step.numTokens += count;
    this.onEvent?.(this.#computation(request, start, count));
  }

  /**
   * @param {Running<R>} request
   * @param {number} start
   * @param {number} tokens
   */
  #computation(request, start, tokens) {
    const details = { start, tokens, drafts: 0, blocks: [...request.table.blocks] };
    return this.#event("compute", request, details);
  }

  /**
   * @param {Step<R>} step
   * @param {Running<R>} request
   * @param {number} count
   */
  #reserve(step, request, count) {
    const { table } = request;
    const before = table.blocks.length;
    const copies = table.reserve(count);
    step.numCopies += copies.length;
    for (const blocks of copies) this.onEvent?.(this.#event("copy", request, { blocks }));
    const blocks = table.blocks.slice(before);
    if (blocks.length) this.onEvent?.(this.#event("allocate", request, { blocks }));
  }

  /**
   * Let the first waiting request run, if its whole text so far finds room.
   *
   * @param {Step<R>} step
   */
  #admit(step) {
    const { pool } = this;
    const [asking] = this.waiting;
    const budget = this.max_tokens_per_step - step.numTokens;
    if (budget < 1 && this.policy === "continuous") return false;
    /** @type {[number[], number]} */
    let [found, seqLen] = [[], 0];
    if (this.share_prefixes) {
      this.textNumbers.extend(asking.texts, asking.tokens, pool.blockSize);
      [found, seqLen] = knownBeginning(pool, asking.texts, asking.tokens.length);
      if (this.#isComputedNow(step, asking, found.length)) return false; // share it in a step
    }
    const whole = this.reserve_longest ? asking.maxCached : asking.tokens.length;
    if (admissionCost(pool, found, seqLen, whole) > pool.numFree) return false;
    this.waiting.shift();
    const request = Object.assign(asking, { table: new BlockTable(pool) });
    this.running.push(request);
    request.status = "running";
    request.table.adopt(found, seqLen);
    request.numFound ??= seqLen;
    step.numAdmitted += 1;
    this.onEvent?.(this.#event("admit", request, { tokens: seqLen }));
    const shared = { blocks: found, tokens: seqLen };
    if (found.length) this.onEvent?.(this.#event("share", request, shared));
    if (this.reserve_longest) this.#reserve(step, request, whole - seqLen);
    this.#addChunk(step, request, this.#nextTokens(request, Math.max(budget, 0)));
    return true;
  }

  /**
   * @param {Step<R>} step
   * @param {R} request
   * @param {number} index
   */
  #isComputedNow(step, request, index) {
    return this.policy === "continuous" && step.completed.has(request.texts[index]);
  }

  /**
   * @param {Chunk<R>} chunk
   * @param {number[]} newTokens
   */
  #commitChunk({ request, count }, newTokens) {
    request.table.seqPos += count;
    request.tokens.push(...newTokens);
    const tokens = newTokens.length;
    if (tokens) this.onEvent?.(this.#event("generate", request, { tokens }));
    if (this.share_prefixes) {
      this.textNumbers.extend(request.texts, request.tokens, this.pool.blockSize);
      request.table.publish(request.texts);
    }
    if (request.numNew < request.maxNewTokens) return;
    this.running.splice(this.running.indexOf(request), 1);
    request.status = "finished";
    this.onEvent?.(this.#event("finish", request, { tokens: request.numNew }));
    this.#dropTable(request);
  }

  /** Drop the blocks of the request that came last, and let it wait before all others. */
  #preempt() {
    const request = /** @type {Running<R>} */ (this.running.pop());
    request.status = "waiting";
    request.numPreemptions += 1;
    this.waiting.unshift(request);
    this.onEvent?.(this.#event("preempt", request));
    this.#dropTable(request);
  }

  /** @param {Running<R>} request */
  #dropTable(request) {
    const blocks = request.table.reset();
    if (blocks.length) this.onEvent?.(this.#event("free", request, { blocks }));
    Object.assign(request, { table: null });
  }
}
