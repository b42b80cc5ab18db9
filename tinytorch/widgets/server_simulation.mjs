// A server whose passes take the time of their costs, as tinytorch.analysis.server_simulation.

import { kvCacheBytes, operationPrices, scorePairs } from "./costs.mjs";
import { BlockPool, blocksFor } from "./server_blocks.mjs";
import { newRequest, Scheduler } from "./server_scheduler.mjs";
import { sum } from "./server_summary.mjs";

export const BITS = 16; // of a weight and of a cached element
const LONG_STATES = ["decode", "idle"];

/**
 * What a pass takes: bytes and operations; as pass_cost. The model's record also has what
 * `server_record` adds: the elements that each pass reads, and those of a token's rows.
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

/** Tokens in each block, of those that requests hold; as block_fill. `numNew` is a Map. */
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

/** The requests that hold each block, by their indices. */
export function blockOwners(requests) {
  const owners = new Map();
  for (const { index, table } of requests) {
    for (const block of table.blocks) owners.set(block, [...(owners.get(block) ?? []), index]);
  }
  return owners;
}

/** A request, when what happened to it, and what it did meanwhile; as TimedRequest. */
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

function addStretch(request, state, start, end) {
  const { stretches } = request;
  const lastEnd = stretches.length ? stretches.at(-1)[2] : request.arrivedAt;
  let from = start;
  if (start > lastEnd) stretches.push([stretches.length ? "preempted" : "queued", lastEnd, start]);
  else if (stretches.length && stretches.at(-1)[0] === state && LONG_STATES.includes(state)) {
    from = stretches.pop()[1];
  }
  stretches.push([state, from, end]);
}

/** Serves a workload pass by pass; as ServerSimulation. */
export class ServerSimulation {
  #due;
  #accepted = [];
  #ended = [];
  #prices;

  /**
   * A server has {model, device, num_blocks, block_size} and the settings of its scheduler. Events
   * are kept if `records`.
   */
  constructor(arrivals, server, records = false) {
    this.server = server;
    this.pool = new BlockPool(server.num_blocks, server.block_size);
    const note = (event) => this.#note(event);
    this.scheduler = new Scheduler(this.pool, server, records ? note : null);
    this.now = 0;
    this.events = [];
    this.passes = [];
    this.requests = arrivals.map(timedRequest);
    this.counts = { idleRows: 0, prompt: 0, found: 0, slots: 0, filled: 0, generated: 0 };
    this.startedAt = null;
    this.endedAt = null;
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

  /** Run; yield each step while its pass is under way. */
  *steps() {
    while (this.#due.length || this.#hasWork) {
      if (!this.#hasWork) this.now = Math.max(this.now, this.#due[0].arrivedAt);
      while (this.#due[0]?.arrivedAt <= this.now) this.#arrive(this.#due.shift());
      if (!this.#hasWork) continue;
      const step = this.scheduler.schedule();
      this.#begin(step);
      yield step;
      this.#finish(step);
    }
  }

  #note(event) {
    this.events.push({ ...event, time: this.now, request: this.#accepted[event.request] });
  }

  #arrive(request) {
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

  #begin(step) {
    const { server, scheduler, counts } = this;
    for (const { request } of step.chunks) {
      if (request.numComputed) continue;
      counts.prompt += request.prompt.length;
      counts.found += request.numFound;
    }
    const isStatic = scheduler.policy === "static";
    const numIdle = isStatic ? scheduler.batchSize - scheduler.running.length : 0;
    step.numNew = new Map(step.chunks.map(({ request, count }) => [request, count]));
    step.again = new Set();
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
  }

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

  #finish(step) {
    this.now = this.passes.at(-1).end;
    const madeUp = ({ index, tokens }) => [2 ** 20 * (index + 1) + tokens.length];
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
