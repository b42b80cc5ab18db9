// The text in two lanes, without a cache and with one: which tokens a step computes.

import { h } from "./common.mjs";
import { exact, phrase, phrases, plural } from "./language.mjs";

/** @import { Run } from "./types" */

/**
 * @typedef {object} Options
 * @property {MediaQueryList} still whether the reader wants nothing to move
 * @property {(step: number) => void} onPick
 * @property {(said: string | null) => void} onRead what the pointer is on, in words
 */

const LONG_PROMPT = 48;
const WORDS_AT_ITS_ENDS = 10;
const FLASH_MS = 350; // a lane may flash three times a second at most

/**
 * What a token is at a step, in the lane that keeps keys and values and in the other.
 *
 * @param {number} at
 * @param {number} step
 * @param {number} promptLength
 * @param {boolean} keeps
 */
function stateOf(at, step, promptLength, keeps) {
  const newest = promptLength + Math.max(step, 0) - 1;
  if (at > newest) return at === newest + 1 && step >= 0 ? "written" : "future";
  if (step <= 0 || at === newest) return "now";
  return keeps ? "kept" : "again";
}

/**
 * How often a token was computed until a step: each pass takes all of the text, or what is new.
 *
 * @type {(at: number, step: number, promptLength: number, keeps: boolean) => number}
 */
const timesComputed = (at, step, promptLength, keeps) =>
  keeps ? 1 : step - Math.max(at - promptLength + 1, 0) + 1;

/**
 * One lane. `show` takes -1 for a prefill that is not done.
 *
 * @param {Run} run
 * @param {Options & { title: string, keeps: boolean }} options
 */
function lane(run, { title, keeps, still, onPick, onRead }) {
  const promptLength = run.prompt_tokens.length;
  const texts = [...run.prompt_tokens, ...run.text];
  const isSlit = (/** @type {number} */ at) =>
    promptLength > LONG_PROMPT && at >= WORDS_AT_ITS_ENDS && at < promptLength - WORDS_AT_ITS_ENDS;
  const tokens = texts.map((text, at) =>
    h("span", { "data-at": at }, isSlit(at) ? "" : text.replace(/\n+/g, " ")),
  );
  /** @type {string[]} */
  const states = texts.map(() => "");
  const progress = h("span");
  const words = h("p", { class: "tt-tokens" }, ...tokens);
  const element = h(
    "div",
    { class: `tt-lane ${keeps ? "tt-keeps" : "tt-forgets"}` },
    h("div", { class: "tt-head" }, h("strong", {}, title), progress),
    words,
  );
  let shown = -1;
  let flashed = 0;

  function show(/** @type {number} */ step, /** @type {string} */ said) {
    texts.forEach((_, at) => {
      const state = stateOf(at, step, promptLength, keeps);
      if (state === states[at]) return;
      states[at] = state;
      tokens[at].className = `tt-${state}${isSlit(at) ? " tt-slit" : ""}`;
    });
    progress.textContent = said;
    if (step !== shown) flash(step);
    shown = step;
  }

  /**
   * Light up what the step computed, and keep the words as legible: all the text, or a token.
   *
   * @param {number} step
   */
  function flash(step) {
    const now = performance.now();
    if (still.matches || now - flashed < FLASH_MS) return;
    flashed = now;
    const colour = keeps || step <= 0 ? "--tt-now" : "--tt-again";
    /** @type {[HTMLElement, string, string]} */
    const [part, from, to] =
      keeps && step > 0
        ? [tokens[promptLength + step - 1], `3px solid var(${colour})`, "3px solid transparent"]
        : [words, `color-mix(in srgb, var(${colour}) 35%, transparent)`, "transparent"];
    const property = part === words ? "backgroundColor" : "outline";
    part.animate({ [property]: [from, to] }, { duration: FLASH_MS });
  }

  const tokenAt = (/** @type {MouseEvent} */ event) => {
    const { at } = /** @type {HTMLElement} */ (event.target).dataset;
    return at === undefined || states[Number(at)] === "future" ? null : Number(at);
  };
  words.addEventListener("click", (event) => {
    const at = tokenAt(event);
    if (at !== null) onPick(Math.max(at - promptLength, 0));
  });
  words.addEventListener("pointerover", (event) => {
    const at = event.pointerType === "mouse" ? tokenAt(event) : null;
    if (at === null) return onRead(null);
    const token = { place: exact(at + 1), token: texts[at].trim() };
    if (states[at] === "written") return onRead(phrase("player.just_written", token));
    const count = timesComputed(at, shown, promptLength, keeps);
    onRead(
      keeps ? phrase("player.computed_and_kept", token) : plural("player.computed", count, token),
    );
  });
  words.addEventListener("pointerleave", () => onRead(null));
  return { element, show };
}

/**
 * Both lanes, one above the other. Screen readers take the words from the second.
 *
 * @param {Run} run
 * @param {Options} options
 */
export function lanes(run, options) {
  const { without: first, with: second } = phrases("common.lanes");
  const without = lane(run, { ...options, title: first, keeps: false });
  const withCache = lane(run, { ...options, title: second, keeps: true });
  without.element.lastElementChild?.setAttribute("aria-hidden", "true");
  const element = h("div", { class: "tt-lanes" }, without.element, withCache.element);
  return { element, without, withCache };
}

/**
 * What a step computes, in a sentence.
 *
 * @param {Run} run
 * @param {number} step
 */
export function stepInWords(run, step) {
  const tokens = run.seq_pos[step];
  if (step === 0) return plural("player.step_0", tokens);
  return phrase("player.step_n", { step, tokens: exact(tokens), again: exact(tokens - 1) });
}

/** What the colours mean, here and in the grid below. */
export function legend() {
  const key = (/** @type {string} */ name, /** @type {string} */ text) =>
    h("li", {}, h("span", { class: `tt-box tt-${name}` }), text);
  return h(
    "ul",
    { class: "tt-legend", "aria-hidden": true },
    key("now", phrase("common.now")),
    key("again", phrase("common.again")),
    key("kept", phrase("player.legend_kept")),
    key("written", phrase("player.legend_written")),
  );
}
