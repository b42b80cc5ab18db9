// A server whose passes take the time of their costs, as tinytorch.analysis.server_simulation.

import { kvCacheBytes, operationPrices, scorePairs } from "./costs.mjs";
import { BlockPool, blocksFor } from "./server_blocks.mjs";
import { newRequest, Scheduler } from "./server_scheduler.mjs";
import { sum } from "./server_summary.mjs";

/** @import { Arrival, Server, ServerRecord } from "./types" */
/** @import { Chunk, Request, Running, SchedulerEvent, Step } from "./server_scheduler.mjs" */

/** @typedef {[state: string, start: number, end: number]} Stretch of a request, in seconds */

/**
 * @typedef {object} Times
 * @property {number} index
 * @property {number} arrivedAt seconds, as all times
 * @property {number[]} tokenTimes
 * @property {Stretch[]} stretches
 * @property {number} numComputed tokens, counted once
 * @property {number} numAgain tokens
 * @property {boolean} refused
 */

/** @typedef {Request & Times} TimedRequest */

/**
 * What a step adds to the scheduler's: new tokens by request, and who computes some again.
 *
 * @typedef {Step<TimedRequest> & { numNew: NumNew, again: Set<TimedRequest> }} TimedStep
 * @typedef {Map<TimedRequest, number>} NumNew
 */

/**
 * A pass: its time, its costs, and what the memory holds in it, in tokens.
 *
 * @typedef {object} Pass
 * @property {number} start
 * @property {number} end
 * @property {number} numBytes
 * @property {number} operations
 * @property {number} numTokens
 * @property {number} numRunning
 * @property {number} numIdle
 * @property {number} numHeld
 * @property {number} numFilled
 * @property {number} numCached
 */

export const BITS = 16; // of a weight and of a cached element
const LONG_STATES = ["decode", "idle"];

/**
 * What a pass takes: bytes and operations; as pass_cost. The model's record also has what
 * `server_record` adds: the elements that each pass reads, and those of a token's rows.
 *
 * @param {ServerRecord} model
 * @param {ReturnType<typeof operationPrices>} prices
 * @param {Chunk<TimedRequest>[]} chunks
 * @param {number} numCopied tokens
 */
function passCost(model, prices, chunks, numCopied) {
  let [numNew, numCached, pairs, samples] = [0, 2 * numCopied, 0, 0];
  for (const { start, count, samples: sampled } of chunks) {
    numNew += count;
    numCached += start + count;
    pairs += scorePairs(count, start + count);
    samples += Number(sampled);
  }
  const read = BigInt(model.read_elements + numNew * model.row_elements);
  const { token, pair, pass } = prices;
  const operations = BigInt(numNew) * token + BigInt(pairs) * pair + BigInt(samples) * pass;
  return {
    numBytes: Number((read * BigInt(BITS)) / 8n + kvCacheBytes(model, numCached, 1, BITS)),
    operations: Number(2n * operations),
  };
}

/**
 * Tokens in each block, of those that requests hold; as block_fill.
 *
 * @param {Running<TimedRequest>[]} requests
 * @param {Pick<BlockPool, "numBlocks" | "blockSize">} pool
 * @param {NumNew} numNew
 */
export function blockFill(requests, { numBlocks, blockSize }, numNew) {
  const fill = new Uint16Array(numBlocks);
  for (const request of requests) {
    const { blocks, seqPos } = request.table;
    let left = seqPos + (numNew.get(request) ?? 0);
    for (let i = 0; left > 0 && i < blocks.length; i += 1, left -= blockSize) {
      fill[blocks[i]] = Math.max(fill[blocks[i]], Math.min(left, blockSize));
    }
  }
  return fill;
}

/**
 * The requests that hold each block, by their indices.
 *
 * @param {Running<TimedRequest>[]} requests
 */
export function blockOwners(requests) {
  /** @type {Map<number, number[]>} */
  const owners = new Map();
  for (const { index, table } of requests) {
    for (const block of table.blocks) owners.set(block, [...(owners.get(block) ?? []), index]);
  }
  return owners;
}

/**
 * A request, when what happened to it, and what it did meanwhile; as TimedRequest.
 *
 * @param {Arrival} arrival
 * @param {number} index
 * @returns {TimedRequest}
 */
function timedRequest(arrival, index) {
  return Object.assign(newRequest(arrival), {
    index,
    arrivedAt: arrival.time,
    tokenTimes: [],
    stretches: [],
    numComputed: 0,
    numAgain: 0,
    refused: false,
  });
}

/**
 * @param {TimedRequest} request
 * @param {string} state
 * @param {number} start
 * @param {number} end
 */
function addStretch(request, state, start, end) {
  const { stretches } = request;
  const last = stretches.at(-1);
  const lastEnd = last ? last[2] : request.arrivedAt;
  let from = start;
  if (start > lastEnd) stretches.push([last ? "preempted" : "queued", lastEnd, start]);
  else if (last?.[0] === state && LONG_STATES.includes(state)) {
    from = last[1];
    stretches.pop();
  }
  stretches.push([state, from, end]);
}

/** Serves a workload pass by pass; as ServerSimulation. */
export class ServerSimulation {
  #due;
  /** @type {number[]} */
  #accepted = [];
  /** @type {TimedRequest[]} */
  #ended = [];
  #prices;

  /**
   * @param {Arrival[]} arrivals
   * @param {Server} server
   * @param {boolean} [records] whether events are kept
   */
  constructor(arrivals, server, records = false) {
    this.server = server;
    this.pool = new BlockPool(server.num_blocks, server.block_size);
    const note = (/** @type {SchedulerEvent} */ event) => this.#note(event);
    /** @type {Scheduler<TimedRequest>} */
    this.scheduler = new Scheduler(this.pool, server, records ? note : null);
    this.now = 0;
    /** @type {(SchedulerEvent & { time: number })[]} */
    this.events = [];
    /** @type {Pass[]} */
    this.passes = [];
    this.requests = arrivals.map(timedRequest);
    this.counts = { idleRows: 0, prompt: 0, found: 0, slots: 0, filled: 0, generated: 0 };
    /** @type {number | null} */
    this.startedAt = null;
    this.endedAt = 0;
    this.#due = [...this.requests];
    this.#prices = operationPrices(server.model);
  }

  get #hasWork() {
    return this.scheduler.waiting.length + this.scheduler.running.length > 0;
  }

  run() {
    for (const _ of this.steps());
    return this;
  }

  /**
   * Run; yield each step while its pass is under way.
   *
   * @returns {Generator<TimedStep, void, void>}
   */
  *steps() {
    while (this.#due.length || this.#hasWork) {
      if (!this.#hasWork) this.now = Math.max(this.now, this.#due[0].arrivedAt);
      while (this.#due.length && this.#due[0].arrivedAt <= this.now) this.#arriveNext();
      if (!this.#hasWork) continue;
      const step = this.#begin(this.scheduler.schedule());
      yield step;
      this.#finish(step);
    }
  }

  /** @param {SchedulerEvent} event */
  #note(event) {
    this.events.push({ ...event, time: this.now, request: this.#accepted[event.request] });
  }

  #arriveNext() {
    const request = /** @type {TimedRequest} */ (this.#due.shift());
    if (blocksFor(request.maxCached, this.server.block_size) > this.server.num_blocks) {
      const step = this.scheduler.numSteps;
      request.refused = true;
      this.events.push({ step, event: "refuse", request: request.index, time: this.now });
      return;
    }
    this.#accepted.push(request.index);
    this.scheduler.add(request);
    this.startedAt ??= request.arrivedAt;
  }

  /**
   * @param {Step<TimedRequest>} scheduled
   * @returns {TimedStep}
   */
  #begin(scheduled) {
    const { server, scheduler, counts } = this;
    for (const { request } of scheduled.chunks) {
      if (request.numComputed) continue;
      counts.prompt += request.prompt.length;
      counts.found += request.numFound ?? 0;
    }
    const isStatic = scheduler.policy === "static";
    const numIdle = isStatic ? scheduler.batchSize - scheduler.running.length : 0;
    /** @type {NumNew} */
    const numNew = new Map(scheduled.chunks.map(({ request, count }) => [request, count]));
    /** @type {TimedStep} */
    const step = Object.assign(scheduled, { numNew, again: new Set() });
    const numCopied = step.numCopies * server.block_size;
    const cost = passCost(server.model, this.#prices, step.chunks, numCopied);
    const { bytes_per_second: bandwidth, operations_per_second: peak } = server.device;
    const seconds = Math.max(cost.numBytes / bandwidth, cost.operations / peak);
    const { numBlocks, numFree, numFreeKnown } = this.pool;
    const pass = {
      start: this.now,
      end: this.now + seconds,
      ...cost,
      numTokens: step.numTokens,
      numRunning: scheduler.running.length,
      numIdle,
      numHeld: (numBlocks - numFree) * server.block_size,
      numFilled: sum(blockFill(scheduler.running, this.pool, step.numNew)),
      numCached: numFreeKnown * server.block_size,
    };
    counts.idleRows += numIdle;
    counts.slots += pass.numHeld;
    counts.filled += pass.numFilled;
    this.passes.push(pass);
    if (step.numAdmitted || !isStatic) this.#ended = [];
    for (const request of this.#ended) addStretch(request, "idle", pass.start, pass.end);
    for (const chunk of step.chunks) this.#addChunk(step, chunk, pass);
    return step;
  }

  /**
   * @param {TimedStep} step
   * @param {Chunk<TimedRequest>} chunk
   * @param {Pass} pass
   */
  #addChunk(step, { request, start, count }, pass) {
    const end = start + count;
    const isAgain = start < request.numComputed;
    if (isAgain) {
      step.again.add(request);
      request.numAgain += Math.min(end, request.numComputed) - start;
    }
    request.numComputed = Math.max(request.numComputed, end);
    const state = start < request.prompt.length ? "prefill" : "decode";
    addStretch(request, isAgain ? "again" : state, pass.start, pass.end);
  }

  /** @param {TimedStep} step */
  #finish(step) {
    this.now = this.passes[this.passes.length - 1].end;
    const madeUp = (/** @type {TimedRequest} */ { index, tokens }) => [
      2 ** 20 * (index + 1) + tokens.length,
    ];
    const newTokens = step.chunks.map(({ request, samples }) => (samples ? madeUp(request) : []));
    this.scheduler.commit(newTokens);
    for (const { request, samples } of step.chunks) {
      if (samples) {
        request.tokenTimes.push(this.now);
        this.counts.generated += 1;
        this.endedAt = this.now;
      }
      if (request.status === "finished") this.#ended.push(request);
    }
  }
}
