// The numbers of a run: beside those of the other policies, and against one to beat.

import { h, table } from "./common.mjs";
import { exact, phrase, phrases } from "./language.mjs";
import { shareText, timeText } from "./server_drawing.mjs";
import { timesOf } from "./server_summary.mjs";
import { POLICY_NAMES } from "./server_view.mjs";

/** @import { ServerSimulation } from "./server_simulation.mjs" */
/** @import { Summary } from "./server_summary.mjs" */
/** @import { Scenario } from "./types" */

/** @typedef {{ name: string, text: (value: number) => string, more?: boolean }} Metric */

const NAMES = phrases("server.numbers");
const HEADINGS = phrases("server.rows");
const count = (/** @type {number} */ value) => exact(Math.round(value));
/** @type {Record<string, Metric>} */
const METRICS = {
  tokens_per_second: { name: NAMES.tokens_per_second, text: count, more: true },
  ttft_p50: { name: NAMES.ttft_p50, text: timeText },
  longest_gap: { name: NAMES.longest_gap, text: timeText },
  found_prefix: { name: NAMES.found_prefix, text: shareText, more: true },
  num_again: { name: NAMES.num_again, text: count },
  prompt_computed: { name: NAMES.prompt_computed, text: count },
};
const both = (/** @type {string} */ half, /** @type {string} */ most) =>
  phrase("server.both", { half, most });
const times = (/** @type {number | null} */ half, /** @type {number | null} */ most) =>
  both(timeText(half), timeText(most));
/** @type {Record<keyof typeof HEADINGS, (all: Summary) => string>} */
const ROWS = {
  rate: (all) => count(all.tokens_per_second),
  first: (all) => times(all.ttft_p50, all.ttft_p90),
  every: (all) => times(all.token_p50, all.token_p90),
  gap: (all) => timeText(all.longest_gap),
  idle: (all) => shareText(all.idle_rows),
  useful: (all) => shareText(all.useful_memory),
  found: (all) => shareText(all.found_prefix),
  computed: (all) => count(all.prompt_computed),
  again: (all) => both(count(all.num_preemptions), count(all.num_again)),
  passes: (all) => count(all.num_passes),
  refused: (all) => count(all.num_refused),
};

/** A table of all numbers; `show` takes the summaries by policy, null for what is not run yet. */
export function numbersTable() {
  const element = h("div", { class: "tt-numbers" });
  /**
   * @param {Record<string, Summary | null>} summaries
   * @param {string} chosen
   */
  function show(summaries, chosen) {
    const policies = Object.keys(summaries);
    const keys = /** @type {(keyof typeof HEADINGS)[]} */ (Object.keys(HEADINGS));
    const rows = keys.map((key) => [
      HEADINGS[key],
      ...Object.values(summaries).map((summary) => (summary ? ROWS[key](summary) : "…")),
    ]);
    const made = table([["", ...policies.map((policy) => POLICY_NAMES[policy])], ...rows]);
    const column = policies.indexOf(chosen) + 1;
    for (const { children } of made.rows) children[column].classList.add("tt-mine");
    element.replaceChildren(made);
  }
  return { element, show };
}

/**
 * The number to beat, and whether it is beaten.
 *
 * @param {Pick<Scenario, "metric"> & { hint: string }} scenario
 * @param {Summary} toBeat
 * @param {Summary} mine
 */
export function challenge({ metric, hint }, toBeat, mine) {
  const { name, text, more } = METRICS[metric];
  const numberOf = (/** @type {Summary} */ all) => all[/** @type {keyof Summary} */ (metric)] ?? 0;
  const [old, now] = [numberOf(toBeat), numberOf(mine)];
  const goal = { number: text(old), name, now: text(now), hint };
  if (now === old) return phrase("server.goal", goal);
  const isBetter = more ? now > old : now < old;
  return isBetter ? phrase("server.goal_better", goal) : phrase("server.goal_worse", goal);
}

/**
 * Each request's times, as rows of a table.
 *
 * @param {ServerSimulation} simulation
 */
export function requestRows({ requests }) {
  const rows = requests.map((request) => {
    const { first, perToken, gaps } = timesOf(request);
    const times = [request.arrivedAt, first, perToken, gaps.length ? Math.max(...gaps) : null];
    const { index, prompt, numFound, numNew, numPreemptions } = request;
    const counts = [prompt.length, numFound ?? 0, numNew, numPreemptions];
    return [String(index), ...times.map(timeText), ...counts.map(exact)];
  });
  return [Object.values(phrases("server.columns")), ...rows];
}
