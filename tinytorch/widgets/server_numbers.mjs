// The numbers of a run: beside those of the other policies, and against one to beat.

import { exact, h, table } from "./common.mjs";
import { shareText, timeText } from "./server_drawing.mjs";
import { timesOf } from "./server_summary.mjs";

/** @import { ServerSimulation } from "./server_simulation.mjs" */
/** @import { Summary } from "./server_summary.mjs" */
/** @import { Scenario } from "./types" */

/** @typedef {{ name: string, text: (value: number) => string, more?: boolean }} Metric */

const count = (/** @type {number} */ value) => exact(Math.round(value));
/** @type {Record<string, Metric>} */
const METRICS = {
  tokens_per_second: { name: "tokens a second", text: count, more: true },
  ttft_p50: { name: "to the first token in the median", text: timeText },
  longest_gap: { name: "between two tokens of a text, at the longest", text: timeText },
  found_prefix: { name: "of the prompts found in memory", text: shareText, more: true },
  num_again: { name: "tokens computed again", text: count },
  prompt_computed: { name: "tokens of prompts computed", text: count },
};
const both = (/** @type {number | null} */ half, /** @type {number | null} */ most) =>
  `${timeText(half)}, ${timeText(most)}`;
/** @type {Record<string, (all: Summary) => string>} */
const ROWS = {
  "Tokens a second": (all) => count(all.tokens_per_second),
  "First token after: median, 90 %": (all) => both(all.ttft_p50, all.ttft_p90),
  "Then a token every: median, 90 %": (all) => both(all.token_p50, all.token_p90),
  "Longest gap between two tokens": (all) => timeText(all.longest_gap),
  "Places that wait for the longest": (all) => shareText(all.idle_rows),
  "Held memory that is in use": (all) => shareText(all.useful_memory),
  "Prompt tokens found in memory": (all) => shareText(all.found_prefix),
  "Prompt tokens computed": (all) => count(all.prompt_computed),
  "Preemptions, tokens computed again": (all) =>
    `${count(all.num_preemptions)}, ${count(all.num_again)}`,
  Passes: (all) => count(all.num_passes),
  "Requests refused": (all) => count(all.num_refused),
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
    const rows = Object.entries(ROWS).map(([name, text]) => [
      name,
      ...Object.values(summaries).map((summary) => (summary ? text(summary) : "…")),
    ]);
    const made = table([["", ...policies], ...rows]);
    const column = policies.indexOf(chosen) + 1;
    for (const { children } of made.rows) children[column].classList.add("tt-mine");
    element.replaceChildren(made);
  }
  return { element, show };
}

/**
 * The number to beat, and whether it is beaten.
 *
 * @param {Scenario} scenario
 * @param {Summary} toBeat
 * @param {Summary} mine
 */
export function challenge({ metric, hint }, toBeat, mine) {
  const { name, text, more } = METRICS[metric];
  const numberOf = (/** @type {Summary} */ all) => all[/** @type {keyof Summary} */ (metric)] ?? 0;
  const [old, now] = [numberOf(toBeat), numberOf(mine)];
  const goal = `Number to beat: ${text(old)} ${name}.`;
  if (now === old) return `${goal} ${hint}`;
  const isBetter = more ? now > old : now < old;
  return `${goal} Now ${text(now)}: ${isBetter ? "better" : "worse"}.`;
}

/**
 * Each request's times, as rows of a table.
 *
 * @param {ServerSimulation} simulation
 */
export function requestRows({ requests }) {
  const heads = [
    "Request",
    "Arrives at",
    "First token after",
    "Then a token every",
    "Longest gap",
    "Prompt",
    "Found",
    "Written",
    "Preempted",
  ];
  const rows = requests.map((request) => {
    const { first, perToken, gaps } = timesOf(request);
    const times = [request.arrivedAt, first, perToken, gaps.length ? Math.max(...gaps) : null];
    const { index, prompt, numFound, numNew, numPreemptions } = request;
    const counts = [prompt.length, numFound ?? 0, numNew, numPreemptions];
    return [String(index), ...times.map(timeText), ...counts.map(exact)];
  });
  return [heads, ...rows];
}
