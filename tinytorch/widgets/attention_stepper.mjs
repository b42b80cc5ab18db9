import { band, newAt, PHASES, SCORE, SOFTMAX, scoreState, textAt } from "./attention_bands.mjs";
import {
  announcer,
  button,
  checkField,
  commit,
  exact,
  h,
  integer,
  listen,
  mount,
  selectField,
  setAttributes,
  tableOnRequest,
  viewButtons,
} from "./common.mjs";

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
/** @type {Record<string, string>} */
const SAID = {
  project: "Project: each row that is computed becomes a query, a key and a value.",
  write: "Write: the cache takes the new keys and values; without one, nothing is kept.",
  score: "Score: queries meet keys. A dot marks the future, which the mask hides.",
  softmax: "Softmax: each row of scores becomes weights that add up to one.",
  mix: "Mix: the values, each times its weight, add up to the output.",
};
/** @type {Record<string, string>} */
const LOOKS_AT = {
  "first token": "looks at the first token",
  "token before": "looks at the token before",
  "one word": "looks at one earlier word",
  everywhere: "looks everywhere",
};
const CHANGED = 0.000_05;

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
  const root = mount(el, "Attention stepper");
  root.classList.add("tt-stepper");
  const { element: status, say, stop: stopStatus } = announcer();
  const trace = model.get("trace");
  const last = trace.tokens.length - trace.prompt_length;
  const word = (/** @type {number} */ i) => `“${trace.tokens[i].trim() || "␣"}”`;
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

  const names = trace.heads.map(
    ({ kind, layer, head }) => `${LOOKS_AT[kind] ?? kind} (layer ${layer}, head ${head})`,
  );
  const heads = selectField("A head that", { "": Object.fromEntries(Object.entries(names)) }, (i) =>
    commit(model, { head: Number(i) }),
  );
  const next = button("Next", goPhase, { class: "tt-play" });
  const back = button("◂ token", () => goToken(step() - 1));
  const forward = button("token ▸", () => goToken(step() + 1));
  const phases = selectField("Phase", { "": Object.fromEntries(Object.entries(PHASES)) }, (value) =>
    commit(model, { phase: Number(value) }),
  );
  const mask = checkField("show what changes without the mask", (checked) =>
    commit(model, { unmasked: checked }),
  );
  const words = h("p", { class: "tt-words" });
  const readout = h("p", { class: "tt-readout" });
  /** @type {(place: number[] | null, keeps?: boolean) => void} */
  const read = (place, keeps) => {
    readout.textContent = describe(place ?? [textAt(trace, step()) - 1, column ?? most()], keeps);
  };
  const bands = [
    band(trace, { title: "Without a cache", keeps: false, onRead: read }),
    band(trace, { title: "With a cache", keeps: true, onRead: read }),
  ];
  const changes = h("div", { class: "tt-changes" });
  const data = tableOnRequest("Data as a table", tableRows);
  const key = (/** @type {string} */ name, /** @type {string} */ text) =>
    h("li", {}, h("span", { class: `tt-box tt-${name}` }), text);
  const legend = h(
    "ul",
    { class: "tt-legend", "aria-hidden": true },
    key("now", "computed now"),
    key("again", "computed again"),
    key("kept", "read from the cache"),
    key("masked", "masked"),
    key("none", "not formed"),
  );
  const agreement = h(
    "p",
    { class: "tt-note" },
    `In all ${trace.num_layers} layers, the kept keys and values differ from those of one pass without a cache by at most ${trace.difference.toExponential(1)}.`,
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
    h(
      "p",
      { class: "tt-note" },
      "Keys: Space goes to the next phase, left and right to another token, up and down to another key; Home and End to the first and the last token.",
    ),
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
    const pair = `${word(row)} meets ${word(at)}`;
    if (Math.max(row, at) >= view.length) return `${pair}: not in the text yet.`;
    if (view.phase < SCORE) return `${word(row)} has met no key yet: scores come next.`;
    const state = scoreState(row, at, { ...view, keeps: Boolean(keeps) });
    if (state === "masked") return `${pair}: in its future, masked.`;
    if (!state) return `${pair}: not formed in this step, but in that of ${word(row)}.`;
    const product = `q · k = ${head.products[row][at].toFixed(1)}`;
    const score = `/ √${head.width} = ${head.scores[row][at].toFixed(2)}`;
    if (view.phase < SOFTMAX) return `${pair}: ${product}, ${score}.`;
    return `${pair}: ${product}, ${score}, weight ${(100 * head.weights[row][at]).toFixed(1)} %.`;
  }

  /**
   * What the step costs the whole model: a row that is not projected is saved in every part.
   *
   * @param {{ without: Costs, withCache: Costs }} costs
   * @param {Head} head
   */
  function describeWhole({ without, withCache }, head) {
    const million = (/** @type {number} */ rows) =>
      `${exact(Math.round((rows * trace.row_operations) / 1e6))} million`;
    const kept = without.rows - withCache.rows;
    const kib = exact((kept * trace.row_bytes) / 1024);
    const first = head.kv_head * trace.group;
    const sharing = `Heads ${first} to ${first + trace.group - 1} of layer ${head.layer} share K and V.`;
    const work = `A row also passes the MLP and the other matrices of all ${trace.num_layers} layers: ${million(without.rows)} multiply-adds without a cache, ${million(withCache.rows)} with one`;
    const read = kept ? `, which reads ${kib} KiB of kept keys and values instead` : "";
    return `${work}${read}. ${trace.group > 1 ? sharing : ""}`.trim();
  }

  function tableRows() {
    const head = trace.heads[headIndex()];
    const row = textAt(trace, step()) - 1;
    const rows = trace.tokens.map((token, j) => [
      `${j + 1}. ${token.trim() || "␣"}`,
      j > row ? "masked" : head.scores[row][j].toFixed(2),
      j > row ? "0 %" : `${(100 * head.weights[row][j]).toFixed(1)} %`,
    ]);
    return [["Key", `Score of ${word(row)}`, "Weight"], ...rows];
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
      const worst = `${(100 * Math.max(...row)).toFixed(1)} %`;
      const said = wrong
        ? `${wrong} of ${t + 1} kept keys wrong, by up to ${worst}`
        : `all ${t + 1} kept keys right`;
      return h(
        "div",
        { class: "tt-layer" },
        `layer ${layer}`,
        h("div", {}, ...boxes),
        h("p", {}, said),
      );
    });
    const title = `Had no token been masked, ${word(t + 1)} would have changed the keys before it:`;
    changes.replaceChildren(h("p", {}, title), ...rows);
  }

  function show() {
    const [now, length] = [step(), textAt(trace, step())];
    if (column !== null) column = Math.min(column, length - 1);
    const view = viewNow();
    const costs = ledger(trace, now);
    const said = (/** @type {Costs} */ { rows, formed, used }) => {
      const projected = `${exact(rows)} ${rows === 1 ? "row" : "rows"} projected`;
      if (view.phase < SCORE) return projected;
      return `${projected}, ${exact(formed)} scores, ${exact(used)} used for the next token`;
    };
    const head = trace.heads[headIndex()];
    bands[0].show(view, head, said(costs.without));
    bands[1].show(view, head, said(costs.withCache));
    meaning.textContent = `Q, K, V: queries, keys and values, ${head.channels.length} of their ${head.width} numbers; out: the output. More colour: a larger number.`;
    whole.textContent = describeWhole(costs, head);
    const place = now === 0 ? "The prompt" : `Token ${length}, ${word(length - 1)}`;
    words.textContent = `${place}. ${SAID[PHASES[view.phase]]}`;
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
