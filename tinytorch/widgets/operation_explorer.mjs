import { cards } from "./cards.mjs";
import { lineChart } from "./chart.mjs";
import {
  announcer,
  button,
  checkField,
  choice,
  commit,
  exact,
  h,
  integers,
  listen,
  mount,
  numberField,
  ratioOf,
  rounded,
  selectField,
  tableOnRequest,
  times,
  viewButtons,
} from "./common.mjs";
import { generationWork, operationPrices } from "./costs.mjs";

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
const DIMENSIONS = {
  num_layers: "Layers",
  embed_dim: "Embedding width",
  num_heads: "Query heads",
  num_kv_heads: "Key/value heads",
  head_dim: "Head width",
  mlp_dim: "MLP width",
  vocab_size: "Vocabulary",
};
/** @type {Record<string, Counted>} */
const COUNTED = {
  kv_projections: {
    name: "keys and values computed",
    unit: "tokens turned into keys and values",
    pass: ["n", "1"],
    total: ["n²/2", "n"],
  },
  score_pairs: {
    name: "query-key pairs of one head",
    unit: "query-key pairs",
    pass: ["n²", "n"],
    total: ["n³/3", "n²/2"],
  },
  whole_model: {
    name: "the whole model",
    unit: "multiply-adds",
    pass: ["a·n + b·n² + c", "a + b·n + c"],
  },
};
const QUOTED_MODEL = "GPT-2 small";
const QUOTED_TOKENS = 100;
const QUOTED = [
  { counted: "kv_projections", prompt_length: 1, text: "keys and values, from nothing" },
  { counted: "score_pairs", prompt_length: 1, text: "query-key pairs, from nothing" },
  { counted: "whole_model", prompt_length: 4, text: "all of GPT-2, after 4 tokens" },
];
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
  const root = mount(el, "Operation explorer");
  const { element: status, say, stop: stopStatus } = announcer();
  const { within, values: numbers } = integers(model);
  const models = model.get("models");
  const dimensionKeys = /** @type {Dimension[]} */ (Object.keys(DIMENSIONS));
  const allKeys = [...KEYS, ...dimensionKeys];
  const names = models.map((spec) => spec.name);

  const modelField = selectField(
    "Model",
    { "": Object.fromEntries([...names, OWN].map((name) => [name, name])) },
    (value) => commit(model, { model: value }),
  );
  const field = (/** @type {"prompt_length" | "new_tokens"} */ key, /** @type {string} */ label) =>
    numberField(label, { ...within(key), onchange: (value) => commit(model, { [key]: value }) });
  const prompt = field("prompt_length", "Prompt, tokens");
  const fresh = field("new_tokens", "New tokens");
  const dimensions = dimensionKeys.map((key) => {
    const onchange = (/** @type {number} */ value) => commit(model, { [key]: value });
    const own = numberField(DIMENSIONS[key], { ...within(key), onchange, slider: false });
    return { key, ...own };
  });
  const beyond = h("p", { class: "tt-note" });
  const groups = h("p", { class: "tt-note" }, "Query heads must be a multiple of key/value heads.");
  const own = h(
    "div",
    {},
    h("div", { class: "tt-fields" }, ...dimensions.map(({ field: part }) => part)),
    groups,
  );
  const counted = cards(
    "Times fewer with a cache",
    Object.fromEntries(Object.entries(COUNTED).map(([key, { name }]) => [key, name])),
    (value) => commit(model, { counted: value }),
  );
  const cumulative = checkField("add up the passes", (checked) =>
    commit(model, { cumulative: checked }),
  );
  const logScale = checkField("logarithmic", (checked) => commit(model, { log_scale: checked }));
  const quotedSpec = models.find((spec) => spec.name === QUOTED_MODEL) ?? models[0];
  const quoted = QUOTED.map(({ text, ...values }) => {
    const counts = generationWork(values.counted, quotedSpec, values.prompt_length, QUOTED_TOKENS);
    const view = { model: QUOTED_MODEL, new_tokens: QUOTED_TOKENS, ...values };
    return button(`${saving(counts).ratio} ${text}`, () => commit(model, view));
  });
  const chart = lineChart({ label: "Work of the next token", signal });
  const law = h("p", { class: "tt-note" });
  /** @type {ReturnType<typeof read> & ReturnType<typeof generationWork>} */
  let work;
  const data = tableOnRequest("Data as a table", tableRows);
  root.append(
    counted.field,
    chart.element,
    law,
    h("div", { class: "tt-fields" }, modelField.field, prompt.field, fresh.field),
    own,
    beyond,
    h("div", { class: "tt-row" }, cumulative.field, logScale.field),
    h("div", { class: "tt-row" }, h("span", {}, "Quoted, for 100 tokens:"), ...quoted),
    h("p", { class: "tt-note" }, "From nothing: the first pass takes in one token."),
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
      length > most ? `${view.spec.name} was made for texts of ${exact(most)} tokens.` : "";
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
      counted.show(key, saved.ratio, `${saved.without} → ${saved.withCache}`);
      if (same) say(`${name}: ${saved.ratio} fewer with a cache`);
    }
  }

  function drawChart() {
    const add = Boolean(model.get("cumulative"));
    const log = Boolean(model.get("log_scale"));
    cumulative.input.checked = add;
    logScale.input.checked = log;
    const { name, unit } = COUNTED[work.counted];
    law.textContent = describeLaw(COUNTED[work.counted], add);
    const points = spread(work.new_tokens, MOST_POINTS);
    const take = (/** @type {bigint[]} */ values) => {
      const row = add ? running(values) : values;
      return points.map((i) => row[i]);
    };
    chart.draw({
      x: points.map((i) => work.prompt_length + i),
      series: [
        { name: "without a cache", y: take(work.without), state: "again" },
        { name: "with a cache", y: take(work.withCache), state: "kept" },
      ],
      xLabel: "tokens in the text, n",
      yLabel: `{unit}, ${add ? "all passes so far" : "one pass"}`,
      yUnit: unit,
      log,
      format: exact,
    });
    chart.svg.setAttribute("aria-label", `${name}, ${add ? "added up" : "for the next token"}`);
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
    const counted = sum ? "All passes from nothing to n tokens" : "A pass that ends at n tokens";
    const growth = `${counted}: about ${without} without a cache, ${withCache} with one`;
    if (work.counted !== "whole_model") return `${growth}.`;
    const { token, pair, pass: logits } = operationPrices(work.spec);
    const prices = [
      `a = ${rounded(token)} for a token`,
      `b = ${rounded(pair)} for a pair of tokens`,
      `c = ${rounded(logits)} for the logits of a pass`,
    ];
    return `${growth}; ${prices.join(", ")}.`;
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
    return [["Tokens", "Without", "With", "Sum without", "Sum with"], ...rows];
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
