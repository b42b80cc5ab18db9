// What the drawings of the server explorer share: their size, hatches, and times as text.

import { h, setAttributes } from "./common.mjs";
import { decimals, phrase } from "./language.mjs";

/**
 * What is painted, and how high it is in pixels.
 *
 * @typedef {{ height: number, parts: SVGElement[] }} Painting
 */

/**
 * A time, in three digits.
 *
 * @param {number | null} seconds
 */
export function timeText(seconds) {
  if (seconds === null) return "–";
  if (seconds > 0 && seconds < 1e-3) return phrase("server.us", { n: decimals(1e6 * seconds) });
  return seconds < 1
    ? phrase("server.ms", { n: decimals(1000 * seconds) })
    : phrase("server.s", { n: decimals(seconds) });
}

/** A share, as percent. */
export const shareText = (/** @type {number} */ share) =>
  phrase("server.percent", { n: decimals(100 * share) });

let numDrawings = 0;

/**
 * Diagonal lines, for what no colour alone may say.
 *
 * @param {string} id
 * @param {string} name
 * @param {number} width
 */
function hatch(id, name, width) {
  const tile = { width: 5, height: 5, patternUnits: "userSpaceOnUse" };
  const line = h("svg:path", { d: "M0 0V5", class: `tt-hatch-${name}`, "stroke-width": width });
  const turned = { id: `${id}-${name}`, patternTransform: "rotate(45)" };
  return h("svg:pattern", { ...turned, ...tile }, line);
}

/**
 * An SVG that is painted for the width it has, and again when that changes.
 *
 * @param {object} options
 * @param {string} options.name
 * @param {(width: number) => Painting} options.paint
 * @param {AbortSignal} [options.signal]
 */
export function drawing({ name, paint, signal }) {
  numDrawings += 1;
  const id = `tt-drawing-${numDrawings}`;
  const svg = h("svg:svg", { role: "img", class: name });
  const defs = h("svg:defs", {}, hatch(id, "again", 3), hatch(id, "idle", 1.2));
  let width = 0;

  function refresh() {
    const next = Math.round(svg.getBoundingClientRect().width);
    if (next === 0) return;
    width = next;
    const { height, parts } = paint(width);
    setAttributes(svg, { viewBox: `0 0 ${width} ${height}`, height });
    svg.replaceChildren(defs, ...parts);
  }

  const observer = new ResizeObserver(() => {
    if (Math.round(svg.getBoundingClientRect().width) !== width) refresh();
  });
  observer.observe(svg);
  const stop = () => observer.disconnect();
  signal?.addEventListener("abort", stop);
  return { svg, refresh, stop, hatch: (/** @type {string} */ kind) => `url(#${id}-${kind})` };
}

/**
 * What colours and lines mean: pairs of a class and words.
 *
 * @param {[name: string, words: string][]} entries
 */
export function keys(entries) {
  const items = entries.map(([name, words]) =>
    h("li", {}, h("span", { class: `tt-swatch ${name}` }), words),
  );
  return h("ul", { class: "tt-legend", "aria-hidden": true }, ...items);
}
