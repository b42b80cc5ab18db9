// Work and time of a run, so far: three numbers that lead, and a table of all.

import { exact, h, headingRow, memory, rounded, times } from "./common.mjs";

/** @import { Run } from "./types" */

/** @typedef {ReturnType<typeof totals>} Totals */

/**
 * Running sums.
 *
 * @param {number[]} values
 */
export function sums(values) {
  let total = 0;
  return values.map((value) => {
    total += value;
    return total;
  });
}

export const duration = (/** @type {number} */ ms) =>
  ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;

/**
 * A run's work and time, added up. Without a measured time, `timeWithout` is null.
 *
 * @param {Run} run
 */
export function totals(run) {
  return {
    workWithout: sums(run.operations_without_cache),
    workWith: sums(run.operations_with_cache),
    time: sums(run.ms),
    timeWithout: run.ms_without_cache ? sums(run.ms_without_cache) : null,
  };
}

/**
 * The message: how much less work and time, and what is kept for it.
 *
 * @param {Run} run
 * @param {Totals} total
 */
export function score(run, total) {
  const number = (/** @type {string} */ text) => {
    const strong = h("strong");
    return { element: h("div", {}, strong, h("span", {}, text)), strong };
  };
  const work = number("less work so far");
  const time = number("less time so far");
  const notes = number("of notes kept");
  const shown = total.timeWithout ? [work, time, notes] : [work, notes];
  const element = h("div", { class: "tt-score" }, ...shown.map((part) => part.element));
  function show(/** @type {number} */ step) {
    work.strong.textContent = times(total.workWithout[step] / total.workWith[step]);
    if (total.timeWithout) {
      time.strong.textContent = times(total.timeWithout[step] / total.time[step]);
    }
    notes.strong.textContent = memory(run.cache_bytes[step]);
  }
  return { element, show };
}

/**
 * Work and time of this step and so far, as a table.
 *
 * @param {Run} run
 * @param {Totals} total
 */
export function counters(run, total) {
  /** @type {Map<string, Element[]>} */
  const cells = new Map();
  const row = (/** @type {string} */ heading, /** @type {string} */ name) => {
    const own = [h("td"), h("td"), h("td")];
    cells.set(name, own);
    return h("tr", {}, h("th", { scope: "row" }, heading), ...own);
  };
  const headings = ["", "without a cache", "with a cache", "ratio"];
  const rows = [row("multiply-adds, this step", "step"), row("multiply-adds so far", "total")];
  if (total.timeWithout) rows.push(row("time so far", "time"));
  const head = headingRow(headings);
  const cache = h("p", { class: "tt-note" });
  const element = h(
    "div",
    {},
    h("table", { class: "tt-counters" }, h("thead", {}, head), h("tbody", {}, ...rows)),
    cache,
  );

  /**
   * @param {string} name
   * @param {number} a
   * @param {number} b
   * @param {(value: number) => string} format
   */
  function fill(name, a, b, format) {
    const texts = [format(a), format(b), times(a / b)];
    cells.get(name)?.forEach((cell, i) => {
      cell.textContent = texts[i];
    });
  }
  function show(/** @type {number} */ step) {
    fill("step", run.operations_without_cache[step], run.operations_with_cache[step], rounded);
    fill("total", total.workWithout[step], total.workWith[step], rounded);
    if (total.timeWithout) fill("time", total.timeWithout[step], total.time[step], duration);
    const kept = `${exact(run.seq_pos[step])} tokens, ${memory(run.cache_bytes[step])}`;
    const spent = total.timeWithout ? "" : `; ${duration(total.time[step])} so far`;
    cache.textContent = `In the cache: ${kept} of keys and values${spent}.`;
  }
  return { element, show };
}

/**
 * The run as rows of a table.
 *
 * @param {Run} run
 */
export function tableRows(run) {
  const headings = [
    "Step",
    "Token",
    "Tokens cached",
    "Cache, bytes",
    "Without, multiply-adds",
    "With",
    ...(run.ms_without_cache ? ["Without, ms"] : []),
    "With, ms",
  ];
  const rows = run.text.map((text, i) => [
    String(i),
    JSON.stringify(text),
    exact(run.seq_pos[i]),
    exact(run.cache_bytes[i]),
    exact(run.operations_without_cache[i]),
    exact(run.operations_with_cache[i]),
    ...(run.ms_without_cache ? [run.ms_without_cache[i].toFixed(1)] : []),
    run.ms[i].toFixed(1),
  ]);
  return [headings, ...rows];
}
