import { band, newAt, PHASES, SCORE, SOFTMAX, scoreState, textAt } from "./attention_bands.mjs";
import {
  announcer,
  button,
  checkField,
  commit,
  h,
  integer,
  listen,
  mount,
  selectField,
  setAttributes,
  tableOnRequest,
  viewButtons,
} from "./common.mjs";
import { exact, fixed, POINT, phrase, phrases, plural } from "./language.mjs";

/** @import { Head, Trace } from "./attention_bands.mjs" */
/** @import { ViewContext } from "./types" */

/** @typedef {{ rows: number, formed: number, used: number }} Costs of a step, by one method */

/**
 * @typedef {object} State
 * @property {Trace} trace
 * @property {number} head
 * @property {number} step
 * @property {number} phase
 * @property {boolean} unmasked
 */

const LAST_PHASE = PHASES.length - 1;
const SAID = Object.values(phrases("stepper.said"));
/** @type {Record<string, string>} */
const LOOKS_AT = phrases("stepper.looks_at");
const CHANGED = 0.000_05;
const percent = (/** @type {string} */ n) => phrase("numbers.percent", { n });

/**
 * Rows projected, scores formed and scores used in a step, by both methods.
 *
 * @param {Trace} trace
 * @param {number} step
 * @returns {{ without: Costs, withCache: Costs }}
 */
function ledger(trace, step) {
  const [length, fresh] = [textAt(trace, step), newAt(trace, step)];
  return {
    without: { rows: length, formed: length * length, used: length },
    withCache: { rows: fresh, formed: fresh * length, used: length },
  };
}

/** @param {ViewContext<State>} context */
export function render({ model, el, signal }) {
  const root = mount(el, phrase("stepper.title"));
  root.classList.add("tt-stepper");
  const { element: status, say, stop: stopStatus } = announcer();
  const trace = model.get("trace");
  const last = trace.tokens.length - trace.prompt_length;
  const word = (/** @type {number} */ i) =>
    phrase("common.word", { token: trace.tokens[i].trim() || "␣" });
  /** @type {number | null} */
  let column = null; // of the newest row: what the reader reads

  const step = () => integer(model, "step", { least: 0, most: last, fallback: 0 });
  const phase = () => integer(model, "phase", { least: 0, most: LAST_PHASE, fallback: LAST_PHASE });
  const headIndex = () =>
    integer(model, "head", { least: 0, most: trace.heads.length - 1, fallback: 0 });

  const goToken = (/** @type {number} */ next) =>
    commit(model, { step: Math.min(Math.max(next, 0), last) });
  function goPhase() {
    if (phase() < LAST_PHASE) return commit(model, { phase: phase() + 1 });
    return step() < last ? commit(model, { step: step() + 1, phase: 0 }) : null;
  }

  const names = trace.heads.map(({ kind, layer, head }) =>
    phrase("stepper.head", { looks: LOOKS_AT[kind] ?? kind, layer, head }),
  );
  const choices = (/** @type {string[]} */ all) => ({ "": Object.fromEntries(all.entries()) });
  const heads = selectField(phrase("stepper.heads"), choices(names), (i) =>
    commit(model, { head: Number(i) }),
  );
  const next = button(phrase("stepper.next"), goPhase, { class: "tt-play" });
  const back = button(phrase("stepper.back"), () => goToken(step() - 1));
  const forward = button(phrase("stepper.forward"), () => goToken(step() + 1));
  const phaseNames = Object.values(phrases("stepper.phases"));
  const phases = selectField(phrase("stepper.phase"), choices(phaseNames), (value) =>
    commit(model, { phase: Number(value) }),
  );
  const mask = checkField(phrase("stepper.without_mask"), (checked) =>
    commit(model, { unmasked: checked }),
  );
  const words = h("p", { class: "tt-words" });
  const readout = h("p", { class: "tt-readout" });
  /** @type {(place: number[] | null, keeps?: boolean) => void} */
  const read = (place, keeps) => {
    readout.textContent = describe(place ?? [textAt(trace, step()) - 1, column ?? most()], keeps);
  };
  const bands = Object.values(phrases("common.lanes")).map((title, i) =>
    band(trace, { title, keeps: i === 1, onRead: read }),
  );
  const changes = h("div", { class: "tt-changes" });
  const data = tableOnRequest(tableRows);
  const key = (/** @type {string} */ name, /** @type {string} */ text) =>
    h("li", {}, h("span", { class: `tt-box tt-${name}` }), text);
  const legend = h(
    "ul",
    { class: "tt-legend", "aria-hidden": true },
    key("now", phrase("common.now")),
    key("again", phrase("common.again")),
    key("kept", phrase("stepper.read")),
    key("masked", phrase("stepper.masked")),
    key("none", phrase("stepper.not_formed")),
  );
  const difference = trace.difference.toExponential(1).replace(".", POINT);
  const agreement = h(
    "p",
    { class: "tt-note" },
    phrase("stepper.agreement", { layers: trace.num_layers, difference }),
  );
  const whole = h("p", { class: "tt-note" });
  const meaning = h("p", { class: "tt-note" });
  root.append(
    words,
    h("div", { class: "tt-row" }, next, back, forward, phases.field, mask.field),
    changes,
    ...bands.map(({ element }) => element),
    legend,
    readout,
    h("div", { class: "tt-row" }, heads.field),
    meaning,
    whole,
    agreement,
    h("p", { class: "tt-note" }, phrase("stepper.keys")),
    viewButtons(model, say),
    data.details,
    status,
  );

  /** The key that the newest token's query looks at most. */
  function most() {
    const row = trace.heads[headIndex()].weights[textAt(trace, step()) - 1];
    return row.indexOf(Math.max(...row));
  }

  const viewNow = () => ({
    length: textAt(trace, step()),
    fresh: newAt(trace, step()),
    phase: phase(),
    column: column ?? most(),
  });

  /**
   * What the reader reads: a score's numbers, or why there are none.
   *
   * @param {number[]} place
   * @param {boolean} [keeps]
   */
  function describe([row, at], keeps) {
    const head = trace.heads[headIndex()];
    const view = viewNow();
    const pair = { query: word(row), key: word(at) };
    if (Math.max(row, at) >= view.length) return phrase("stepper.not_yet", pair);
    if (view.phase < SCORE) return phrase("stepper.no_key_yet", { query: pair.query });
    const state = scoreState(row, at, { ...view, keeps: Boolean(keeps) });
    if (state === "masked") return phrase("stepper.in_its_future", pair);
    if (!state) return phrase("stepper.other_step", pair);
    const product = fixed(head.products[row][at], 1);
    const score = fixed(head.scores[row][at], 2);
    const scored = { ...pair, product, score, width: head.width };
    if (view.phase < SOFTMAX) return phrase("stepper.scored", scored);
    const weight = fixed(100 * head.weights[row][at], 1);
    return phrase("stepper.weighted", { ...scored, weight });
  }

  /**
   * What the step costs the whole model: a row that is not projected is saved in every part.
   *
   * @param {{ without: Costs, withCache: Costs }} costs
   * @param {Head} head
   */
  function describeWhole({ without, withCache }, head) {
    const million = (/** @type {number} */ rows) =>
      exact(Math.round((rows * trace.row_operations) / 1e6));
    const kept = without.rows - withCache.rows;
    const first = head.kv_head * trace.group;
    const last = first + trace.group - 1;
    const work = {
      layers: trace.num_layers,
      without: million(without.rows),
      with: million(withCache.rows),
      kib: exact((kept * trace.row_bytes) / 1024),
    };
    const said = [kept ? phrase("stepper.whole_kept", work) : phrase("stepper.whole", work)];
    if (trace.group > 1) said.push(phrase("stepper.sharing", { first, last, layer: head.layer }));
    return said.join(" ");
  }

  function tableRows() {
    const head = trace.heads[headIndex()];
    const row = textAt(trace, step()) - 1;
    const rows = trace.tokens.map((token, j) => [
      `${j + 1}. ${token.trim() || "␣"}`,
      j > row ? phrase("stepper.masked") : fixed(head.scores[row][j], 2),
      percent(j > row ? "0" : fixed(100 * head.weights[row][j], 1)),
    ]);
    const headings = [
      phrase("stepper.column_key"),
      phrase("stepper.column_score", { word: word(row) }),
      phrase("stepper.column_weight"),
    ];
    return [headings, ...rows];
  }

  function showChanges() {
    changes.hidden = !model.get("unmasked");
    if (changes.hidden) return;
    const t = textAt(trace, step()) - 2;
    const rows = trace.layers.map((layer, i) => {
      const row = trace.changes[t][i].slice(0, t + 1);
      const wrong = row.filter((change) => change > CHANGED).length;
      const boxes = row.map((change) => {
        const share = `${Math.round(100 * Math.sqrt(change))}%`;
        const box = h("span", { class: change > CHANGED ? "tt-wrong" : "tt-right" });
        box.style.setProperty("--share", share);
        return box;
      });
      const worst = percent(fixed(100 * Math.max(...row), 1));
      const said = wrong
        ? phrase("stepper.wrong", { wrong, all: t + 1, worst })
        : phrase("stepper.right", { all: t + 1 });
      return h(
        "div",
        { class: "tt-layer" },
        phrase("stepper.layer", { layer }),
        h("div", {}, ...boxes),
        h("p", {}, said),
      );
    });
    const title = phrase("stepper.had_no_mask", { word: word(t + 1) });
    changes.replaceChildren(h("p", {}, title), ...rows);
  }

  function show() {
    const [now, length] = [step(), textAt(trace, step())];
    if (column !== null) column = Math.min(column, length - 1);
    const view = viewNow();
    const costs = ledger(trace, now);
    const said = (/** @type {Costs} */ { rows, formed, used }) =>
      view.phase < SCORE
        ? plural("stepper.rows", rows)
        : plural("stepper.rows_scores", rows, { formed: exact(formed), used: exact(used) });
    const head = trace.heads[headIndex()];
    bands[0].show(view, head, said(costs.without));
    bands[1].show(view, head, said(costs.withCache));
    const numbers = { shown: head.channels.length, width: head.width };
    meaning.textContent = phrase("stepper.meaning", numbers);
    whole.textContent = describeWhole(costs, head);
    const at = { phase: SAID[view.phase], place: length, word: word(length - 1) };
    words.textContent =
      now === 0 ? phrase("stepper.the_prompt", at) : phrase("stepper.the_token", at);
    read(null);
    phases.select.value = String(view.phase);
    heads.select.value = String(headIndex());
    mask.input.checked = Boolean(model.get("unmasked"));
    const isLast = now === last && view.phase === LAST_PHASE;
    setAttributes(next, { "aria-disabled": String(isLast) }); // disabled, it would lose the focus
    showChanges();
    data.refresh();
    say(`${words.textContent} ${readout.textContent}`);
  }

  root.addEventListener("keydown", (event) => {
    const { key: pressed } = event;
    const target = /** @type {Element} */ (event.target);
    if (target.matches("select, summary, .tt-link, .tt-scroll") || event.ctrlKey || event.metaKey)
      return;
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
    /** @type {Record<string, number>} */
    const columns = { ArrowUp: -1, ArrowDown: 1 };
    if (pressed === " " && !target.matches("button, [type=checkbox]")) goPhase();
    else if (pressed in moves) goToken(step() + moves[pressed]);
    else if (pressed in columns) {
      const length = textAt(trace, step());
      column = ((column ?? most()) + columns[pressed] + length) % length;
      show();
    } else return;
    event.preventDefault();
  });
  setAttributes(root, { tabindex: 0 });

  /** Draw the bands if they have no cells of this width; return whether they were drawn. */
  function fit() {
    const { width } = root.getBoundingClientRect();
    const isDrawn = width > 0 && bands.map((each) => each.build(width)).includes(true);
    if (isDrawn) show();
    return isDrawn;
  }
  const observer = new ResizeObserver(() => requestAnimationFrame(fit));
  observer.observe(root);
  const stopObserving = () => observer.disconnect();
  signal?.addEventListener("abort", stopObserving);
  const release = listen(model, ["head", "step", "phase", "unmasked"], () => fit() || show());
  show();
  return () => {
    for (const end of [release, stopObserving, stopStatus]) end();
  };
}
