// One band of the attention stepper: a head's rows in one step, drawn as cells with states.

import { h, setAttributes } from "./common.mjs";

export const PHASES = ["project", "write", "score", "softmax", "mix"];
const [WRITE, SCORE, SOFTMAX, MIX] = [1, 2, 3, 4];
const ARRAYS = ["query", "key", "value", "output"];
const WIDE = { label: 92, cell: 9, score: 14, gap: 16, row: 15, channels: 8 };
const NARROW = { label: 78, cell: 6, score: 7.6, gap: 8, row: 15, channels: 3 };
const LEAST_WIDE = 540;

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

/** What a score is: as its row, or "masked" where it looks ahead. */
function scoreState(row, column, view) {
  if (view.phase < SCORE || row >= view.length || column >= view.length) return "";
  const isFresh = row >= view.length - view.fresh;
  if (view.keeps && !isFresh) return "";
  if (column > row) return "masked";
  return isFresh ? "now" : "again";
}

/** A band; `onRead` is told which score the pointer is on, or null. */
export function band(trace, { title, keeps, onRead }) {
  const total = trace.tokens.length;
  const note = h("span");
  const head = h("div", { class: "tt-head" }, h("strong", {}, title), note);
  const svg = h("svg:svg", { role: "img", class: "tt-band" });
  const element = h("div", {}, head, svg);
  let layout = null;
  let cells = [];

  function build(width) {
    const next = width < LEAST_WIDE ? NARROW : WIDE;
    if (next === layout) return;
    layout = next;
    const { label, cell, score, gap, row, channels } = layout;
    const arrayWidth = cell * channels;
    const places = {};
    let x = label;
    for (const name of ["query", "key", "scores", "value", "output"]) {
      places[name] = x;
      x += (name === "scores" ? score * total : arrayWidth) + gap;
    }
    setAttributes(svg, { viewBox: `0 0 ${x - gap} ${row * total + 20}` });
    cells = [];
    const parts = [];
    const headings = { query: "Q", key: "K", scores: "Q·K", value: "V", output: "out" };
    for (const [name, text] of Object.entries(headings)) {
      parts.push(h("svg:text", { x: places[name], y: 11 }, text));
    }
    trace.tokens.forEach((token, i) => {
      const y = 18 + row * i;
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
  }

  function show(view, head, said) {
    const strengths = largest(head);
    const asked = { ...view, keeps };
    for (const each of cells) {
      if (each.label) {
        each.element.classList.toggle("tt-faint-text", each.row >= view.length);
        continue;
      }
      const isScore = each.name === "scores";
      const state = isScore
        ? scoreState(each.row, each.column, asked)
        : rowState(each.name, each.row, asked);
      const chosen = isScore && each.row === view.length - 1 && each.column === view.column;
      const boxed = keeps && state && view.phase >= WRITE && ["key", "value"].includes(each.name);
      const classes = `tt-cell tt-${state || "none"}${boxed ? " tt-boxed" : ""}${
        chosen ? " tt-read" : ""
      }`;
      const strength =
        state && state !== "masked" ? shade(head, each, view, strengths).toFixed(2) : null;
      if (classes !== each.classes) each.element.setAttribute("class", classes);
      if (strength !== each.strength) setAttributes(each.element, { "fill-opacity": strength });
      Object.assign(each, { classes, strength });
    }
    note.textContent = said;
    setAttributes(svg, { "aria-label": `${title}: ${said}` });
  }

  const scoreAt = (event) => event.target.dataset?.at?.split(" ").map(Number) ?? null;
  svg.addEventListener("pointerover", (event) => onRead(scoreAt(event)));
  svg.addEventListener("pointerdown", (event) => onRead(scoreAt(event)));
  svg.addEventListener("pointerleave", () => onRead(null));
  return { element, build, show, svg };
}

/** The largest number of each array, for its shades. */
function largest(head) {
  const most = (rows) => Math.max(...rows.flat().map(Math.abs));
  return Object.fromEntries(ARRAYS.map((name) => [name, most(head[name])]));
}

/** How strong a cell's colour is: by its number, a weight by its root. */
function shade(head, { name, row, column }, view, strengths) {
  const least = 0.18;
  if (name === "scores") {
    if (view.phase < SOFTMAX) return 0.55;
    return least + (1 - least) * Math.sqrt(head.weights[row][column]);
  }
  return least + (1 - least) * (Math.abs(head[name][row][column]) / strengths[name]);
}
