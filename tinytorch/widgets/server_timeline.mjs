// Each request as a row: when it waits, reads its prompt, writes, and gives up its blocks.

import { linearTicks } from "./chart.mjs";
import { h, setAttributes } from "./common.mjs";
import { exact, phrase, phrases } from "./language.mjs";
import { drawing, keys, timeText } from "./server_drawing.mjs";

/** @import { Painting } from "./server_drawing.mjs" */
/** @import { Pass, ServerSimulation, Stretch } from "./server_simulation.mjs" */
/** @import { Summary } from "./server_summary.mjs" */

/** @typedef {(seconds: number) => number} Scale to pixels */

/**
 * Where things were painted.
 *
 * @typedef {object} Place
 * @property {number} row pixels of its height
 * @property {Scale} x
 * @property {(pixels: number) => number} time
 */

const LEFT = 28;
const RIGHT = 8;
const FOOT = 20;
const LEAST_LABEL = 12; // pixels that a row's number needs
const REFUSAL = 190; // pixels that a refusal in words needs

/**
 * The pass under way at a time; after the last one, the last.
 *
 * @param {Pass[]} passes
 * @param {number} time seconds
 */
export function passAt(passes, time) {
  let [low, high] = [0, passes.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes[middle].end > time) high = middle;
    else low = middle + 1;
  }
  return Math.max(low, 0);
}

const rowHeight = (/** @type {number} */ numRows) =>
  Math.min(Math.max(Math.floor(340 / numRows), 7), 16);

/**
 * One stretch of a request: waiting is a line, computing a box, an empty place a hatch.
 *
 * @param {Stretch} stretch
 * @param {object} place
 * @param {Scale} place.x
 * @param {number} place.y
 * @param {number} place.row pixels of its height
 * @param {(kind: string) => string} place.hatch
 */
function stretch([state, start, end], { x, y, row, hatch }) {
  const [from, width] = [x(start), Math.max(x(end) - x(start), 1)];
  if (state === "queued" || state === "preempted") {
    const middle = y + row / 2;
    const ends = { x1: from, x2: from + width, y1: middle, y2: middle };
    return h("svg:line", { class: `tt-${state}`, ...ends });
  }
  const isHigh = state === "prefill" || state === "again";
  const inset = isHigh ? 1 : Math.max(Math.floor(row / 4), 1);
  const box = { x: from, y: y + inset, width, height: row - 2 * inset };
  if (state === "again" || state === "idle") {
    return h("svg:rect", { class: `tt-stretch tt-is-${state}`, fill: hatch(state), ...box });
  }
  const colour = state === "prefill" ? "tt-now" : "tt-kept";
  return h("svg:rect", { class: `tt-stretch ${colour}`, ...box });
}

/**
 * The time line; `onPick` is told the pass and the request under a press.
 *
 * @param {object} options
 * @param {(index: number, request: number | null) => void} options.onPick
 * @param {AbortSignal} [options.signal]
 */
export function timeline({ onPick, signal }) {
  /** @type {ServerSimulation | null} */
  let simulation = null;
  /** @type {Place | null} */
  let place = null;
  let [shown, selected] = [0, -1];
  const cursor = h("svg:rect", { class: "tt-cursor", y: 0 });
  const mark = h("svg:rect", { class: "tt-mark", x: 0 });
  const words = phrases("server.line");
  const view = drawing({ name: "tt-timeline", paint, signal });
  const element = h(
    "div",
    {},
    view.svg,
    keys([
      ["tt-now", words.now],
      ["tt-kept", words.kept],
      ["tt-again", words.again],
      ["tt-idle", words.idle],
      ["tt-queued", words.queued],
      ["tt-preempted", words.preempted],
    ]),
  );

  function draw(/** @type {ServerSimulation} */ next) {
    simulation = next;
    view.refresh();
  }

  /**
   * @param {number} width
   * @returns {Painting}
   */
  function paint(width) {
    if (!simulation) return { height: 0, parts: [] };
    const { requests, passes } = simulation;
    const last = passes.at(-1)?.end || 1;
    const row = rowHeight(requests.length);
    const unit = (width - LEFT - RIGHT) / last;
    const x = (/** @type {number} */ time) => LEFT + time * unit;
    const base = row * requests.length;
    place = { row, x, time: (pixels) => (pixels - LEFT) / unit };
    const every = Math.ceil(LEAST_LABEL / row);
    const rows = requests.flatMap((request) => {
      const y = row * request.index;
      const label = { x: LEFT - 6, y: y + row / 2 + 4, "text-anchor": "end" };
      const end = request.tokenTimes.at(-1);
      const ends = { x1: x(end ?? 0), x2: x(end ?? 0), y1: y + 1, y2: y + row - 1 };
      return [
        request.index % every ? null : h("svg:text", label, String(request.index)),
        ...request.stretches.map((each) => stretch(each, { x, y, row, hatch: view.hatch })),
        end === undefined ? null : h("svg:line", { class: "tt-end", ...ends }),
        request.refused ? refusal(x(request.arrivedAt), y, { row, width }) : null,
      ].filter((part) => part !== null);
    });
    const ticks = linearTicks(0, last, Math.max(2, Math.floor(width / 110)));
    const axis = ticks.map((tick) => {
      const anchor = x(tick) > width - 30 ? "end" : tick === 0 ? "start" : "middle";
      const at = { x: x(tick), y: base + 15, "text-anchor": anchor };
      return h("svg:text", at, tick === 0 ? "0" : timeText(tick));
    });
    setAttributes(mark, { width, height: row });
    setAttributes(cursor, { height: base });
    move(shown);
    select(selected);
    return { height: base + FOOT, parts: [mark, ...rows, cursor, ...axis] };
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {{ row: number, width: number }} sizes
   */
  function refusal(x, y, { row, width }) {
    const isLate = x > width - REFUSAL;
    const at = isLate ? { x: width, "text-anchor": "end" } : { x: x + 2 };
    return h("svg:text", { ...at, y: y + row / 2 + 4 }, phrase("server.line_refused"));
  }

  /**
   * Put the cursor on a pass.
   *
   * @param {number} index
   */
  function move(index) {
    shown = index;
    const pass = simulation?.passes[index];
    if (!pass || !place) return;
    const width = Math.max(place.x(pass.end) - place.x(pass.start), 2);
    setAttributes(cursor, { x: place.x(pass.start), width });
  }

  /**
   * Mark a request's row; -1 is none.
   *
   * @param {number} index
   */
  function select(index) {
    selected = index;
    mark.style.display = index < 0 ? "none" : "";
    if (place && index >= 0) setAttributes(mark, { y: place.row * index });
  }

  /** @param {Summary} summary */
  function describe({ tokens_per_second: rate, idle_rows: idle, num_preemptions: preempted }) {
    const { requests = [], passes = [] } = simulation ?? {};
    const label = phrase("server.line_label", {
      requests: exact(requests.length),
      time: timeText(passes.at(-1)?.end ?? 0),
      rate: exact(Math.round(rate)),
      idle: Math.round(100 * idle),
      preempted: exact(preempted),
    });
    setAttributes(view.svg, { "aria-label": label });
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} withRow
   */
  function pick({ clientX, clientY }, withRow) {
    if (!place || !simulation?.passes.length) return;
    const { left, top } = view.svg.getBoundingClientRect();
    const row = Math.floor((clientY - top) / place.row);
    const isRow = withRow && row >= 0 && row < simulation.requests.length;
    onPick(passAt(simulation.passes, place.time(clientX - left)), isRow ? row : null);
  }
  view.svg.addEventListener("pointerdown", (event) => pick(event, true));
  view.svg.addEventListener("pointermove", (event) => {
    if (event.buttons) pick(event, false);
  });
  return { element, draw, move, select, describe, stop: view.stop };
}
