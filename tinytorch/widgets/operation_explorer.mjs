import { cards } from "./cards.mjs";
import { lineChart } from "./chart.mjs";
import {
  announcer,
  button,
  checkField,
  choice,
  commit,
  h,
  integers,
  listen,
  mount,
  numberField,
  ratioOf,
  selectField,
  tableOnRequest,
  viewButtons,
} from "./common.mjs";
import { generationWork, operationPrices } from "./costs.mjs";
import { bothWays, exact, phrase, phrases, rounded, times } from "./language.mjs";

/** @import { KeyOf, ModelRecord, OperationSizes, ViewContext } from "./types" */

/** @typedef {OperationSizes & { name: string, max_context?: number }} Spec */

/**
 * @typedef {object} State
 * @property {ModelRecord[]} models
 * @property {string} model
 * @property {number} prompt_length
 * @property {number} new_tokens
 * @property {string} counted a key of COUNTED
 * @property {boolean} cumulative
 * @property {boolean} log_scale
 * @property {number} num_layers
 * @property {number} embed_dim
 * @property {number} num_heads
 * @property {number} num_kv_heads
 * @property {number} head_dim
 * @property {number} mlp_dim
 * @property {number} vocab_size
 */

/** @typedef {keyof typeof DIMENSIONS} Dimension */
/** @typedef {{ name: string, unit: string, pass: string[], total?: string[] }} Counted */

const OWN = "your own";
const DIMENSIONS = phrases("operations.dimensions");
const UNITS = phrases("operations.units");
const NAMES = phrases("operations.names");
/** @type {Record<string, Counted>} */
const COUNTED = {
  kv_projections: {
    name: NAMES.kv_projections,
    unit: UNITS.kv_projections,
    pass: ["n", "1"],
    total: ["n²/2", "n"],
  },
  score_pairs: {
    name: NAMES.score_pairs,
    unit: phrase("operations.pairs"),
    pass: ["n²", "n"],
    total: ["n³/3", "n²/2"],
  },
  whole_model: {
    name: NAMES.whole_model,
    unit: UNITS.whole_model,
    pass: ["a·n + b·n² + c", "a + b·n + c"],
  },
};
const QUOTED_MODEL = "GPT-2 small";
const QUOTED_TOKENS = 100;
/** @type {{ counted: keyof typeof NAMES, prompt_length: number }[]} */
const QUOTED = [
  { counted: "kv_projections", prompt_length: 1 },
  { counted: "score_pairs", prompt_length: 1 },
  { counted: "whole_model", prompt_length: 4 },
];
const QUOTES = phrases("operations.quotes");
const MOST_POINTS = 160;
/** @type {KeyOf<State>[]} */
const KEYS = ["model", "prompt_length", "new_tokens", "counted", "cumulative", "log_scale"];

const totalOf = (/** @type {bigint[]} */ values) =>
  values.reduce((total, value) => total + value, 0n);

/**
 * Evenly spread indices, the first and the last among them.
 *
 * @param {number} length
 * @param {number} most
 */
function spread(length, most) {
  const count = Math.min(length, most);
  return Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * (length - 1)) / (count - 1)),
  );
}

/**
 * How many times less a generation takes with a cache, and both of its counts.
 *
 * @param {{ without: bigint[], withCache: bigint[] }} work
 */
function saving({ without, withCache }) {
  const [all, kept] = [totalOf(without), totalOf(withCache)];
  return { without: rounded(all), withCache: rounded(kept), ratio: times(ratioOf(all, kept)) };
}

/**
 * Running sums.
 *
 * @param {bigint[]} values
 */
function running(values) {
  let total = 0n;
  return values.map((value) => {
    total += value;
    return total;
  });
}

/** @param {ViewContext<State>} context */
export function render({ model, el, signal }) {
  const root = mount(el, phrase("operations.title"));
  const { element: status, say, stop: stopStatus } = announcer();
  const { within, values: numbers } = integers(model);
  const models = model.get("models");
  const dimensionKeys = /** @type {Dimension[]} */ (Object.keys(DIMENSIONS));
  const allKeys = [...KEYS, ...dimensionKeys];
  const names = models.map((spec) => spec.name);

  const listed = Object.fromEntries(names.map((name) => [name, name]));
  const modelField = selectField(
    phrase("common.model"),
    { "": { ...listed, [OWN]: phrase("common.your_own") } },
    (value) => commit(model, { model: value }),
  );
  const field = (/** @type {"prompt_length" | "new_tokens"} */ key, /** @type {string} */ label) =>
    numberField(label, { ...within(key), onchange: (value) => commit(model, { [key]: value }) });
  const prompt = field("prompt_length", phrase("operations.prompt"));
  const fresh = field("new_tokens", phrase("common.new_tokens"));
  const dimensions = dimensionKeys.map((key) => {
    const onchange = (/** @type {number} */ value) => commit(model, { [key]: value });
    const own = numberField(DIMENSIONS[key], { ...within(key), onchange, slider: false });
    return { key, ...own };
  });
  const beyond = h("p", { class: "tt-note" });
  const groups = h("p", { class: "tt-note" }, phrase("operations.groups"));
  const own = h(
    "div",
    {},
    h("div", { class: "tt-fields" }, ...dimensions.map(({ field: part }) => part)),
    groups,
  );
  const counted = cards(
    phrase("operations.cards"),
    Object.fromEntries(Object.entries(COUNTED).map(([key, { name }]) => [key, name])),
    (value) => commit(model, { counted: value }),
  );
  const cumulative = checkField(phrase("operations.add_up"), (checked) =>
    commit(model, { cumulative: checked }),
  );
  const logScale = checkField(phrase("common.logarithmic"), (checked) =>
    commit(model, { log_scale: checked }),
  );
  const quotedSpec = models.find((spec) => spec.name === QUOTED_MODEL) ?? models[0];
  const quoted = QUOTED.map((values) => {
    const counts = generationWork(values.counted, quotedSpec, values.prompt_length, QUOTED_TOKENS);
    const view = { model: QUOTED_MODEL, new_tokens: QUOTED_TOKENS, ...values };
    const text = `${saving(counts).ratio} ${QUOTES[values.counted]}`;
    return button(text, () => commit(model, view));
  });
  const chart = lineChart({ label: phrase("operations.chart"), signal });
  const law = h("p", { class: "tt-note" });
  /** @type {ReturnType<typeof read> & ReturnType<typeof generationWork>} */
  let work;
  const data = tableOnRequest(tableRows);
  root.append(
    counted.field,
    chart.element,
    law,
    h("div", { class: "tt-fields" }, modelField.field, prompt.field, fresh.field),
    own,
    beyond,
    h("div", { class: "tt-row" }, cumulative.field, logScale.field),
    h("div", { class: "tt-row" }, h("span", {}, phrase("operations.quoted")), ...quoted),
    h("p", { class: "tt-note" }, phrase("operations.from_nothing")),
    viewButtons(model, say),
    data.details,
    status,
  );

  function read() {
    const values = numbers();
    const name = choice(model, "model", [...names, OWN]);
    /** @type {Spec} */
    const spec = models.find((each) => each.name === name) ?? {
      ...values,
      name: OWN,
      mlp_matrices: 2,
    };
    return { ...values, spec, counted: choice(model, "counted", Object.keys(COUNTED)) };
  }

  function update() {
    const view = read();
    work = {
      ...view,
      ...generationWork(view.counted, view.spec, view.prompt_length, view.new_tokens),
    };
    modelField.select.value = view.spec.name;
    prompt.show(view.prompt_length);
    fresh.show(view.new_tokens);
    for (const { key, show } of dimensions) show(view[key]);
    own.hidden = view.spec.name !== OWN;
    groups.hidden = view.num_heads % view.num_kv_heads === 0;
    const length = view.prompt_length + view.new_tokens;
    const most = view.spec.max_context ?? length;
    beyond.textContent =
      length > most
        ? phrase("common.made_for", { model: view.spec.name, tokens: exact(most) })
        : "";
    counted.check(view.counted);
    showRatios(view);
    drawChart();
    data.refresh();
  }

  /**
   * All three ways to count, for the same generation.
   *
   * @param {ReturnType<typeof read>} view
   */
  function showRatios(view) {
    for (const [key, { name }] of Object.entries(COUNTED)) {
      const same = key === view.counted;
      const counts = same
        ? work
        : generationWork(key, view.spec, view.prompt_length, view.new_tokens);
      const saved = saving(counts);
      counted.show(key, saved.ratio, phrase("operations.from_to", saved));
      if (same) say(phrase("operations.said", { name, ratio: saved.ratio }));
    }
  }

  function drawChart() {
    const add = Boolean(model.get("cumulative"));
    const log = Boolean(model.get("log_scale"));
    cumulative.input.checked = add;
    logScale.input.checked = log;
    const { name, unit } = COUNTED[work.counted];
    law.textContent = describeLaw(COUNTED[work.counted], add);
    const [without, withCache] = bothWays();
    const points = spread(work.new_tokens, MOST_POINTS);
    const take = (/** @type {bigint[]} */ values) => {
      const row = add ? running(values) : values;
      return points.map((i) => row[i]);
    };
    chart.draw({
      x: points.map((i) => work.prompt_length + i),
      series: [
        { name: without, y: take(work.without), state: "again" },
        { name: withCache, y: take(work.withCache), state: "kept" },
      ],
      xLabel: phrase("operations.x"),
      yLabel: (of) =>
        add ? phrase("operations.y_total", { unit: of }) : phrase("operations.y", { unit: of }),
      yUnit: unit,
      log,
      format: exact,
    });
    const label = add
      ? phrase("operations.label_total", { name })
      : phrase("operations.label", { name });
    chart.svg.setAttribute("aria-label", label);
    chart.moveTo(points.length - 1);
  }

  /**
   * What a pass costs or, where that has a short form, what all passes from nothing do.
   *
   * @param {Counted} law
   * @param {boolean} add
   */
  function describeLaw({ pass, total }, add) {
    const sum = add ? total : undefined;
    const [without, withCache] = sum ?? pass;
    if (sum) return phrase("operations.law_total", { without, with: withCache });
    if (work.counted !== "whole_model")
      return phrase("operations.law", { without, with: withCache });
    const prices = operationPrices(work.spec);
    const [a, b, c] = [prices.token, prices.pair, prices.pass].map(rounded);
    return phrase("operations.law_model", { without, with: withCache, a, b, c });
  }

  function tableRows() {
    const [sumWithout, sumWith] = [running(work.without), running(work.withCache)];
    const rows = spread(work.new_tokens, 25).map((i) => [
      exact(work.prompt_length + i),
      exact(work.without[i]),
      exact(work.withCache[i]),
      exact(sumWithout[i]),
      exact(sumWith[i]),
    ]);
    return [Object.values(phrases("operations.columns")), ...rows];
  }

  const releases = [
    listen(
      model,
      allKeys.filter((key) => !["cumulative", "log_scale"].includes(key)),
      update,
    ),
    listen(model, ["cumulative", "log_scale"], drawChart),
  ];
  update();
  return () => {
    for (const end of [...releases, chart.stop, stopStatus]) end();
  };
}
