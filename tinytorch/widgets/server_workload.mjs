// Requests from a seed, to the last bit those of tinytorch.analysis.server_workload.

/** @import { Arrival, WorkloadSettings } from "./types" */

const VOCAB_SIZE = 50_257;
const LONGEST = 8; // times the mean

/** Repeatable random numbers (mulberry32 by Tommy Ettinger, public domain); as SeededRandom. */
class SeededRandom {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed | 0;
  }

  /** A number from 0 to below 1. */
  uniform() {
    this.#state = (this.#state + 0x6d_2b_79_f5) | 0;
    const mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    const x = mixed ^ (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61));
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }

  /**
   * An integer, both ends included.
   *
   * @param {number} low
   * @param {number} high
   */
  integer(low, high) {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** A waiting time with mean 1, after von Neumann. */
  exponential() {
    for (let whole = 0; ; whole += 1) {
      const first = this.uniform();
      let [last, length] = [first, 1];
      for (let draw = this.uniform(); draw < last; draw = this.uniform()) {
        last = draw;
        length += 1;
      }
      if (length % 2) return whole + first;
    }
  }

  /**
   * @param {number} mean
   * @param {number} longest
   */
  length(mean, longest) {
    return Math.min(1 + Math.floor(this.exponential() * (mean - 1)), longest);
  }

  /**
   * @param {number} count
   * @param {number} vocabSize
   */
  tokens(count, vocabSize) {
    return Array.from({ length: count }, () => this.integer(0, vocabSize - 1));
  }
}

/**
 * Requests that arrive independently of each other; as make_workload, one turn a chat.
 *
 * @param {WorkloadSettings} view
 * @returns {Arrival[]}
 */
function makeWorkload(view) {
  const random = new SeededRandom(view.seed);
  const system = random.tokens(view.system_length, VOCAB_SIZE);
  /** @type {Arrival[]} */
  const arrivals = [];
  let now = 0;
  while (arrivals.length < view.num_requests) {
    now += random.exponential() / view.rate;
    if (view.system_length > 0) random.integer(0, 0); // which of one system prompts
    const { mean_prompt: question, mean_answer: answer } = view;
    const own = random.tokens(random.length(question, LONGEST * question), VOCAB_SIZE);
    const maxNewTokens = random.length(answer, LONGEST * answer);
    arrivals.push({ time: now, prompt: [...system, ...own], maxNewTokens });
  }
  return arrivals;
}

/**
 * The requests of a view; as server_workload.
 *
 * @param {WorkloadSettings} view
 * @returns {Arrival[]}
 */
export function serverWorkload(view) {
  const arrivals = makeWorkload(view);
  let prompts = arrivals.map(({ prompt }) => prompt);
  if (view.same_question) prompts = prompts.map(() => prompts[0]);
  if (view.timestamp_first) prompts = prompts.map((prompt, i) => [VOCAB_SIZE + i, ...prompt]);
  const middle = Math.floor(prompts.length / 2);
  if (view.long_prompt > 0) prompts[middle] = Array.from({ length: view.long_prompt }, (_, i) => i);
  return arrivals.map(({ time, maxNewTokens }, i) => ({
    time: view.all_at_once ? 0 : time,
    prompt: prompts[i],
    maxNewTokens,
  }));
}
