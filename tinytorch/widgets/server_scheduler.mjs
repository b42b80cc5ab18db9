// Which tokens of which requests the next pass computes: tinytorch.serving.scheduler again.

import { BlockTable, blocksFor, TextNumbers } from "./server_blocks.mjs";

/** Blocks with which a text can begin, and the tokens in them; as known_beginning. */
function knownBeginning(pool, texts, numTokens) {
  const found = pool.find(texts);
  const seqLen = Math.min(found.length * pool.blockSize, numTokens - 1);
  return [found.slice(0, blocksFor(seqLen, pool.blockSize)), seqLen];
}

/** Free blocks that a text takes, of which `found` are known; as admission_cost. */
function admissionCost(pool, found, seqLen, numTokens) {
  const revived = found.filter((block) => pool.refCounts[block] === 0).length;
  const isCopied = seqLen % pool.blockSize > 0 && pool.refCounts[found.at(-1)] > 0;
  return blocksFor(numTokens, pool.blockSize) - found.length + revived + Number(isCopied);
}

/**
 * A request: what is asked for, and how far it has come; as Request.
 * @param {{ prompt: number[], maxNewTokens: number }} asked
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
 */
export class Scheduler {
  #step = null;
  textNumbers = new TextNumbers();

  constructor(pool, settings, onEvent) {
    Object.assign(this, settings);
    this.pool = pool;
    this.onEvent = onEvent;
    this.waiting = [];
    this.running = [];
    this.numRequests = 0;
    this.numSteps = 0;
    this.batchSize = 0;
  }

  /** An event, as a record; nobody makes it where nobody asks. */
  #event(event, request, details = {}) {
    return { step: this.numSteps, event, request: request.id, ...details };
  }

  add(request) {
    request.id = this.numRequests;
    request.status = "waiting";
    this.numRequests += 1;
    this.waiting.push(request);
    this.onEvent?.(this.#event("arrive", request, { tokens: request.prompt.length }));
  }

  /** Choose what the next pass computes, and reserve the blocks for it. */
  schedule() {
    this.numSteps += 1;
    const counts = { numTokens: 0, numCopies: 0, numAdmitted: 0 };
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

  /** Take over the next tokens of each chunk's request; none where the chunk does not sample. */
  commit(newTokens) {
    this.#step.chunks.forEach((chunk, i) => this.#commitChunk(chunk, newTokens[i]));
    this.#step = null;
  }

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

  #nextTokens({ table, tokens }, budget) {
    return Math.min(tokens.length - table.seqPos, budget);
  }

  #fits({ table }, numTokens) {
    return table.blocksNeeded(numTokens) <= this.pool.numFree;
  }

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

  #computation(request, start, tokens) {
    const details = { start, tokens, drafts: 0, blocks: [...request.table.blocks] };
    return this.#event("compute", request, details);
  }

  #reserve(step, request, count) {
    const { table } = request;
    const before = table.blocks.length;
    const copies = table.reserve(count);
    step.numCopies += copies.length;
    for (const blocks of copies) this.onEvent?.(this.#event("copy", request, { blocks }));
    const blocks = table.blocks.slice(before);
    if (blocks.length) this.onEvent?.(this.#event("allocate", request, { blocks }));
  }

  /** Let the first waiting request run, if its whole text so far finds room. */
  #admit(step) {
    const { pool } = this;
    const request = this.waiting[0];
    const budget = this.max_tokens_per_step - step.numTokens;
    if (budget < 1 && this.policy === "continuous") return false;
    let [found, seqLen] = [[], 0];
    if (this.share_prefixes) {
      this.textNumbers.extend(request.texts, request.tokens, pool.blockSize);
      [found, seqLen] = knownBeginning(pool, request.texts, request.tokens.length);
      if (this.#isComputedNow(step, request, found.length)) return false; // share it in a step
    }
    const whole = this.reserve_longest ? request.maxCached : request.tokens.length;
    if (admissionCost(pool, found, seqLen, whole) > pool.numFree) return false;
    this.running.push(this.waiting.shift());
    request.status = "running";
    request.table = new BlockTable(pool);
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

  #isComputedNow(step, request, index) {
    return this.policy === "continuous" && step.completed.has(request.texts[index]);
  }

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
    const request = this.running.pop();
    request.status = "waiting";
    request.numPreemptions += 1;
    this.waiting.unshift(request);
    this.onEvent?.(this.#event("preempt", request));
    this.#dropTable(request);
  }

  #dropTable(request) {
    const blocks = request.table.reset();
    if (blocks.length) this.onEvent?.(this.#event("free", request, { blocks }));
    request.table = null;
  }
}
