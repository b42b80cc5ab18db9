// What a race took so far, counted and compared: no elements here, only numbers and sentences.

import { ratioOf } from "./common.mjs";
import { forwardOperations, kvCacheBytes } from "./costs.mjs";
import {
  duration,
  exact,
  fixed,
  memory,
  phrase,
  phrases,
  plural,
  rounded,
  times,
} from "./language.mjs";

/** @import { Config } from "../browser/config.mjs" */
/** @import { CacheSizes, OperationSizes } from "./types" */

/** @typedef {CacheSizes & OperationSizes} Sizes */
/** @typedef {"running" | "stopped" | "over"} RaceState */

/**
 * One lane's columns: a row for each token.
 *
 * @typedef {object} Lane
 * @property {number[]} ids
 * @property {string[]} texts
 * @property {number[]} ms
 * @property {number[]} time milliseconds so far
 * @property {bigint[]} work multiply-adds so far
 */

/** @typedef {ReturnType<typeof ledger>} Ledger */

const CACHE_BITS = 32; // both engines keep float32

/**
 * The engine's configuration (config.mjs) as the record of sizes that costs.mjs reads.
 *
 * @param {Config} config
 * @returns {Sizes}
 */
export function sizesOf(config) {
  return {
    num_layers: config.numLayers,
    embed_dim: config.embedDim,
    num_heads: config.numHeads,
    num_kv_heads: config.numKvHeads,
    head_dim: config.headDim,
    mlp_dim: config.mlpDim,
    vocab_size: config.vocabSize,
    mlp_matrices: 3,
    kv_elements_per_token_per_layer: 2 * config.numKvHeads * config.headDim,
    num_windowed_layers: 0,
    window: null,
  };
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle - 0.5)] + sorted[Math.floor(middle)]) / 2;
}

/**
 * The book of a race: lanes 0 (without a cache) and 1 (with one) take tokens, and are compared.
 *
 * @param {Sizes} sizes
 * @param {number} promptLength
 */
export function ledger(sizes, promptLength) {
  const units = forwardOperations(sizes);
  /** @type {Lane[]} */
  const lanes = [0, 1].map(() => ({ ids: [], texts: [], ms: [], time: [], work: [] }));

  /** @param {{ lane: number, id: number, text: string, ms: number }} token */
  function add({ lane, id, text, ms }) {
    const book = lanes[lane];
    const at = book.ids.length;
    const length = promptLength + at;
    const work = units(lane && at ? 1 : length, length);
    book.ids.push(id);
    book.texts.push(text);
    book.ms.push(ms);
    book.time.push((book.time[at - 1] ?? 0) + ms);
    book.work.push((book.work[at - 1] ?? 0n) + work);
  }

  const cacheBytes = (/** @type {number} */ numTokens) =>
    kvCacheBytes(sizes, promptLength + numTokens - 1, 1, CACHE_BITS);
  const both = () => Math.min(...lanes.map(({ ids }) => ids.length));

  /**
   * The first token that differs, or -1. Where one lane has ended earlier, that is a difference.
   *
   * @param {boolean} isOver
   */
  function difference(isOver) {
    const [a, b] = lanes.map(({ ids }) => ids);
    const at = a.slice(0, both()).findIndex((id, i) => id !== b[i]);
    return at === -1 && isOver && a.length !== b.length ? both() : at;
  }

  /**
   * What the comparison has found.
   *
   * @param {RaceState} state
   */
  function verdict(state) {
    const at = difference(state === "over");
    const count = both();
    if (at !== -1) {
      const end = phrase("race.the_end");
      const [a, b] = lanes.map(({ texts }) => JSON.stringify(texts[at] ?? end));
      return phrase("race.differ", { place: at + 1, without: a, with: b });
    }
    if (state === "over") return plural("race.equal", count);
    if (count === 0) return state === "stopped" ? phrase("race.stopped_early") : "";
    return state === "stopped"
      ? plural("race.equal_stopped", count)
      : plural("race.equal_so_far", count);
  }

  /** The numbers that lead, of the tokens that both have written. */
  function score() {
    const last = both() - 1;
    if (last < 0) return { time: "–", work: "–", notes: "–" };
    const [without, withCache] = lanes;
    return {
      time: times(without.time[last] / withCache.time[last]),
      work: times(ratioOf(without.work[last], withCache.work[last])),
      notes: memory(cacheBytes(withCache.ids.length)),
    };
  }

  /** Rows of a heading, both lanes, and their ratio, of the tokens that both have written. */
  function rows() {
    const count = both();
    /** @type {<T>(heading: string, values: T[], format: (value: T) => string, ratio: string) => string[]} */
    const row = (heading, values, format, ratio) => [
      heading,
      ...(count ? [...values.map(format), ratio] : ["", "", ""]),
    ];
    const ratio = (/** @type {number[]} */ [a, b]) => (Number.isFinite(a / b) ? times(a / b) : "");
    const first = lanes.map(({ ms }) => ms[0]);
    const later = lanes.map(({ ms }) => median(ms.slice(1, count)));
    const rates = lanes.map(({ time }) => (1000 * count) / time[count - 1]);
    const work = lanes.map((book) => book.work[count - 1]);
    const speeds = lanes.map((book) => {
      const flop = 2 * Number((book.work[count - 1] ?? 0n) - (book.work[0] ?? 0n));
      return flop / 1e6 / ((book.time[count - 1] ?? 0) - (book.time[0] ?? 0));
    });
    const ms = (/** @type {number} */ value) =>
      Number.isNaN(value) ? "" : phrase("numbers.ms", { n: fixed(value, 1) });
    const rate = (/** @type {number} */ value) => (Number.isNaN(value) ? "" : fixed(value, 1));
    const names = phrases("race.rows");
    return [
      row(names.first, first, ms, ratio(first)),
      row(names.later, later, ms, ratio(later)),
      row(names.rate, rates, rate, ratio([rates[1], rates[0]])),
      row(names.speed, speeds, rate, ratio([speeds[1], speeds[0]])),
      row(names.work, work, rounded, count ? times(ratioOf(work[0], work[1])) : ""),
      row(names.bytes, [0, count && cacheBytes(count)], exact, ""),
    ];
  }

  /** All that is known of each token, for the table on request. */
  function tokenRows() {
    const columns = phrases("common.columns");
    const headings = [
      columns.token,
      phrase("race.column_text"),
      phrase("race.column_equal"),
      columns.ms_without,
      columns.ms_with,
      columns.work_without,
      columns.work_with,
      columns.cache,
    ];
    const [yes, no] = [phrase("race.yes"), phrase("race.no")];
    const [a, b] = lanes;
    const all = Array.from({ length: Math.max(a.ids.length, b.ids.length) }, (_, i) => {
      const isIn = [a, b].every(({ ids }) => i < ids.length);
      const step = (/** @type {Lane} */ { work }) =>
        i < work.length ? exact(work[i] - (work[i - 1] ?? 0n)) : "";
      return [
        String(i + 1),
        JSON.stringify(b.texts[i] ?? a.texts[i]),
        isIn ? (a.ids[i] === b.ids[i] ? yes : no) : "",
        ...[a, b].map(({ ms }) => (i < ms.length ? fixed(ms[i], 1) : "")),
        step(a),
        step(b),
        exact(cacheBytes(i + 1)),
      ];
    });
    return [headings, ...all];
  }

  /**
   * Where a lane is, in words.
   *
   * @param {number} lane
   * @param {number} newTokens
   */
  function progress(lane, newTokens) {
    const { ids, time } = lanes[lane];
    const spent = time[ids.length - 1] ?? 0;
    const place = { count: ids.length, all: newTokens, time: duration(spent) };
    if (!spent) return phrase("race.progress", place);
    const rate = fixed((1000 * ids.length) / spent, 1);
    return phrase("race.progress_rate", { ...place, rate });
  }

  return { lanes, add, both, verdict, score, rows, tokenRows, progress };
}
