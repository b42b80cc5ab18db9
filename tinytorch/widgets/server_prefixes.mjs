// The blocks with a known text as a radix tree: where texts begin alike, and where they part.

import { linearTicks } from "./chart.mjs";
import { h, setAttributes } from "./common.mjs";
import { exact, phrase, phrases } from "./language.mjs";
import { drawing, keys } from "./server_drawing.mjs";
import { blockOwners } from "./server_simulation.mjs";
import { sum } from "./server_summary.mjs";

/** @import { Painting } from "./server_drawing.mjs" */
/** @import { ServerSimulation } from "./server_simulation.mjs" */
/** @import { Server } from "./types" */

/**
 * Known blocks one behind the other that the same requests hold.
 *
 * @typedef {object} PrefixRun
 * @property {number} start tokens before it
 * @property {number[]} blocks
 * @property {number} tokens
 * @property {number[]} holders requests, by their indices
 * @property {PrefixRun[]} runs that follow it
 * @property {boolean} [isMine] whether the selected request holds it
 */

const MOST_ENDS = 12;
const DEPTH = 156; // pixels of all ends together
const WIDEST_END = 26;
const LABEL_PLACE = 66; // pixels beside the longest text
const DIGIT = 7;

/**
 * The tree of known texts.
 *
 * @param {ServerSimulation} simulation
 */
export function prefixRuns({ pool: { known, blockSize }, scheduler }) {
  const { running, textNumbers } = scheduler;
  const owners = blockOwners(running);
  const blockOf = (/** @type {number} */ text) => /** @type {number} */ (known.get(text));
  const holdersOf = (/** @type {number} */ text) => owners.get(blockOf(text)) ?? [];
  /** @type {Map<number, number[]>} */
  const behind = new Map(Array.from(known.keys(), (text) => [text, []]));
  /** @type {number[]} */
  const first = [];
  for (const text of [...known.keys()].sort((a, b) => a - b)) {
    (behind.get(textNumbers.place(text).before ?? -1) ?? first).push(text);
  }

  /**
   * @param {number} text
   * @returns {PrefixRun}
   */
  function runFrom(text) {
    const holders = holdersOf(text);
    /** @type {number[]} */
    const blocks = [];
    let next = [text];
    while (next.length === 1 && String(holdersOf(next[0])) === String(holders)) {
      blocks.push(blockOf(next[0]));
      next = behind.get(next[0]) ?? [];
    }
    const start = blockSize * textNumbers.place(text).index;
    return { start, blocks, tokens: blockSize * blocks.length, holders, runs: next.map(runFrom) };
  }
  return first.map(runFrom);
}

/**
 * A tree's runs, each before those that follow it.
 *
 * @type {(runs: PrefixRun[]) => PrefixRun[]}
 */
const allRuns = (runs) => runs.flatMap((run) => [run, ...allRuns(run.runs)]);
const endsOf = (/** @type {PrefixRun[]} */ runs) => allRuns(runs).filter((run) => !run.runs.length);
const endOf = (/** @type {PrefixRun} */ { start, tokens }) => start + tokens;

/**
 * The tree of a few ends: of the selected request first, then those that are held, then long.
 *
 * @param {PrefixRun[]} runs
 * @param {number} selected
 */
function fewEnds(runs, selected) {
  const rank = (/** @type {PrefixRun} */ { holders }) =>
    holders.includes(selected) ? 2 : Math.min(holders.length, 1);
  const ends = endsOf(runs).sort((a, b) => rank(b) - rank(a) || endOf(b) - endOf(a));
  const drawn = new Set(ends.slice(0, MOST_ENDS));
  /** @type {(all: PrefixRun[]) => PrefixRun[]} */
  const part = (all) =>
    all.flatMap((run) => {
      const below = part(run.runs);
      return drawn.has(run) || below.length ? [{ ...run, runs: below }] : [];
    });
  return part(runs);
}

/**
 * @param {PrefixRun[]} runs
 * @param {PrefixRun[]} drawn
 * @param {Server} server
 */
function treeInWords(runs, drawn, { share_prefixes: isSharing }) {
  if (!isSharing) return phrase("server.sharing_off");
  const all = allRuns(runs);
  if (!all.length) return phrase("server.tree_empty");
  const numHolders = (/** @type {PrefixRun} */ { holders }) => holders.length;
  const count = (/** @type {PrefixRun[]} */ some) => sum(some.map(({ blocks }) => blocks.length));
  const held = count(all.filter(numHolders));
  const said = [phrase("server.tree_counts", { all: exact(count(all)), held: exact(held) })];
  const [most] = [...all].sort((a, b) => numHolders(b) - numHolders(a) || endOf(b) - endOf(a));
  const shared = { tokens: exact(endOf(most)), holders: exact(numHolders(most)) };
  const isShared = numHolders(most) > 1;
  said.push(isShared ? phrase("server.tree_most", shared) : phrase("server.tree_none"));
  const lost = count(allRuns(runs.filter(({ start }) => start > 0)));
  if (lost) said.push(phrase("server.tree_lost", { n: exact(lost) }));
  const numEnds = endsOf(runs).length;
  const numHidden = numEnds - endsOf(drawn).length;
  const rest = count(all) - count(allRuns(drawn));
  const hidden = { hidden: exact(numHidden), all: exact(numEnds), blocks: exact(rest) };
  if (numHidden) said.push(phrase("server.tree_hidden", hidden));
  return said.join(" ");
}

/**
 * The tree as boxes: to the right the text goes on, and a box is as high as what follows it.
 *
 * @param {{ signal?: AbortSignal }} options
 */
export function prefixTree({ signal }) {
  /** @type {PrefixRun[]} */
  let drawn = [];
  let scale = 1; // tokens
  const words = phrases("server.tree");
  const view = drawing({ name: "tt-tree", paint, signal });
  const element = h(
    "div",
    { class: "tt-stack" },
    view.svg,
    keys([
      ["tt-kept", words.kept],
      ["tt-shared", words.shared],
      ["tt-cached", words.cached],
    ]),
  );

  /**
   * @param {number} width
   * @returns {Painting}
   */
  function paint(width) {
    if (!drawn.length) return { height: DEPTH + 18, parts: [nothing(width)] };
    const right = width - LABEL_PLACE;
    const x = (/** @type {number} */ tokens) => 1 + (tokens * (right - 1)) / scale;
    const high = Math.min(DEPTH / Math.max(endsOf(drawn).length, 1), WIDEST_END);
    let line = 0;
    /** @type {(run: PrefixRun) => SVGElement[]} */
    const box = (run) => {
      const top = line;
      const below = run.runs.flatMap(box);
      if (!below.length) line += 1;
      return [boxOf(run, { x, y: top * high + 1, height: (line - top) * high - 2 }), ...below];
    };
    const y = DEPTH + 15;
    const ticks = linearTicks(0, scale, 3).filter(Number.isInteger);
    const axis = ticks.map((tick) => {
      const at = { x: x(tick), y, "text-anchor": tick ? "middle" : "start" };
      return h("svg:text", at, exact(tick));
    });
    const rule = h("svg:line", { class: "tt-rule", x1: 0, x2: right, y1: DEPTH, y2: DEPTH });
    const unit = h("svg:text", { x: width, y, "text-anchor": "end" }, phrase("server.tokens"));
    return { height: DEPTH + 18, parts: [...drawn.flatMap(box), rule, ...axis, unit] };
  }

  function nothing(/** @type {number} */ width) {
    const middle = { x: width / 2, y: DEPTH / 2, "text-anchor": "middle" };
    return h("svg:text", middle, phrase("server.tree_nothing"));
  }

  /**
   * @param {PrefixRun} run
   * @param {{ x: (tokens: number) => number, y: number, height: number }} place
   */
  function boxOf({ start, tokens, holders, isMine, runs }, { x, y, height }) {
    const [left, width] = [x(start), Math.max(x(start + tokens) - x(start) - 2, 1)];
    const states = ["tt-cached", "tt-held tt-kept", "tt-shared tt-kept"];
    const state = states[Math.min(holders.length, 2)];
    const one = holders.length ? ` (${holders[0]})` : "";
    const label = exact(tokens) + (holders.length > 1 ? ` ×${holders.length}` : one);
    const run = { tokens: exact(tokens), start: exact(start), holders: holders.join(", ") };
    const title = holders.length ? phrase("server.run_held", run) : phrase("server.run_free", run);
    const look = `tt-block ${state}${isMine ? " tt-mine" : ""}`;
    const frame = { class: look, x: left, y, width, height };
    const isInside = runs.length > 0;
    const middle = { y: y + height / 2 + 4, "text-anchor": isInside ? "middle" : "start" };
    const isOnColour = isInside && holders.length > 0;
    const name = { ...middle, class: isOnColour && "tt-on-colour" };
    const at = { ...name, x: isInside ? left + width / 2 : left + width + 4 };
    const isNamed = !isInside || label.length * DIGIT < width;
    return h(
      "svg:g",
      { "data-request": holders[0] ?? null },
      h("svg:title", {}, title),
      h("svg:rect", frame),
      isNamed ? h("svg:text", at, label) : null,
    );
  }

  /**
   * Return the same in words.
   *
   * @param {ServerSimulation} simulation
   * @param {unknown} _
   * @param {{ selected: number, longest: number }} options
   */
  function show(simulation, _, { selected, longest }) {
    const runs = prefixRuns(simulation);
    scale = longest;
    drawn = fewEnds(runs, selected);
    for (const run of allRuns(drawn)) run.isMine = run.holders.includes(selected);
    view.refresh();
    const said = treeInWords(runs, drawn, simulation.server);
    setAttributes(view.svg, { "aria-label": phrase("server.tree_label", { words: said }) });
    return said;
  }
  return { element, show, stop: view.stop };
}
