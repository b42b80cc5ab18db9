// One band of the attention stepper: a head's rows in one step, drawn as cells with states.

import { h, setAttributes } from "./common.mjs";
import { phrase, phrases } from "./language.mjs";

/** @typedef {number[][]} Matrix rows are tokens */
/** @typedef {"query" | "key" | "value" | "output"} ArrayName */
/** @typedef {"" | "now" | "again" | "kept" | "masked"} CellState "" where nothing is formed */

/**
 * One head of a trace: arrays (T, channels), and (T, T) of queries and keys.
 *
 * @typedef {Record<ArrayName | "products" | "scores" | "weights", Matrix> & HeadAbout} Head
 *
 * @typedef {object} HeadAbout
 * @property {string} kind where it looks
 * @property {number} layer
 * @property {number} head
 * @property {number} kv_head
 * @property {number} width of a query
 * @property {number[]} channels of these, what the arrays hold
 */

/**
 * What Python has recorded: attention_trace.py.
 *
 * @typedef {object} Trace
 * @property {string[]} tokens
 * @property {number} prompt_length
 * @property {number} num_layers
 * @property {number} group query heads that share keys and values
 * @property {number} row_operations multiply-adds of a token's row in all layers
 * @property {number} row_bytes keys and values of a token in all layers
 * @property {number} difference between kept keys and values and those of one pass, at most
 * @property {number[]} layers that `changes` is about
 * @property {Matrix[]} changes of keys by the token after them, without the mask
 * @property {Head[]} heads
 */

/**
 * Where a band stands.
 *
 * @typedef {object} Step
 * @property {number} length tokens in the text
 * @property {number} fresh of them new in this step
 * @property {number} phase an index of PHASES
 * @property {number} column of the newest row: what the reader reads
 */

/**
 * @typedef {object} Cell
 * @property {SVGElement} element
 * @property {number} row
 * @property {number} [column] none is a row's label
 * @property {ArrayName | "scores"} [name]
 * @property {string} [classes] that it has
 * @property {string | null} [strength] of its colour
 */

export const PHASES = ["project", "write", "score", "softmax", "mix"];
export const [WRITE, SCORE, SOFTMAX, MIX] = [1, 2, 3, 4];
/** @type {ArrayName[]} */
const ARRAYS = ["query", "key", "value", "output"];
/** @type {(ArrayName | "scores")[]} */
const ARRAYS_AND_SCORES = ["query", "key", "scores", "value", "output"];
const HEADINGS = phrases("stepper.arrays");
const WIDE = { label: 92, cell: 9, score: 14, gap: 16, row: 15, channels: 8 };
const NARROW = { label: 78, cell: 6, score: 7.6, gap: 8, row: 15, channels: 3 };
const LEAST_WIDE = 540;
const TOP = 18;
const STATES = ["now", "again", "kept", "masked"];
/** @type {Record<string, string>} */
const CLASSES = Object.fromEntries([
  ["", "tt-cell tt-none"],
  ...STATES.map((state) => [state, `tt-cell tt-${state}`]),
]);

/** The tokens in the text at a step, and how many of them are new in it. */
export const textAt = (/** @type {Trace} */ trace, /** @type {number} */ step) =>
  trace.prompt_length + step;
export const newAt = (/** @type {Trace} */ trace, /** @type {number} */ step) =>
  step === 0 ? trace.prompt_length : 1;

/**
 * What a row of an array is: "now", "again", "kept", or "" where it is not formed.
 *
 * @param {string} name
 * @param {number} row
 * @param {Step & { keeps: boolean }} view
 * @returns {CellState}
 */
function rowState(name, row, { length, fresh, phase, keeps }) {
  if (row >= length) return "";
  if (name === "output" && phase < MIX) return "";
  if (row >= length - fresh) return "now";
  if (!keeps) return "again";
  return name === "key" || name === "value" ? "kept" : "";
}

/**
 * What a score is: as its row, "masked" where it looks ahead, or "" where it is not formed.
 *
 * @param {number} row
 * @param {number} column
 * @param {Step & { keeps: boolean }} view
 * @returns {CellState}
 */
export function scoreState(row, column, view) {
  if (view.phase < SCORE || row >= view.length || column >= view.length) return "";
  const isFresh = row >= view.length - view.fresh;
  if (view.keeps && !isFresh) return "";
  if (column > row) return "masked";
  return isFresh ? "now" : "again";
}

/**
 * A band; `onRead` is told which score the pointer is on (or null), and `keeps`.
 *
 * @param {Trace} trace
 * @param {object} options
 * @param {string} options.title
 * @param {boolean} options.keeps
 * @param {(place: number[] | null, keeps: boolean) => void} options.onRead
 */
export function band(trace, { title, keeps, onRead }) {
  const total = trace.tokens.length;
  const note = h("span");
  const head = h("div", { class: "tt-head" }, h("strong", {}, title), note);
  const svg = h("svg:svg", { role: "img", class: "tt-band" });
  const element = h("div", {}, head, svg);
  /** @type {typeof WIDE | null} */
  let layout = null;
  /** @type {Cell[]} */
  let cells = [];

  /**
   * Draw the cells for a width; return whether they had to be drawn.
   *
   * @param {number} width
   */
  function build(width) {
    const next = width < LEAST_WIDE ? NARROW : WIDE;
    if (next === layout) return false;
    layout = next;
    const { label, cell, score, gap, row, channels } = layout;
    const arrayWidth = cell * channels;
    const places = { query: 0, key: 0, scores: 0, value: 0, output: 0 };
    let x = label;
    for (const name of ARRAYS_AND_SCORES) {
      places[name] = x;
      x += (name === "scores" ? score * total : arrayWidth) + gap;
    }
    setAttributes(svg, { viewBox: `0 0 ${x - gap + 4} ${row * total + 20}` });
    cells = [];
    /** @type {SVGElement[]} */
    const parts = ARRAYS_AND_SCORES.map((name) =>
      h("svg:text", { x: places[name], y: 11 }, HEADINGS[name]),
    );
    trace.tokens.forEach((token, i) => {
      const y = TOP + row * i;
      const words = token.trim() || "␣";
      const text = h("svg:text", { x: label - 6, y: y + 11, "text-anchor": "end" }, words);
      parts.push(text);
      cells.push({ element: text, row: i });
      for (const name of ARRAYS) {
        for (let c = 0; c < channels; c += 1) {
          const at = { x: places[name] + cell * c, y, width: cell - 1, height: row - 2 };
          const rect = h("svg:rect", at);
          parts.push(rect);
          cells.push({ element: rect, name, row: i, column: c });
        }
      }
      for (let j = 0; j < total; j += 1) {
        const at = { x: places.scores + score * j, y, width: score - 1, height: row - 2 };
        const rect = h("svg:rect", { ...at, "data-at": `${i} ${j}` });
        parts.push(rect);
        cells.push({ element: rect, name: "scores", row: i, column: j });
      }
    });
    svg.replaceChildren(...parts);
    return true;
  }

  /**
   * @param {Step} view
   * @param {Head} head
   * @param {string} said
   */
  function show(view, head, said) {
    const asked = { ...view, keeps };
    const shades = shadesOf(head, view.phase >= SOFTMAX);
    for (const each of cells) {
      const { name, row, column } = each;
      if (name === undefined || column === undefined) {
        each.element.classList.toggle("tt-faint-text", row >= view.length);
        continue;
      }
      const isScore = name === "scores";
      const state = isScore ? scoreState(row, column, asked) : rowState(name, row, asked);
      const isRead = isScore && state && row === view.length - 1 && column === view.column;
      const isStored = name === "key" || name === "value";
      const isBoxed = keeps && state && isStored && view.phase >= WRITE;
      const outline = isBoxed ? " tt-boxed" : isRead ? " tt-read" : "";
      const classes = CLASSES[state] + outline;
      const isShaded = state && state !== "masked";
      const strength = isShaded ? shades[name][row][column] : null;
      if (classes !== each.classes) each.element.setAttribute("class", classes);
      if (strength !== each.strength) setAttributes(each.element, { "fill-opacity": strength });
      Object.assign(each, { classes, strength });
    }
    note.textContent = said;
    setAttributes(svg, { "aria-label": phrase("stepper.band", { title, said }) });
  }

  /**
   * Row and column of the score under the pointer; a cell that is not drawn has them too.
   *
   * @param {MouseEvent} event
   */
  function scoreAt({ clientX, clientY }) {
    if (!layout) return null;
    const box = svg.getBoundingClientRect();
    const unit = svg.viewBox.baseVal.width / box.width;
    const left = layout.label + 2 * (layout.cell * layout.channels + layout.gap);
    const column = Math.floor(((clientX - box.left) * unit - left) / layout.score);
    const row = Math.floor(((clientY - box.top) * unit - TOP) / layout.row);
    const isInside = [row, column].every((place) => place >= 0 && place < total);
    return isInside ? [row, column] : null;
  }

  const read = (/** @type {PointerEvent} */ event) => onRead(scoreAt(event), keeps);
  svg.addEventListener("pointermove", read);
  svg.addEventListener("pointerdown", read);
  svg.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType === "mouse") onRead(null, keeps); // a finger leaves when it lifts
  });
  return { element, build, show, svg };
}

/** @typedef {Record<ArrayName | "scores", string[][]>} Shades */

/** @type {WeakMap<Head, [even: Shades, weighted: Shades]>} */
const known = new WeakMap(); // by head: a step must not compute its shades again

/**
 * How strong each cell's colour is: by its number; a weight, once there is one, by its root.
 *
 * @param {Head} head
 * @param {boolean} hasWeights
 * @returns {Shades}
 */
function shadesOf(head, hasWeights) {
  const least = 0.18;
  const strength = (/** @type {number} */ share) => (least + (1 - least) * share).toFixed(2);
  let pair = known.get(head);
  if (!pair) {
    const scores = head.weights.map((row) => row.map(() => "0.55"));
    const even = { query: scores, key: scores, value: scores, output: scores, scores };
    for (const name of ARRAYS) {
      const most = Math.max(...head[name].flat().map(Math.abs));
      even[name] = head[name].map((row) => row.map((x) => strength(Math.abs(x) / most)));
    }
    const weights = head.weights.map((row) => row.map((weight) => strength(Math.sqrt(weight))));
    pair = [even, { ...even, scores: weights }];
    known.set(head, pair);
  }
  return pair[hasWeights ? 1 : 0];
}
