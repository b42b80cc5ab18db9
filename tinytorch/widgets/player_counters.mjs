// Work and time of a run, so far: three numbers that lead, and a table of all.

import { h, headingRow } from "./common.mjs";
import {
  bothWays,
  duration,
  exact,
  fixed,
  memory,
  phrase,
  phrases,
  rounded,
  times,
} from "./language.mjs";

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
  const work = number(phrase("player.less_work"));
  const time = number(phrase("player.less_time"));
  const notes = number(phrase("common.notes"));
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
  const headings = ["", ...bothWays(), phrase("common.ratio")];
  const rows = [
    row(phrase("player.work_step"), "step"),
    row(phrase("player.work_so_far"), "total"),
  ];
  if (total.timeWithout) rows.push(row(phrase("player.time_so_far"), "time"));
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
    const kept = {
      tokens: exact(run.seq_pos[step]),
      memory: memory(run.cache_bytes[step]),
      time: duration(total.time[step]),
    };
    cache.textContent = total.timeWithout
      ? phrase("player.kept", kept)
      : phrase("player.kept_after", kept);
  }
  return { element, show };
}

/**
 * The run as rows of a table.
 *
 * @param {Run} run
 */
export function tableRows(run) {
  const columns = phrases("common.columns");
  const headings = [
    phrase("player.step"),
    columns.token,
    phrase("player.tokens_cached"),
    columns.cache,
    columns.work_without,
    columns.work_with,
    ...(run.ms_without_cache ? [columns.ms_without] : []),
    columns.ms_with,
  ];
  const rows = run.text.map((text, i) => [
    String(i),
    JSON.stringify(text),
    exact(run.seq_pos[i]),
    exact(run.cache_bytes[i]),
    exact(run.operations_without_cache[i]),
    exact(run.operations_with_cache[i]),
    ...(run.ms_without_cache ? [fixed(run.ms_without_cache[i], 1)] : []),
    fixed(run.ms[i], 1),
  ]);
  return [headings, ...rows];
}
