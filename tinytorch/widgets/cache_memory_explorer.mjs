import { lineChart } from "./chart.mjs";
import {
  announcer,
  choice,
  commit,
  decimals,
  exact,
  h,
  integers,
  listen,
  memory,
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

const NOBODY = "";
const ELEMENT_TYPES = { 32: "fp32", 16: "fp16, bf16", 8: "fp8, int8", 4: "int4" };
const BITS = [16, 32, 8, 4];
const KINDS = {
  MHA: "MHA: a key/value head for each query head",
  GQA: "GQA: query heads share key/value heads",
  MQA: "MQA: one key/value head",
  MLA: "MLA: a latent vector",
};
const DEVICES = [8, 24, 80, 141];
const OTHER = "own";
const OWN = "your own";
const DIMENSIONS = {
  num_layers: "Layers",
  num_kv_heads: "Key/value heads",
  head_dim: "Width of a head",
  million_parameters: "Parameters, millions",
};
const KEYS = ["model", "compare", "bits_per_element", "bits_per_weight"];

/** Names of models below headings for their kind of attention. */
function grouped(models) {
  const groups = {};
  for (const [kind, heading] of Object.entries(KINDS)) {
    const members = models.filter((spec) => spec.attention === kind);
    const text = (spec) => (spec.window === null ? spec.name : `${spec.name} (sliding window)`);
    if (members.length)
      groups[heading] = Object.fromEntries(members.map((spec) => [spec.name, text(spec)]));
  }
  return groups;
}

/** A model of the reader's own dimensions, with full attention in all layers. */
function ownModel({ num_layers, num_kv_heads, head_dim, million_parameters }) {
  return {
    name: OWN,
    num_layers,
    num_windowed_layers: 0,
    window: null,
    max_context: Number.POSITIVE_INFINITY,
    kv_elements_per_token_per_layer: 2 * num_kv_heads * head_dim,
    num_parameters: million_parameters * 1e6,
  };
}

/** Lengths for the curve, four in an octave, and the chosen one. */
function lengths(chosen, most) {
  const points = [];
  for (let power = 6; 2 ** power < most; power += 0.25) points.push(Math.round(2 ** power));
  return [...new Set([...points, chosen, most])].sort((a, b) => a - b);
}

export function render({ model, el, signal }) {
  const root = mount(el, "Cache memory explorer");
  const { element: status, say, stop: stopStatus } = announcer();
  const { keys: numberKeys, within, values: numbers } = integers(model);
  const models = model.get("models");
  const names = models.map((spec) => spec.name);
  const set =
    (key, convert = (value) => value) =>
    (value) =>
      commit(model, { [key]: convert(value) });
  const field = (key, label, slider = true) =>
    numberField(label, { ...within(key), onchange: set(key), slider });

  const choices = { ...grouped(models), "A model of your own": { [OWN]: OWN } };
  const modelField = selectField("Model", choices, set("model"));
  const compareField = selectField(
    "Beside it",
    { "": { [NOBODY]: "no other" }, ...grouped(models) },
    set("compare"),
  );
  const seqLen = field("seq_len", "Context, tokens");
  const batchSize = field("batch_size", "Sequences");
  const element = selectField(
    "Cache element",
    { "": ELEMENT_TYPES },
    set("bits_per_element", Number),
  );
  const weight = selectField("Weights", { "": ELEMENT_TYPES }, set("bits_per_weight", Number));
  const devices = Object.fromEntries(DEVICES.map((size) => [size, `${size} GB`]));
  const choose = (value) => {
    ownDevice.field.hidden = value !== OTHER;
    if (value === OTHER) ownDevice.input.focus();
    else commit(model, { device_gb: Number(value) });
  };
  const device = selectField("Device memory", { "": { ...devices, [OTHER]: "another" } }, choose);
  const ownDevice = field("device_gb", "Device, GB", false);
  const dimensions = Object.entries(DIMENSIONS).map(([key, label]) => [key, field(key, label)]);
  const own = h("div", { class: "tt-fields" }, ...dimensions.map(([, part]) => part.field));
  const bars = h("div", { class: "tt-bars" });
  const beyond = h("p", { class: "tt-note" });
  const facts = h("div", { class: "tt-scroll" });
  let view = null;
  const chart = lineChart({
    label: "Cache by context length",
    onCursor: (i) => commit(model, { seq_len: view.lengths[i] }),
    signal,
  });
  const data = tableOnRequest("Data as a table", tableRows);
  root.append(
    bars,
    deviceLegend(),
    beyond,
    h("div", { class: "tt-fields" }, modelField.field, compareField.field),
    own,
    h("div", { class: "tt-fields" }, seqLen.field, batchSize.field),
    h("div", { class: "tt-fields" }, element.field, weight.field, device.field, ownDevice.field),
    facts,
    h(
      "p",
      { class: "tt-note" },
      "A device of 80 GB is taken as 80 · 10⁹ bytes, all of them for weights and caches. Scales of int8 and int4 are not counted.",
    ),
    chart.element,
    viewButtons(model, say),
    data.details,
    status,
  );

  function read() {
    const chosen = [
      choice(model, "model", [...names, OWN]),
      choice(model, "compare", [NOBODY, ...names]),
    ];
    const values = numbers();
    return {
      ...values,
      bits_per_element: choice(model, "bits_per_element", BITS),
      bits_per_weight: choice(model, "bits_per_weight", BITS),
      compare: chosen[1],
      specs: [...new Set(chosen)]
        .filter(Boolean)
        .map((name) => models.find((spec) => spec.name === name) ?? ownModel(values)),
      device: BigInt(values.device_gb) * 10n ** 9n,
    };
  }

  const cacheOf = (spec, length, sequences) =>
    kvCacheBytes(spec, length, sequences, view.bits_per_element);

  const fitting = ({ spec }) => {
    const bits = [view.bits_per_element, view.bits_per_weight];
    return exact(sequencesThatFit(spec, view.device, view.seq_len, ...bits));
  };

  function update() {
    view = read();
    view.lengths = lengths(view.seq_len, within("seq_len").most);
    modelField.select.value = view.specs[0].name;
    own.hidden = view.specs[0].name !== OWN;
    for (const [key, dimension] of dimensions) dimension.show(view[key]);
    compareField.select.value = view.compare;
    seqLen.show(view.seq_len);
    batchSize.show(view.batch_size);
    element.select.value = view.bits_per_element;
    weight.select.value = view.bits_per_weight;
    const listed = DEVICES.includes(view.device_gb);
    if (!listed || device.select.value !== OTHER)
      device.select.value = listed ? view.device_gb : OTHER;
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
      .map((spec) => `${spec.name} was made for texts of ${exact(spec.max_context)} tokens.`)
      .join(" ");
    showFacts(measured);
    drawChart(measured);
    data.refresh();
  }

  function showFacts(measured) {
    const bits = [view.bits_per_element, view.bits_per_weight];
    const row = (heading, value) => [heading, ...measured.map(value)];
    const longest = ({ spec }) => {
      const length = longestThatFits(spec, view.device, view.batch_size, ...bits);
      return length === null ? "no limit" : `${exact(length)} tokens`;
    };
    const rows = [
      ["", ...measured.map(({ spec }) => spec.name)],
      row(`sequences that fit in ${exact(view.device_gb)} GB`, fitting),
      row("one token", ({ spec }) => memory(cacheOf(spec, 1, 1))),
      row(`one sequence of ${exact(view.seq_len)}`, ({ spec }) =>
        memory(cacheOf(spec, view.seq_len, 1)),
      ),
      row(`all ${exact(view.batch_size)}`, ({ cache }) => memory(cache)),
      row("the weights", ({ weights }) => memory(weights)),
      row(
        "cache as a share of the weights",
        ({ cache, weights }) => `${decimals(100 * ratioOf(cache, weights))} %`,
      ),
      row(`how long ${exact(view.batch_size)} can grow there`, longest),
    ];
    facts.replaceChildren(table(rows));
    say(
      measured
        .map(
          (each) =>
            `${each.spec.name}: cache ${memory(each.cache)}, ${fitting(each)} sequences fit`,
        )
        .join("; "),
    );
  }

  function drawChart(measured) {
    const gib = (numBytes) => Number(numBytes) / GIB;
    const room = ({ weights }) => gib(view.device - weights);
    chart.draw({
      x: view.lengths,
      series: view.specs.map((spec) => ({
        name: spec.name,
        y: view.lengths.map((length) => gib(cacheOf(spec, length, view.batch_size))),
      })),
      limits: measured
        .map((each, of) => ({ name: `room beside ${each.spec.name}`, y: room(each), of }))
        .filter(({ y }) => y > 0),
      xLabel: "tokens in each sequence",
      yLabel: `{unit} for ${exact(view.batch_size)} ${view.batch_size === 1 ? "sequence" : "sequences"}`,
      yUnit: "GiB of cache",
      log: true,
      xLog: true,
      format: (value) => memory(value * GIB),
    });
    chart.moveTo(view.lengths.indexOf(view.seq_len));
    setAttributes(chart.svg, { "aria-label": "Cache by context length; arrows change the length" });
  }

  function tableRows() {
    const every = view.lengths.filter(
      (length) => Number.isInteger(Math.log2(length)) || length === view.seq_len,
    );
    const headings = ["Tokens", ...view.specs.map((spec) => `${spec.name}, bytes`)];
    return [
      headings,
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
