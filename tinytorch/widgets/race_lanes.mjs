// The lanes of a race: the text as it comes, and a bar for the time of each token.

import { h, headingRow, oneLine, setAttributes, write } from "./common.mjs";
import { bothWays, duration, fixed, phrase, phrases } from "./language.mjs";

/** @import { Ledger } from "./race_ledger.mjs" */

const HEIGHT = 40;

const PROMPT_ENDS = [60, 100]; // characters of a long prompt that are shown

/** @param {string} prompt */
function shortened(prompt) {
  const [head, tail] = PROMPT_ENDS;
  const text = oneLine(prompt);
  if (text.length <= head + tail + 20) return text;
  const first = text.slice(0, head).replace(/\S*$/, "");
  return `${first}… ${text.slice(-tail).replace(/^\S* /, "")}`;
}

/**
 * One lane, whose pass over a text computes all of it again, or only what is new.
 *
 * @param {string} name
 * @param {boolean} keeps
 */
function lane(name, keeps) {
  const state = keeps ? "kept" : "again";
  const [past, now, written] = [state, "now", "written"].map((of) =>
    h("span", { class: `tt-${of}` }),
  );
  const texts = phrases("race.text_of");
  const label = keeps ? texts.with : texts.without;
  const text = h("p", {}, past, now, written);
  const words = h(
    "div",
    { class: "tt-tokens", tabindex: 0, role: "group", "aria-label": label },
    text,
  );
  const progress = h("span");
  const bars = h("svg:g");
  const drawing = h(
    "svg:svg",
    { class: "tt-bars", height: HEIGHT, preserveAspectRatio: "none", role: "img" },
    bars,
  );
  const element = h(
    "div",
    { class: `tt-lane ${keeps ? "tt-keeps" : "tt-forgets"}` },
    h("div", { class: "tt-head" }, h("strong", {}, name), progress),
    words,
    drawing,
  );
  let count = 0;

  function clear(/** @type {string} */ prompt, /** @type {number} */ newTokens) {
    for (const span of [past, written]) write(span, "");
    write(now, shortened(prompt));
    const bar = (/** @type {unknown} */ _, /** @type {number} */ i) =>
      h("svg:rect", { x: i + 0.1, width: 0.8, height: 0 });
    bars.replaceChildren(...Array.from({ length: newTokens }, bar));
    count = 0;
    setAttributes(drawing, { viewBox: `0 0 ${Math.max(newTokens, 20)} ${HEIGHT}` });
  }

  /**
   * The pass that gave this token computed the one before it, and what stands before that again.
   *
   * @param {string} token
   * @param {number} ms
   */
  function add(token, ms) {
    if (count) {
      const text = /** @type {Text} */ (past.firstChild);
      text.appendData(now.textContent);
      write(now, written.textContent);
    }
    write(written, oneLine(token));
    const kind = count ? state : "now";
    setAttributes(bars.children[count], { class: `tt-${kind}`, height: ms });
    count += 1;
  }

  function scale(/** @type {number} */ most) {
    setAttributes(bars, { transform: `translate(0 ${HEIGHT}) scale(1 ${-HEIGHT / most})` });
  }

  /**
   * Say where the lane is, and what its bars show.
   *
   * @param {string} where
   * @param {number} longest ms
   */
  function tell(where, longest) {
    write(progress, where);
    const said = phrase("race.bars", { lane: name, count, longest: fixed(longest, 0) });
    setAttributes(drawing, { "aria-label": said });
  }
  return { element, clear, add, scale, tell };
}

/** Both lanes, with bars to one scale. */
export function raceLanes() {
  const all = Object.values(phrases("common.lanes")).map((name, at) => lane(name, at === 1));
  const note = h("p", { class: "tt-axis" });
  const element = h("div", { class: "tt-lanes" }, ...all.map((one) => one.element), note);
  let most = 0;
  /** @type {Ledger | null} */
  let book = null;

  /**
   * @param {string} prompt
   * @param {number} newTokens
   * @param {Ledger} ledger
   */
  function clear(prompt, newTokens, ledger) {
    book = ledger;
    most = 0;
    for (const one of all) one.clear(prompt, newTokens);
  }
  /** @param {{ lane: number, text: string, ms: number }} token */
  function add({ lane: at, text, ms }) {
    all[at].add(text, ms);
    if (ms <= most) return;
    most = ms;
    for (const one of all) one.scale(most);
  }
  function show(/** @type {number} */ newTokens) {
    all.forEach((one, at) => {
      if (book) one.tell(book.progress(at, newTokens), Math.max(0, ...book.lanes[at].ms));
    });
    write(note, most ? phrase("race.a_bar", { longest: duration(most) }) : "");
  }
  return { element, clear, add, show };
}

/** Three numbers that lead, and a table of more. */
export function raceNumbers() {
  const number = (/** @type {string} */ text) => {
    const strong = h("strong");
    return { element: h("div", {}, strong, h("span", {}, text)), strong };
  };
  const time = number(phrase("race.less_time"));
  const work = number(phrase("race.less_work"));
  const notes = number(phrase("common.notes"));
  const leads = [time, work, notes].map((lead) => lead.element);
  const score = h("div", { class: "tt-score" }, ...leads);
  const body = h("tbody");
  const caption = h("caption");
  const head = h("thead", {}, headingRow(["", ...bothWays(), phrase("common.ratio")]));
  const table = h("table", {}, caption, head, body);

  function show(/** @type {Ledger} */ ledger) {
    const numbers = ledger.score();
    write(time.strong, numbers.time);
    write(work.strong, numbers.work);
    write(notes.strong, numbers.notes);
    const rows = ledger.rows();
    if (!body.children.length) {
      const cells = () => [h("td"), h("td"), h("td")];
      body.append(
        ...rows.map(([name]) => h("tr", {}, h("th", { scope: "row" }, name), ...cells())),
      );
    }
    rows.forEach(([, ...texts], i) => {
      const cells = body.children[i].children;
      for (const [j, text] of texts.entries()) write(cells[j + 1], text);
    });
    write(caption, phrase("race.caption", { count: ledger.both() }));
  }
  return { score, table, show };
}
