import { h } from "./common.mjs";
import { exact, fixed, phrase, phrases, plural } from "./language.mjs";

/** @import { ModelRecord } from "./types" */

export const GIB = 2 ** 30;
const MOST_STRIPES = 160;

/**
 * Sizes in GiB with as many decimals as let what is shown add up, whatever is rounded.
 *
 * @param {bigint} device
 * @param {bigint} weights
 * @param {bigint} cache
 */
function sums(device, weights, cache) {
  const digits = device < 10n * 2n ** 30n ? 2 : 1;
  const factor = 10 ** digits;
  const rounded = (/** @type {bigint} */ value) => Math.round((Number(value) / GIB) * factor);
  const [whole, ...parts] = [device, weights, cache].map(rounded);
  const free = whole - parts[0] - parts[1];
  return [whole, ...parts, free].map((value) => fixed(value / factor, digits));
}

/**
 * What a device holds: the answer, weights and sequences to scale, and what is left or missing.
 *
 * @param {object} options
 * @param {Pick<ModelRecord, "name">} options.spec
 * @param {bigint} options.cache bytes
 * @param {bigint} options.weights bytes
 * @param {string} options.fit sequences that fit
 * @param {{ device: bigint, batch_size: number, seq_len: number, device_gb: number }} options.view
 */
export function deviceBar({ spec, cache, weights, fit, view }) {
  const [used, room] = [Number(weights + cache), Number(view.device)];
  const percent = (/** @type {number | bigint} */ value) =>
    `${(100 * Number(value)) / Math.max(used, room)}%`;
  const over = weights + cache > view.device;
  const [whole, forWeights, forCache, free] = sums(view.device, weights, cache);
  const parts = {
    n: exact(view.batch_size),
    weights: forWeights,
    cache: forCache,
    whole,
    gb: exact(view.device_gb),
  };
  const held = h("div", { class: "tt-sequences", style: `width: ${percent(cache)}` });
  if (view.batch_size <= MOST_STRIPES) held.style.setProperty("--count", String(view.batch_size));
  else held.classList.add("tt-many");
  const bar = h(
    "div",
    { class: "tt-bar", "aria-hidden": true },
    h("div", { class: "tt-c3", style: `width: ${percent(weights)}` }),
    held,
    h("div", { class: "tt-limit", style: `left: ${percent(view.device)}` }),
  );
  const tokens = { tokens: exact(view.seq_len) };
  const answer = h(
    "div",
    { class: "tt-answer-line" },
    h("span", {}, spec.name),
    h("strong", {}, fit),
    h(
      "span",
      {},
      fit === "1"
        ? plural("memory.fits", view.seq_len, tokens)
        : plural("memory.fit", view.seq_len, tokens),
    ),
  );
  const text = over
    ? phrase("memory.parts_over", { ...parts, over: free.slice(1) })
    : phrase("memory.parts", { ...parts, free });
  return h(
    "div",
    { class: over ? "tt-over" : "" },
    answer,
    bar,
    h("div", { class: "tt-note" }, text),
  );
}

/** What the colours of the bars mean. */
export function deviceLegend() {
  const words = phrases("memory.legend");
  const key = (/** @type {string} */ name, /** @type {string} */ text) =>
    h("li", {}, h("span", { class: `tt-box ${name}` }), text);
  return h(
    "ul",
    { class: "tt-legend", "aria-hidden": true },
    key("tt-c3", words.weights),
    key("tt-sequences", words.sequences),
    key("tt-free", words.free),
    key("tt-limit", words.limit),
  );
}
