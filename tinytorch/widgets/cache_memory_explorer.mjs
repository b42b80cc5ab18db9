import { lineChart } from "./chart.mjs";
import {
  announcer,
  choice,
  commit,
  h,
  integers,
  listen,
  mount,
  numberField,
  ratioOf,
  selectField,
  setAttributes,
  table,
  tableOnRequest,
  viewButtons,
} from "./common.mjs";
import { kvCacheBytes, longestThatFits, sequencesThatFit, weightBytes } from "./costs.mjs";
import { deviceBar, deviceLegend, GIB } from "./device_bar.mjs";
import { decimals, exact, memory, phrase, phrases, plural } from "./language.mjs";

/** @import { CacheSizes, KeyOf, ModelRecord, ViewContext } from "./types" */

/** @typedef {CacheSizes & Pick<ModelRecord, "name" | "max_context" | "num_parameters">} Spec */
/** @typedef {{ spec: Spec, cache: bigint, weights: bigint }} Measured bytes */

/**
 * @typedef {object} State
 * @property {ModelRecord[]} models
 * @property {string} model
 * @property {string} compare
 * @property {number} seq_len
 * @property {number} batch_size
 * @property {number} bits_per_element
 * @property {number} bits_per_weight
 * @property {number} device_gb
 * @property {number} num_layers
 * @property {number} num_kv_heads
 * @property {number} head_dim
 * @property {number} million_parameters
 */

const NOBODY = "";
const ELEMENT_TYPES = { 32: "fp32", 16: "fp16, bf16", 8: "fp8, int8", 4: "int4" };
const BITS = [16, 32, 8, 4];
const KINDS = phrases("memory.kinds");
const DEVICES = [8, 24, 80, 141];
const OTHER = "own";
const OWN = "your own";
const OWN_NAME = phrase("common.your_own");
const DIMENSIONS = phrases("memory.dimensions");
/** @type {KeyOf<State>[]} */
const KEYS = ["model", "compare", "bits_per_element", "bits_per_weight"];

/**
 * Names of models below headings for their kind of attention.
 *
 * @param {ModelRecord[]} models
 */
function grouped(models) {
  /** @type {Record<string, Record<string, string>>} */
  const groups = {};
  for (const [kind, heading] of Object.entries(KINDS)) {
    const members = models.filter((spec) => spec.attention === kind);
    const text = (/** @type {ModelRecord} */ spec) =>
      spec.window === null ? spec.name : phrase("memory.sliding", { model: spec.name });
    if (members.length)
      groups[heading] = Object.fromEntries(members.map((spec) => [spec.name, text(spec)]));
  }
  return groups;
}

/**
 * A model of the reader's own dimensions, with full attention in all layers.
 *
 * @param {Pick<State, keyof typeof DIMENSIONS>} dimensions
 * @returns {Spec}
 */
function ownModel({ num_layers, num_kv_heads, head_dim, million_parameters }) {
  return {
    name: OWN_NAME,
    num_layers,
    num_windowed_layers: 0,
    window: null,
    max_context: Number.POSITIVE_INFINITY,
    kv_elements_per_token_per_layer: 2 * num_kv_heads * head_dim,
    num_parameters: million_parameters * 1e6,
  };
}

/**
 * Lengths for the curve, four in an octave, and the chosen one.
 *
 * @param {number} chosen
 * @param {number} most
 */
function lengths(chosen, most) {
  /** @type {number[]} */
  const points = [];
  for (let power = 6; 2 ** power < most; power += 0.25) points.push(Math.round(2 ** power));
  return [...new Set([...points, chosen, most])].sort((a, b) => a - b);
}

/** @param {ViewContext<State>} context */
export function render({ model, el, signal }) {
  const root = mount(el, phrase("memory.title"));
  const { element: status, say, stop: stopStatus } = announcer();
  const { keys: numberKeys, within, values: numbers } = integers(model);
  const models = model.get("models");
  const names = models.map((spec) => spec.name);
  /** @type {<Value>(key: KeyOf<State>) => (value: Value) => void} */
  const set = (key) => (value) => commit(model, { [key]: value });
  /** @type {(key: KeyOf<State>) => (value: string) => void} */
  const setNumber = (key) => (value) => commit(model, { [key]: Number(value) });
  /** @type {(key: KeyOf<State>, label: string, slider?: boolean) => ReturnType<typeof numberField>} */
  const field = (key, label, slider = true) =>
    numberField(label, { ...within(key), onchange: set(key), slider });

  const choices = { ...grouped(models), [phrase("memory.own_model")]: { [OWN]: OWN_NAME } };
  const modelField = selectField(phrase("common.model"), choices, set("model"));
  const compareField = selectField(
    phrase("memory.compare"),
    { "": { [NOBODY]: phrase("memory.nobody") }, ...grouped(models) },
    set("compare"),
  );
  const seqLen = field("seq_len", phrase("memory.context"));
  const batchSize = field("batch_size", phrase("memory.sequences"));
  const types = { "": ELEMENT_TYPES };
  const element = selectField(phrase("memory.element"), types, setNumber("bits_per_element"));
  const weight = selectField(phrase("memory.weight"), types, setNumber("bits_per_weight"));
  const devices = Object.fromEntries(DEVICES.map((n) => [n, phrase("memory.gb", { n })]));
  const choose = (/** @type {string} */ value) => {
    ownDevice.field.hidden = value !== OTHER;
    if (value === OTHER) ownDevice.input.focus();
    else commit(model, { device_gb: Number(value) });
  };
  const sizes = { "": { ...devices, [OTHER]: phrase("memory.other_device") } };
  const device = selectField(phrase("memory.device"), sizes, choose);
  const ownDevice = field("device_gb", phrase("memory.own_device"), false);
  const dimensionKeys = /** @type {(keyof typeof DIMENSIONS)[]} */ (Object.keys(DIMENSIONS));
  const dimensions = dimensionKeys.map((key) => ({ key, ...field(key, DIMENSIONS[key]) }));
  const own = h("div", { class: "tt-fields" }, ...dimensions.map((each) => each.field));
  const bars = h("div", { class: "tt-bars" });
  const beyond = h("p", { class: "tt-note" });
  const facts = h("div", { class: "tt-scroll" });
  /** @type {ReturnType<typeof read>} */
  let view;
  const chart = lineChart({
    label: phrase("memory.chart"),
    onCursor: (i) => commit(model, { seq_len: view.lengths[i] }),
    signal,
  });
  const data = tableOnRequest(tableRows);
  root.append(
    bars,
    deviceLegend(),
    beyond,
    h("div", { class: "tt-fields" }, modelField.field, compareField.field),
    own,
    h("div", { class: "tt-fields" }, seqLen.field, batchSize.field),
    h("div", { class: "tt-fields" }, element.field, weight.field, device.field, ownDevice.field),
    facts,
    h("p", { class: "tt-note" }, phrase("memory.note")),
    chart.element,
    viewButtons(model, say),
    data.details,
    status,
  );

  /** @type {(name: string) => Spec | undefined} */
  const specOf = (name) => models.find((spec) => spec.name === name);

  function read() {
    const chosen = [
      choice(model, "model", [...names, OWN]),
      choice(model, "compare", [NOBODY, ...names]),
    ];
    const values = numbers();
    const listed = lengths(values.seq_len, within("seq_len").most);
    return {
      ...values,
      lengths: listed,
      bits_per_element: choice(model, "bits_per_element", BITS),
      bits_per_weight: choice(model, "bits_per_weight", BITS),
      compare: chosen[1],
      isOwn: chosen[0] === OWN,
      specs: [...new Set(chosen)].filter(Boolean).map((name) => specOf(name) ?? ownModel(values)),
      device: BigInt(values.device_gb) * 10n ** 9n,
    };
  }

  /** @type {(spec: Spec, length: number, sequences: number) => bigint} */
  const cacheOf = (spec, length, sequences) =>
    kvCacheBytes(spec, length, sequences, view.bits_per_element);

  const fitting = (/** @type {Measured} */ { spec }) => {
    const { device, seq_len: length, bits_per_element: bits, bits_per_weight: weightBits } = view;
    return exact(sequencesThatFit(spec, device, length, bits, weightBits));
  };

  function update() {
    view = read();
    modelField.select.value = view.isOwn ? OWN : view.specs[0].name;
    own.hidden = !view.isOwn;
    for (const { key, show } of dimensions) show(view[key]);
    compareField.select.value = view.compare;
    seqLen.show(view.seq_len);
    batchSize.show(view.batch_size);
    element.select.value = String(view.bits_per_element);
    weight.select.value = String(view.bits_per_weight);
    const listed = DEVICES.includes(view.device_gb);
    if (!listed || device.select.value !== OTHER) {
      device.select.value = listed ? String(view.device_gb) : OTHER;
    }
    ownDevice.field.hidden = device.select.value !== OTHER;
    ownDevice.show(view.device_gb);
    const measured = view.specs.map((spec) => ({
      spec,
      cache: cacheOf(spec, view.seq_len, view.batch_size),
      weights: weightBytes(spec, view.bits_per_weight),
    }));
    bars.replaceChildren(
      ...measured.map((each) => deviceBar({ ...each, fit: fitting(each), view })),
    );
    const short = view.specs.filter((spec) => view.seq_len > spec.max_context);
    beyond.textContent = short
      .map(({ name, max_context: most }) =>
        phrase("common.made_for", { model: name, tokens: exact(most) }),
      )
      .join(" ");
    showFacts(measured);
    drawChart(measured);
    data.refresh();
  }

  /** @param {Measured[]} measured */
  function showFacts(measured) {
    const { device, batch_size: size, bits_per_element: bits, bits_per_weight: weightBits } = view;
    /** @type {(heading: string, value: (each: Measured) => string) => string[]} */
    const row = (heading, value) => [heading, ...measured.map(value)];
    const longest = (/** @type {Measured} */ { spec }) => {
      const length = longestThatFits(spec, device, size, bits, weightBits);
      return length === null
        ? phrase("memory.no_limit")
        : phrase("memory.tokens", { n: exact(length) });
    };
    const n = exact(view.batch_size);
    const rows = [
      ["", ...measured.map(({ spec }) => spec.name)],
      row(phrase("memory.row_fit", { gb: exact(view.device_gb) }), fitting),
      row(phrase("memory.row_token"), ({ spec }) => memory(cacheOf(spec, 1, 1))),
      row(phrase("memory.row_sequence", { tokens: exact(view.seq_len) }), ({ spec }) =>
        memory(cacheOf(spec, view.seq_len, 1)),
      ),
      row(phrase("memory.row_all", { n }), ({ cache }) => memory(cache)),
      row(phrase("memory.row_weights"), ({ weights }) => memory(weights)),
      row(phrase("memory.row_share"), ({ cache, weights }) =>
        phrase("numbers.percent", { n: decimals(100 * ratioOf(cache, weights)) }),
      ),
      row(phrase("memory.row_longest", { n }), longest),
    ];
    facts.replaceChildren(table(rows));
    const said = measured.map((each) => {
      const found = { cache: memory(each.cache), fit: fitting(each) };
      return phrase("memory.said", { model: each.spec.name, ...found });
    });
    say(said.join("; "));
  }

  /** @param {Measured[]} measured */
  function drawChart(measured) {
    const gib = (/** @type {bigint} */ numBytes) => Number(numBytes) / GIB;
    const room = (/** @type {Measured} */ { weights }) => gib(view.device - weights);
    chart.draw({
      x: view.lengths,
      series: view.specs.map((spec) => ({
        name: spec.name,
        y: view.lengths.map((length) => gib(cacheOf(spec, length, view.batch_size))),
      })),
      limits: measured
        .map((each, of) => ({
          name: phrase("memory.room", { model: each.spec.name }),
          y: room(each),
          of,
        }))
        .filter(({ y }) => y > 0),
      xLabel: phrase("memory.x"),
      yLabel: (unit) => plural("memory.y", view.batch_size, { unit }),
      yUnit: phrase("memory.unit"),
      log: true,
      xLog: true,
      format: (value) => memory(Number(value) * GIB),
    });
    chart.moveTo(view.lengths.indexOf(view.seq_len));
    setAttributes(chart.svg, { "aria-label": phrase("memory.chart_label") });
  }

  function tableRows() {
    const every = view.lengths.filter(
      (length) => Number.isInteger(Math.log2(length)) || length === view.seq_len,
    );
    const column = (/** @type {Spec} */ { name }) => phrase("memory.column_bytes", { model: name });
    return [
      [phrase("memory.column_tokens"), ...view.specs.map(column)],
      ...every.map((length) => [
        exact(length),
        ...view.specs.map((spec) => exact(cacheOf(spec, length, view.batch_size))),
      ]),
    ];
  }

  const release = listen(model, [...numberKeys, ...KEYS], update);
  update();
  return () => {
    for (const end of [release, chart.stop, stopStatus]) end();
  };
}
