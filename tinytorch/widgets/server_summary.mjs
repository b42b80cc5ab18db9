// What a simulated server has done, as a few numbers; as tinytorch.analysis.server_summary.

/** @import { ServerSimulation, TimedRequest } from "./server_simulation.mjs" */

/** @typedef {ReturnType<typeof summarize>} Summary seconds, shares and counts */

/** @typedef {(add: (total: number, value: number) => number, first: number) => number} Reduce */

export const sum = (/** @type {{ reduce: Reduce }} */ values) =>
  values.reduce((total, value) => total + value, 0);

/**
 * The smallest value that at least a share of them do not exceed, or null.
 *
 * @param {number[]} values
 * @param {number} share
 */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? null;
}

/**
 * Seconds to a request's first token, between its tokens in the mean, and each gap.
 *
 * @param {TimedRequest} request
 */
export function timesOf({ arrivedAt, tokenTimes }) {
  const gaps = tokenTimes.slice(1).map((time, i) => time - tokenTimes[i]);
  const [first, last] = [tokenTimes[0], tokenTimes[tokenTimes.length - 1]];
  return {
    first: tokenTimes.length ? first - arrivedAt : null,
    perToken: gaps.length ? (last - first) / gaps.length : null,
    gaps,
  };
}

/**
 * The numbers of a run that has ended; names and values as those of summarize.
 *
 * @param {ServerSimulation} simulation
 */
export function summarize({ requests, passes, counts, startedAt, endedAt }) {
  const times = requests.map(timesOf);
  const first = times.map((time) => time.first).filter((time) => time !== null);
  const later = times.map((time) => time.perToken).filter((time) => time !== null);
  const gaps = times.flatMap((time) => time.gaps);
  const places = counts.idleRows + sum(passes.map((pass) => pass.numRunning));
  return {
    tokens_per_second: counts.generated ? counts.generated / (endedAt - (startedAt ?? 0)) : 0,
    ttft_p50: percentile(first, 0.5),
    ttft_p90: percentile(first, 0.9),
    token_p50: percentile(later, 0.5),
    token_p90: percentile(later, 0.9),
    longest_gap: percentile(gaps, 1),
    num_passes: passes.length,
    idle_rows: counts.idleRows / Math.max(places, 1),
    useful_memory: counts.filled / Math.max(counts.slots, 1),
    found_prefix: counts.found / Math.max(counts.prompt, 1),
    prompt_computed: counts.prompt - counts.found,
    num_preemptions: sum(requests.map((request) => request.numPreemptions)),
    num_again: sum(requests.map((request) => request.numAgain)),
    num_refused: sum(requests.map((request) => Number(request.refused))),
  };
}
