// One band of the attention stepper: a head's rows in one step, drawn as cells with states.

import { h, setAttributes } from "./common.mjs";

export const PHASES = ["project", "write", "score", "softmax", "mix"];
export const [WRITE, SCORE, SOFTMAX, MIX] = [1, 2, 3, 4];
const ARRAYS = ["query", "key", "value", "output"];
const WIDE = { label: 92, cell: 9, score: 14, gap: 16, row: 15, channels: 8 };
const NARROW = { label: 78, cell: 6, score: 7.6, gap: 8, row: 15, channels: 3 };
const LEAST_WIDE = 540;
const TOP = 18;
const STATES = ["now", "again", "kept", "masked"];
const CLASSES = Object.fromEntries([
  ["", "tt-cell tt-none"],
  ...STATES.map((state) => [state, `tt-cell tt-${state}`]),
]);

/** The tokens in the text at a step, and how many of them are new in it. */
export const textAt = (trace, step) => trace.prompt_length + step;
export const newAt = (trace, step) => (step === 0 ? trace.prompt_length : 1);

/** What a row of an array is: "now", "again", "kept", or "" where it is not formed. */
function rowState(name, row, { length, fresh, phase, keeps }) {
  if (row >= length) return "";
  if (name === "output" && phase < MIX) return "";
  if (row >= length - fresh) return "now";
  if (!keeps) return "again";
  return name === "key" || name === "value" ? "kept" : "";
}

/** What a score is: as its row, "masked" where it looks ahead, or "" where it is not formed. */
export function scoreState(row, column, view) {
  if (view.phase < SCORE || row >= view.length || column >= view.length) return "";
  const isFresh = row >= view.length - view.fresh;
  if (view.keeps && !isFresh) return "";
  if (column > row) return "masked";
  return isFresh ? "now" : "again";
}

/** A band; `onRead` is told which score the pointer is on (or null), and `keeps`. */
export function band(trace, { title, keeps, onRead }) {
  const total = trace.tokens.length;
  const note = h("span");
  const head = h("div", { class: "tt-head" }, h("strong", {}, title), note);
  const svg = h("svg:svg", { role: "img", class: "tt-band" });
  const element = h("div", {}, head, svg);
  let layout = null;
  let cells = [];

  /** Draw the cells for a width; return whether they had to be drawn. */
  function build(width) {
    const next = width < LEAST_WIDE ? NARROW : WIDE;
    if (next === layout) return false;
    layout = next;
    const { label, cell, score, gap, row, channels } = layout;
    const arrayWidth = cell * channels;
    const places = {};
    let x = label;
    for (const name of ["query", "key", "scores", "value", "output"]) {
      places[name] = x;
      x += (name === "scores" ? score * total : arrayWidth) + gap;
    }
    setAttributes(svg, { viewBox: `0 0 ${x - gap + 4} ${row * total + 20}` });
    cells = [];
    const parts = [];
    const headings = { query: "Q", key: "K", scores: "Q·K", value: "V", output: "out" };
    for (const [name, text] of Object.entries(headings)) {
      parts.push(h("svg:text", { x: places[name], y: 11 }, text));
    }
    trace.tokens.forEach((token, i) => {
      const y = TOP + row * i;
      const words = token.trim() || "␣";
      const text = h("svg:text", { x: label - 6, y: y + 11, "text-anchor": "end" }, words);
      parts.push(text);
      cells.push({ element: text, label: true, row: i });
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

  function show(view, head, said) {
    const asked = { ...view, keeps };
    const shades = shadesOf(head, view.phase >= SOFTMAX);
    for (const each of cells) {
      if (each.label) {
        each.element.classList.toggle("tt-faint-text", each.row >= view.length);
        continue;
      }
      const isScore = each.name === "scores";
      const state = isScore
        ? scoreState(each.row, each.column, asked)
        : rowState(each.name, each.row, asked);
      const isRead =
        isScore && state && each.row === view.length - 1 && each.column === view.column;
      const isStored = each.name === "key" || each.name === "value";
      const isBoxed = keeps && state && isStored && view.phase >= WRITE;
      const outline = isBoxed ? " tt-boxed" : isRead ? " tt-read" : "";
      const classes = CLASSES[state] + outline;
      const isShaded = state && state !== "masked";
      const strength = isShaded ? shades[each.name][each.row][each.column] : null;
      if (classes !== each.classes) each.element.setAttribute("class", classes);
      if (strength !== each.strength) setAttributes(each.element, { "fill-opacity": strength });
      Object.assign(each, { classes, strength });
    }
    note.textContent = said;
    setAttributes(svg, { "aria-label": `${title}: ${said}` });
  }

  /** Row and column of the score under the pointer; a cell that is not drawn has them too. */
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

  for (const name of ["pointermove", "pointerdown"]) {
    svg.addEventListener(name, (event) => onRead(scoreAt(event), keeps));
  }
  svg.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType === "mouse") onRead(null, keeps); // a finger leaves when it lifts
  });
  return { element, build, show, svg };
}

const known = new WeakMap(); // by head: a step must not compute its shades again

/** How strong each cell's colour is: by its number; a weight, once there is one, by its root. */
function shadesOf(head, hasWeights) {
  const least = 0.18;
  const strength = (share) => (least + (1 - least) * share).toFixed(2);
  if (!known.has(head)) {
    const shades = {};
    for (const name of ARRAYS) {
      const most = Math.max(...head[name].flat().map(Math.abs));
      shades[name] = head[name].map((row) => row.map((x) => strength(Math.abs(x) / most)));
    }
    const weights = head.weights.map((row) => row.map((weight) => strength(Math.sqrt(weight))));
    const even = head.weights.map((row) => row.map(() => "0.55"));
    known.set(head, [
      { ...shades, scores: even },
      { ...shades, scores: weights },
    ]);
  }
  return known.get(head)[Number(hasWeights)];
}
