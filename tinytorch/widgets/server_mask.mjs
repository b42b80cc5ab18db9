// The attention mask of a pass: the new tokens of each request look at its own keys, and no others.

import { h, setAttributes } from "./common.mjs";
import { exact, phrase, phrases, plural } from "./language.mjs";
import { drawing, keys, shareText } from "./server_drawing.mjs";
import { sum } from "./server_summary.mjs";

/** @import { Painting } from "./server_drawing.mjs" */
/** @import { NumNew, TimedRequest } from "./server_simulation.mjs" */
/** @import { ShownStep } from "./server_view.mjs" */

/** @typedef {{ request: TimedRequest, kept: number, queries: number }} Mask of a request */
/** @typedef {(mask: Mask) => number} Count */
/** @typedef {ReturnType<typeof raggedMask>} Masks */

const MOST_MASKS = 12;
const CAPTION = 18; // pixels above the masks
const SIDE = 38; // pixels to the left of them
const AREA = 156;
const LEAST_BAND = 12; // pixels that a request's number needs
const LEAST_BOX = 2.5;
const HIGHEST_TOKEN = 4;

/**
 * The masks of a pass, and what they come to: the pairs of a query and a
 * key that it may look at, and the share of a batch that is empty if each mask is padded to the
 * most queries and the most keys.
 *
 * @param {NumNew} numNew
 */
export function raggedMask(numNew) {
  const masks = Array.from(numNew, ([request, queries]) => ({
    request,
    queries,
    kept: request.table?.seqPos ?? 0,
  }));
  const total = (/** @type {Count} */ count) => sum(masks.map(count));
  const most = (/** @type {Count} */ count) => Math.max(...masks.map(count), 0);
  const keysOf = (/** @type {Mask} */ { kept, queries }) => kept + queries;
  const [mostQueries, mostKeys] = [most(({ queries }) => queries), most(keysOf)];
  const padded = masks.length * mostQueries * mostKeys;
  return {
    masks,
    mostQueries,
    mostKeys,
    numQueries: total(({ queries }) => queries),
    numPairs: total(({ kept, queries }) => queries * kept + (queries * (queries + 1)) / 2),
    empty: padded && 1 - total((mask) => mask.queries * keysOf(mask)) / padded,
  };
}

/** @param {Masks} masks */
function maskInWords({ masks, mostQueries, mostKeys, numQueries, numPairs, empty }) {
  if (!masks.length) return phrase("server.mask_none");
  const numHidden = masks.length - MOST_MASKS;
  const looks = plural("server.mask_looks", numQueries, { pairs: exact(numPairs) });
  const padded = { queries: exact(mostQueries), keys: exact(mostKeys), empty: shareText(empty) };
  return [
    plural("server.mask_requests", masks.length, { looks }),
    phrase("server.mask_padded", padded),
    ...(numHidden > 0 ? [phrase("server.mask_hidden", { n: exact(numHidden) })] : []),
  ].join(" ");
}

/**
 * Below and on the diagonal: each new token looks at one key more, in steps that can be seen.
 *
 * @param {Record<"x" | "y" | "width" | "height" | "queries", number>} box
 */
function staircase({ x, y, width, height, queries }) {
  const numSteps = Math.min(queries, Math.ceil(height));
  const steps = Array.from(
    { length: numSteps },
    (_, i) => `H${x + (width * (i + 1)) / numSteps}V${y + (height * (i + 1)) / numSteps}`,
  );
  return `M${x} ${y}${steps.join("")}H${x}Z`;
}

/**
 * Masks down the diagonal: a row is a new token, a column a key.
 *
 * @param {{ signal?: AbortSignal }} options
 */
export function maskOfPass({ signal }) {
  /** @type {(Masks & { again: Set<TimedRequest>, selected: number }) | null} */
  let now = null;
  const words = phrases("server.mask");
  const view = drawing({ name: "tt-mask", paint, signal });
  const element = h(
    "div",
    { class: "tt-stack" },
    view.svg,
    keys([
      ["tt-kept", words.kept],
      ["tt-now", words.now],
      ["tt-again", words.again],
    ]),
  );

  /**
   * @param {number} width
   * @returns {Painting}
   */
  function paint(width) {
    if (!now) return { height: 0, parts: [] };
    const masks = now.masks.slice(0, MOST_MASKS);
    const total = (/** @type {Count} */ count) => sum(masks.map(count)) || 1;
    const perKey = (width - SIDE - 1) / total(({ kept, queries }) => kept + queries);
    const room = AREA - LEAST_BAND * masks.length;
    const perQuery = Math.min(room / total(({ queries }) => queries), HIGHEST_TOKEN);
    let [x, y] = [SIDE, CAPTION];
    const parts = masks.map((mask) => {
      const band = LEAST_BAND + mask.queries * perQuery;
      const height = Math.max(mask.queries * perQuery, LEAST_BOX);
      const drawn = drawMask(mask, { x, y, band, height, perKey, width });
      x += (mask.kept + mask.queries) * perKey;
      y += band;
      return drawn;
    });
    const frame = { class: "tt-frame", x: SIDE, y: CAPTION, width: width - SIDE, height: AREA };
    const caption = h("svg:text", { x: SIDE, y: 12 }, phrase("server.mask_keys"));
    const turned = { transform: `translate(11 ${CAPTION + AREA / 2}) rotate(-90)` };
    const middle = { ...turned, "text-anchor": "middle" };
    const side = h("svg:text", middle, phrase("server.mask_side"));
    return { height: CAPTION + AREA + 2, parts: [...parts, h("svg:rect", frame), caption, side] };
  }

  /**
   * @param {Mask} mask
   * @param {Record<"x" | "y" | "band" | "height" | "perKey" | "width", number>} place
   */
  function drawMask({ request, kept, queries }, { x, y, band, height, perKey, width }) {
    const middle = y + band / 2;
    const box = { y: middle - height / 2, height };
    const [before, own] = [kept * perKey, Math.max(queries * perKey, 2)];
    const isAgain = Boolean(now?.again.has(request));
    const hatch = isAgain && view.hatch("again");
    const paint = { class: isAgain ? "tt-is-again" : "tt-now", fill: hatch };
    const d = staircase({ ...box, x: x + before, width: own, queries });
    const mark = { class: "tt-mark", x: SIDE, y, width: width - SIDE, height: band };
    const line = { class: "tt-lead", x1: SIDE, x2: x, y1: middle, y2: middle };
    const sizes = { request: request.index, fresh: exact(queries), kept: exact(kept) };
    const label = { x: SIDE - 4, y: middle + 4, "text-anchor": "end" };
    return h(
      "svg:g",
      { "data-request": request.index },
      h("svg:title", {}, phrase("server.mask_title", sizes)),
      request.index === now?.selected ? h("svg:rect", mark) : null,
      h("svg:line", line),
      h("svg:rect", { class: "tt-kept", ...box, x, width: before }),
      h("svg:path", { ...paint, d }),
      h("svg:text", label, String(request.index)),
    );
  }

  /**
   * Return the same in words.
   *
   * @param {unknown} _
   * @param {ShownStep} step
   * @param {{ selected: number }} options
   */
  function show(_, { numNew, again }, { selected }) {
    now = { ...raggedMask(numNew), again, selected };
    view.refresh();
    const said = maskInWords(now);
    setAttributes(view.svg, { "aria-label": phrase("server.mask_label", { words: said }) });
    return said;
  }
  return { element, show, stop: view.stop };
}
