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

const NOBODY = "";
const GIB = 2 ** 30;
const ELEMENT_TYPES = { 32: "fp32", 16: "fp16, bf16", 8: "fp8, int8", 4: "int4" };
const BITS = [16, 32, 8, 4];
const KINDS = {
  MHA: "MHA: a key/value head for each query head",
  GQA: "GQA: query heads share key/value heads",
  MQA: "MQA: one key/value head",
  MLA: "MLA: a latent vector",
};
const DEVICES = [8, 24, 80, 141];
const OWN = "own";

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

/** Lengths for the curve, four in an octave, and the chosen one. */
function lengths(chosen, most) {
  const points = [];
  for (let power = 6; 2 ** power < most; power += 0.25) points.push(Math.round(2 ** power));
  return [...new Set([...points, chosen, most])].sort((a, b) => a - b);
}

/** What a device holds: weights, cache, and what is left or missing. */
function deviceBar(spec, { cache, weights, device }) {
  const [used, room] = [Number(weights + cache), Number(device)];
  const percent = (value) => `${(100 * Number(value)) / Math.max(used, room)}%`;
  const free = device - weights - cache;
  const end = free < 0n ? `${memory(-free)} more than the device has` : `${memory(free)} free`;
  const label = `${spec.name}: weights ${memory(weights)}, cache ${memory(cache)}, ${end}`;
  const part = (name, value) => h("div", { class: name, style: `width: ${percent(value)}` });
  const bar = h(
    "div",
    { class: "tt-bar", "aria-hidden": true },
    part("tt-c3", weights),
    part("tt-c2", cache),
  );
  bar.append(h("div", { class: "tt-limit", style: `left: ${percent(device)}` }));
  return h("div", { class: free < 0n ? "tt-over" : "" }, h("div", {}, label), bar);
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

  const modelField = selectField("Model", grouped(models), set("model"));
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
  const device = selectField("Device memory", { "": { ...devices, [OWN]: "another" } }, (value) => {
    ownDevice.field.hidden = value !== OWN;
    if (value === OWN) ownDevice.input.focus();
    else commit(model, { device_gb: Number(value) });
  });
  const ownDevice = field("device_gb", "Device, GB", false);
  const bars = h("div", { class: "tt-bars" });
  const facts = h("div", { class: "tt-scroll" });
  let view = null;
  const chart = lineChart({
    label: "Cache by context length",
    onCursor: (i) => commit(model, { seq_len: view.lengths[i] }),
    signal,
  });
  const data = tableOnRequest("Data as a table", tableRows);
  root.append(
    h("div", { class: "tt-fields" }, modelField.field, compareField.field),
    h("div", { class: "tt-fields" }, seqLen.field, batchSize.field),
    h("div", { class: "tt-fields" }, element.field, weight.field, device.field, ownDevice.field),
    bars,
    facts,
    chart.element,
    viewButtons(model, say),
    data.details,
    status,
  );

  function read() {
    const chosen = [choice(model, "model", names), choice(model, "compare", [NOBODY, ...names])];
    const values = numbers();
    return {
      ...values,
      bits_per_element: choice(model, "bits_per_element", BITS),
      bits_per_weight: choice(model, "bits_per_weight", BITS),
      compare: chosen[1],
      specs: [...new Set(chosen)]
        .filter(Boolean)
        .map((name) => models.find((spec) => spec.name === name)),
      device: BigInt(values.device_gb) * 10n ** 9n,
    };
  }

  const cacheOf = (spec, length, sequences) =>
    kvCacheBytes(spec, length, sequences, view.bits_per_element);

  function update() {
    view = read();
    view.lengths = lengths(view.seq_len, within("seq_len").most);
    modelField.select.value = view.specs[0].name;
    compareField.select.value = view.compare;
    seqLen.show(view.seq_len);
    batchSize.show(view.batch_size);
    element.select.value = view.bits_per_element;
    weight.select.value = view.bits_per_weight;
    const listed = DEVICES.includes(view.device_gb);
    if (!listed || device.select.value !== OWN) device.select.value = listed ? view.device_gb : OWN;
    ownDevice.field.hidden = device.select.value !== OWN;
    ownDevice.show(view.device_gb);
    const measured = view.specs.map((spec) => ({
      spec,
      cache: cacheOf(spec, view.seq_len, view.batch_size),
      weights: weightBytes(spec, view.bits_per_weight),
    }));
    bars.replaceChildren(
      ...measured.map(({ spec, ...parts }) => deviceBar(spec, { ...parts, device: view.device })),
    );
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
    const fitting = ({ spec }) => exact(sequencesThatFit(spec, view.device, view.seq_len, ...bits));
    const rows = [
      ["", ...measured.map(({ spec }) => spec.name)],
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
      row(`sequences that fit in ${exact(view.device_gb)} GB`, fitting),
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
        .filter((each) => room(each) > 0)
        .map((each) => ({ name: `room beside ${each.spec.name}`, y: room(each) })),
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

  const keys = [...numberKeys, "model", "compare", "bits_per_element", "bits_per_weight"];
  const release = listen(model, keys, update);
  update();
  return () => {
    for (const end of [release, chart.stop, stopStatus]) end();
  };
}
