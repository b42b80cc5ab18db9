// A run's times as distributions, and its memory over time.

import { h, setAttributes, write } from "./common.mjs";
import { kvCacheBytes } from "./costs.mjs";
import { exact, memory, phrase } from "./language.mjs";
import { drawing, keys, shareText, timeText } from "./server_drawing.mjs";
import { BITS } from "./server_simulation.mjs";
import { percentile, timesOf } from "./server_summary.mjs";

/** @import { Painting } from "./server_drawing.mjs" */
/** @import { Pass, ServerSimulation } from "./server_simulation.mjs" */

/** @typedef {{ name: string, values: number[], quantiles: (number | null)[] }} Row of seconds */
/** @typedef {(value: number) => number} Scale to pixels */

const STRIP = 34; // pixels
const TITLE = 24;
const BIN = 8;
const MEMORY = 110;
const MOST_COLUMNS = 400;

/**
 * Powers of ten with 2 and 5 between two times.
 *
 * @param {number} low
 * @param {number} high
 */
function timeTicks(low, high) {
  /** @type {number[]} */
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    for (const factor of [1, 2, 5]) ticks.push(factor * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/**
 * Two histograms on one logarithmic axis: time to the first token, and time a token.
 *
 * @param {{ signal?: AbortSignal }} options
 */
export function distributions({ signal }) {
  /** @type {Row[]} */
  let rows = [];
  const view = drawing({ name: "tt-times", paint, signal });
  const element = h("div", {}, view.svg);

  function draw(/** @type {ServerSimulation} */ { requests }) {
    const times = requests.map(timesOf);
    const known = (/** @type {"first" | "perToken"} */ key) =>
      times.map((time) => time[key]).filter((time) => time !== null);
    rows = [
      { name: phrase("server.first_after"), values: known("first") },
      { name: phrase("server.then_every"), values: known("perToken") },
    ].map(({ name, values }) => ({
      name,
      values,
      quantiles: [0.5, 0.9].map((share) => percentile(values, share)),
    }));
    const said = rows.map(({ name, quantiles }) => {
      const [half, most] = quantiles.map(timeText);
      return phrase("server.quantiles_said", { name, half, most });
    });
    const label = phrase("server.times_label", { times: said.join("; ") });
    setAttributes(view.svg, { "aria-label": label });
    view.refresh();
  }

  /**
   * @param {number} width
   * @returns {Painting}
   */
  function paint(width) {
    const all = rows.flatMap(({ values }) => values);
    if (!all.length) return { height: 20, parts: [] };
    const [low, high] = [Math.min(...all) / 1.2, Math.max(...all) * 1.2];
    const x = (/** @type {number} */ time) =>
      8 + (Math.log(time / low) / Math.log(high / low)) * (width - 16);
    const base = (STRIP + TITLE) * rows.length;
    const ticks = timeTicks(low, high);
    const every = Math.ceil(ticks.length / Math.max(Math.floor(width / 75), 1));
    const axis = ticks.flatMap((tick, i) => {
      const line = { class: "tt-rule", x1: x(tick), x2: x(tick), y1: base, y2: base + 4 };
      const text = { x: x(tick), y: base + 17, "text-anchor": "middle" };
      return [h("svg:line", line), ...(i % every ? [] : [h("svg:text", text, timeText(tick))])];
    });
    const end = width - 8;
    const bars = rows.flatMap((row, i) => histogram(row, x, { top: (STRIP + TITLE) * i, end }));
    return { height: base + 22, parts: [...bars, ...axis] };
  }

  /**
   * One row: how many requests have which time, and lines at the median and 90 %.
   *
   * @param {Row} row
   * @param {Scale} x
   * @param {{ top: number, end: number }} place
   */
  function histogram({ name, values, quantiles }, x, { top, end }) {
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (const value of values) {
      const bin = Math.floor(x(value) / BIN);
      counts.set(bin, (counts.get(bin) ?? 0) + 1);
    }
    const base = top + TITLE + STRIP;
    const unit = (STRIP - 4) / Math.max(...counts.values(), 1);
    const bars = [...counts].map(([bin, count]) => {
      const box = { x: BIN * bin, width: BIN - 1, y: base - unit * count, height: unit * count };
      return h("svg:rect", { class: "tt-bin", ...box });
    });
    const lines = quantiles
      .filter((time) => time !== null)
      .map((time, i) => {
        const ends = { x1: x(time), x2: x(time), y1: top + TITLE, y2: base };
        return h("svg:line", { class: i ? "tt-most" : "tt-half", ...ends });
      });
    const [half, most] = quantiles.map(timeText);
    const text = phrase("server.quantiles", { name, half, most });
    const rule = h("svg:line", { class: "tt-rule", x1: 8, x2: end, y1: base, y2: base });
    return [h("svg:text", { x: 8, y: top + 17 }, text), ...bars, ...lines, rule];
  }
  return { element, draw, stop: view.stop };
}

/**
 * The passes that stand for all of them: of each stretch of time, the fullest.
 *
 * @param {Pass[]} passes
 * @param {number} end
 */
function columnsOf(passes, end) {
  /** @type {{ at: number, pass: Pass }[]} */
  const columns = [];
  for (const pass of passes) {
    const at = Math.floor((pass.start / end) * MOST_COLUMNS);
    const last = columns.at(-1);
    if (!last || last.at !== at) columns.push({ at, pass });
    else if (pass.numFilled > last.pass.numFilled) last.pass = pass;
  }
  return columns.map(({ pass }) => pass);
}

/**
 * What the memory holds over time: tokens, empty places in held blocks, known texts, nothing.
 *
 * @param {{ signal?: AbortSignal }} options
 */
export function memoryChart({ signal }) {
  /** @type {ServerSimulation | null} */
  let simulation = null;
  /** @type {Scale | null} */
  let x = null;
  let shown = 0;
  const cursor = h("svg:line", { class: "tt-cursor-line", y1: 0, y2: MEMORY });
  const view = drawing({ name: "tt-memory", paint, signal });
  const words = h("p", { class: "tt-note" });
  const legend = keys([
    ["tt-kept", phrase("server.in_use")],
    ["tt-reserved", phrase("server.still_empty")],
    ["tt-cached", phrase("server.still_known")],
  ]);
  const element = h("div", { class: "tt-stack" }, view.svg, legend, words);

  function draw(/** @type {ServerSimulation} */ next) {
    simulation = next;
    view.refresh();
  }

  /**
   * @param {number} width
   * @returns {Painting}
   */
  function paint(width) {
    if (!simulation?.passes.length) {
      move(shown);
      return { height: MEMORY, parts: [] };
    }
    const { passes, server } = simulation;
    const { end } = passes[passes.length - 1];
    const total = server.num_blocks * server.block_size;
    const place = (/** @type {number} */ time) => 28 + (time / end) * (width - 36);
    x = place;
    const y = (/** @type {number} */ tokens) => MEMORY - (tokens / total) * (MEMORY - 4);
    const columns = columnsOf(passes, end);
    /** @type {(name: string, top: (pass: Pass) => number) => SVGElement} */
    const area = (name, top) => {
      const steps = columns.map((pass, i) => {
        const next = columns[i + 1];
        const isGap = next && next.start > pass.end + 1e-9 && passes.length < MOST_COLUMNS;
        const to = isGap ? pass.end : (next?.start ?? pass.end);
        return `H${place(pass.start)}V${y(top(pass))}H${place(to)}${isGap ? `V${MEMORY}` : ""}`;
      });
      return h("svg:path", {
        class: name,
        d: `M${place(0)} ${MEMORY}${steps.join("")}V${MEMORY}Z`,
      });
    };
    const frame = {
      class: "tt-frame",
      x: place(0),
      y: 4,
      width: place(end) - place(0),
      height: MEMORY - 4,
    };
    move(shown);
    const parts = [
      area("tt-area-cached", ({ numHeld, numCached }) => numHeld + numCached),
      area("tt-area-held", ({ numHeld }) => numHeld),
      area("tt-area-filled", ({ numFilled }) => numFilled),
      h("svg:rect", frame),
      cursor,
    ];
    return { height: MEMORY + 2, parts };
  }

  /**
   * Put the cursor on a pass, and say what the memory holds in it.
   *
   * @param {number} index
   */
  function move(index) {
    shown = index;
    const pass = simulation?.passes[index];
    if (!simulation || !pass) {
      write(words, "");
      setAttributes(view.svg, { "aria-label": phrase("server.nothing_held") });
      return;
    }
    if (x) setAttributes(cursor, { x1: x(pass.start), x2: x(pass.start) });
    const { model, num_blocks: numBlocks, block_size: size } = simulation.server;
    const total = numBlocks * size;
    const bytes = memory(kvCacheBytes(model, total, 1, BITS));
    const { numFilled, numHeld, numCached } = pass;
    const of = (/** @type {number} */ tokens) =>
      phrase("server.memory_part", { tokens: exact(tokens), share: shareText(tokens / total) });
    const parts = {
      places: exact(total),
      bytes,
      in_use: of(numFilled),
      empty: of(numHeld - numFilled),
      known: of(numCached),
      free: of(total - numHeld - numCached),
    };
    write(words, phrase("server.memory", parts));
    const said = phrase("server.memory_label", { share: shareText(numFilled / total) });
    setAttributes(view.svg, { "aria-label": said });
  }
  return { element, draw, move, stop: view.stop };
}
