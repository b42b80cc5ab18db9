// The rows of a pass, and the blocks in memory while it is under way.

import { h, setAttributes, write } from "./common.mjs";
import { exact, phrase, phrases } from "./language.mjs";
import { drawing, keys } from "./server_drawing.mjs";
import { blockFill, blockOwners } from "./server_simulation.mjs";

/** @import { Painting } from "./server_drawing.mjs" */
/** @import { ServerSimulation, TimedRequest } from "./server_simulation.mjs" */
/** @import { ShownStep } from "./server_view.mjs" */

/**
 * A place of a batch, as it is drawn.
 *
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {HTMLElement} id
 * @property {HTMLElement[]} parts kept, and computed now
 * @property {HTMLElement} text
 * @property {TimedRequest | undefined} request
 */

/**
 * What a block shows: fill from 0 to 1, before the pass and after it.
 *
 * @typedef {object} BlockLook
 * @property {string} state
 * @property {number} before
 * @property {number} after
 * @property {boolean} isAgain
 * @property {string} label
 */

export const MOST_BLOCKS = 2048;
const MOST_ROWS = 16;
const GAP = 2;
const LEAST_TEXT = 17; // pixels of a block that names its owner
const HIGHEST = 30;

/**
 * The places of a batch: what each request keeps, and what this pass computes of it.
 *
 * @param {{ onPick: (request: number) => void }} options
 */
export function batch({ onPick }) {
  /** @type {Row[]} */
  let rows = [];
  const list = h("ul", { class: "tt-batch" });
  const more = h("p", { class: "tt-note" });
  const element = h("div", {}, list, more);

  function draw(/** @type {number} */ numRows) {
    rows = Array.from({ length: numRows }, () => {
      const parts = ["tt-kept", "tt-now"].map((name) => h("i", { class: name }));
      const [id, text] = [h("span"), h("span")];
      const element = h("li", {}, id, h("span", { class: "tt-track" }, ...parts), text);
      /** @type {Row} */
      const row = { element, id, parts, text, request: undefined };
      element.addEventListener("click", () => row.request && onPick(row.request.index));
      return row;
    });
    list.replaceChildren(...rows.map(({ element }) => element));
  }

  /**
   * @param {ServerSimulation} simulation
   * @param {ShownStep} step
   * @param {number} longest tokens of a text
   * @param {number} selected
   */
  function show(simulation, step, longest, selected) {
    const { running, policy, batchSize } = simulation.scheduler;
    const { numNew, again } = step;
    const numHidden = running.length - rows.length;
    write(more, numHidden > 0 ? phrase("server.and_more", { n: exact(numHidden) }) : "");
    rows.forEach((row, i) => {
      /** @type {TimedRequest | undefined} */
      const request = running[i];
      row.request = request;
      const isIdle = !request && policy === "static" && i < batchSize;
      row.element.classList.toggle("tt-idle-row", isIdle);
      row.element.classList.toggle("tt-mine", request?.index === selected);
      row.parts[1].className = request && again.has(request) ? "tt-repeated" : "tt-now";
      const kept = request?.table?.seqPos ?? 0;
      const fresh = (request && numNew.get(request)) ?? 0;
      [kept, fresh].forEach((count, k) => {
        row.parts[k].style.width = `${(100 * count) / longest}%`;
      });
      write(row.id, request ? String(request.index) : "");
      const sizes = phrase("server.sizes", { kept: exact(kept), fresh: exact(fresh) });
      write(row.text, request ? sizes : isIdle ? phrase("server.empty") : "");
    });
  }
  return { element, draw, show };
}

/**
 * A block's owners' fill as pixels, from the bottom: what was there, and what is written now.
 *
 * @param {number} size pixels
 * @param {string} hatch
 */
function block(size, hatch) {
  const frame = h("svg:rect", { width: size, height: size });
  const part = (/** @type {string} */ name) => h("svg:rect", { class: name, width: size });
  const [kept, now] = [part("tt-kept"), part("tt-now")];
  const text = h("svg:text", { "text-anchor": "middle", x: size / 2, y: size / 2 + 4 });
  const withText = size >= LEAST_TEXT ? [text] : [];
  const element = h("svg:g", {}, kept, now, frame, ...withText);
  let drawn = "";

  /** @param {BlockLook} look */
  function show({ state, before, after, isAgain, label }) {
    const next = `${state} ${before} ${after} ${isAgain} ${label}`;
    if (next === drawn) return;
    drawn = next;
    const [low, high] = [before * size, after * size];
    setAttributes(frame, { class: `tt-block ${state}` });
    setAttributes(kept, { y: size - low, height: low });
    const paint = { class: isAgain ? "tt-is-again" : "tt-now", fill: isAgain && hatch };
    setAttributes(now, { y: size - high, height: high - low, ...paint });
    if (withText.length) write(text, label);
  }
  return { element, show };
}

const numColumns = (/** @type {number} */ numBlocks, /** @type {number} */ width) =>
  [16, 32, 64].find((count) => numBlocks / count <= MOST_ROWS && width / count <= HIGHEST + 12) ??
  64;

/**
 * What each block holds in this pass: tokens before it and after it, and who owns it.
 *
 * @param {ServerSimulation} simulation
 * @param {ShownStep} step
 */
function contents(simulation, step) {
  const { running } = simulation.scheduler;
  const [before, after] = [new Map(), step.numNew].map((numNew) =>
    blockFill(running, simulation.pool, numNew),
  );
  const again = new Set([...step.again].flatMap(({ table }) => table?.blocks ?? []));
  return { before, after, owners: blockOwners(running), again, size: simulation.pool.blockSize };
}

/**
 * All blocks as boxes; `select` marks those of a request.
 *
 * @param {object} options
 * @param {(request: number) => void} options.onPick
 * @param {AbortSignal} [options.signal]
 */
export function pool({ onPick, signal }) {
  /** @type {ReturnType<typeof block>[]} */
  let blocks = [];
  /** @type {{ simulation: ServerSimulation, step: ShownStep, selected: number } | null} */
  let now = null; // what is shown
  const words = phrases("server.pool");
  const view = drawing({ name: "tt-pool", paint, signal });
  const element = h(
    "div",
    { class: "tt-stack" },
    view.svg,
    keys([
      ["tt-kept", words.kept],
      ["tt-now", words.now],
      ["tt-again", words.again],
      ["tt-shared", words.shared],
      ["tt-cached", words.cached],
      ["tt-free", words.free],
    ]),
  );

  function draw(/** @type {number} */ numBlocks) {
    blocks = new Array(numBlocks);
    now = null;
    view.refresh();
  }

  /**
   * @param {number} width
   * @returns {Painting}
   */
  function paint(width) {
    const columns = numColumns(blocks.length, width);
    const pitch = Math.min(width / columns, HIGHEST + GAP);
    const size = Math.max(pitch - GAP, 2);
    blocks = Array.from({ length: blocks.length }, () => block(size, view.hatch("again")));
    const parts = blocks.map(({ element: part }, i) => {
      const [x, y] = [(i % columns) * pitch, Math.floor(i / columns) * pitch];
      setAttributes(part, { transform: `translate(${x + 1} ${y + 1})`, "data-block": i });
      return part;
    });
    fill();
    return { height: Math.ceil(blocks.length / columns) * pitch + 2, parts };
  }

  /**
   * Return the same in words.
   *
   * @param {ServerSimulation} simulation
   * @param {ShownStep} step
   * @param {{ selected: number }} options
   */
  function show(simulation, step, { selected }) {
    now = { simulation, step, selected };
    if (blocks[0]) fill();
    else view.refresh(); // it was hidden when it should have been drawn
    const said = blocksInWords(simulation);
    setAttributes(view.svg, { "aria-label": phrase("server.pool_label", { words: said }) });
    return said;
  }

  function fill() {
    if (!now) return;
    const { simulation, step, selected } = now;
    const { before, after, owners, again, size } = contents(simulation, step);
    blocks.forEach((each, id) => {
      const held = owners.get(id) ?? [];
      const isKnown = simulation.pool.isKnown(id);
      const unheld = isKnown ? "tt-cached" : "tt-free";
      const kind = ["tt-held", "tt-shared"][Math.min(held.length, 2) - 1] ?? unheld;
      const state = held.includes(selected) ? `${kind} tt-mine` : kind;
      const label = held.length > 1 ? `×${held.length}` : String(held[0] ?? "");
      const parts = [before, after].map((fill) => fill[id] / size);
      const isAgain = again.has(id) && parts[1] > parts[0];
      each.show({ state, before: parts[0], after: parts[1], isAgain, label });
    });
  }

  view.svg.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const id = Number(target.closest("[data-block]")?.getAttribute("data-block") ?? -1);
    const running = now?.simulation.scheduler.running ?? [];
    const owner = running.find(({ table: own }) => own.blocks.includes(id));
    if (owner) onPick(owner.index);
  });
  return { element, draw, show, stop: view.stop };
}

/** @param {ServerSimulation} simulation */
function blocksInWords({ pool: { numBlocks, refCounts, numFree, numFreeKnown: cached } }) {
  const held = refCounts.filter((count) => count > 0).length;
  const shared = refCounts.filter((count) => count > 1).length;
  const counts = {
    held: exact(held),
    all: exact(numBlocks),
    shared: exact(shared),
    cached: exact(cached),
    free: exact(numFree - cached),
  };
  return numBlocks === MOST_BLOCKS
    ? phrase("server.blocks_most", counts)
    : phrase("server.blocks", counts);
}
