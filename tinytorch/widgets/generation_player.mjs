import { lineChart } from "./chart.mjs";
import {
  announcer,
  button,
  checkField,
  commit,
  exact,
  h,
  headingRow,
  integer,
  listen,
  memory,
  mount,
  rounded,
  selectField,
  setAttributes,
  tableOnRequest,
  times,
  viewButtons,
} from "./common.mjs";

const SPEEDS = { 2: "2 tokens/s", 5: "5 tokens/s", 10: "10 tokens/s", 20: "20 tokens/s" };

/** Running sums. */
function sums(values) {
  let total = 0;
  return values.map((value) => (total += value));
}

const duration = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** The cache as a grid of layers by positions, one column a token. */
function cacheGrid(trace) {
  const positions = trace.seq_pos.at(-1);
  const height = Math.min(Math.max(5 * trace.num_layers, 60), 150);
  const column = (className) => h("svg:rect", { class: className, y: 0, height });
  const [prompt, past, fresh] = ["tt-c3", "tt-c2", "tt-c4"].map(column);
  const rows = Array.from({ length: trace.num_layers - 1 }, (_, i) => {
    return `M0 ${((i + 1) * height) / trace.num_layers}H${positions}`;
  });
  const columns = Array.from({ length: positions - 1 }, (_, i) => `M${i + 1} 0V${height}`);
  const lines = h("svg:path", { d: rows.concat(columns).join("") });
  const svg = h(
    "svg:svg",
    {
      class: "tt-cache",
      role: "img",
      viewBox: `0 0 ${positions} ${height}`,
      preserveAspectRatio: "none",
      height,
    },
    prompt,
    past,
    fresh,
    lines,
  );
  const key = (name, text) => h("li", {}, h("span", { class: `tt-box ${name}` }), text);
  const legend = h(
    "ul",
    { class: "tt-legend", "aria-hidden": true },
    key("tt-c3", "the prompt"),
    key("tt-c2", "earlier steps"),
    key("tt-c4", "this step"),
    key("", "free"),
  );
  const title = `Cache: ${trace.num_layers} layers (rows) × ${positions} positions (columns)`;
  const element = h("div", {}, h("div", { class: "tt-axis" }, title), svg, legend);

  function show(step) {
    const filled = trace.seq_pos[step];
    const before = step === 0 ? 0 : trace.seq_pos[step - 1];
    const promptEnd = Math.min(trace.seq_pos[0], before);
    setAttributes(prompt, { x: 0, width: promptEnd });
    setAttributes(past, { x: promptEnd, width: before - promptEnd });
    setAttributes(fresh, { x: before, width: filled - before });
    setAttributes(svg, {
      "aria-label": `${filled} of ${positions} positions are filled in each layer`,
    });
  }
  return { element, show };
}

/** The prompt and what the model wrote, one element a token. */
function tokenText(trace) {
  const prompt = h("span", { class: "tt-prompt" }, trace.prompt);
  const tokens = trace.text.map((text) => h("span", {}, text));
  const element = h("p", { class: "tt-text" }, prompt, ...tokens);
  let current = -1;
  function show(step) {
    for (let i = Math.min(current, step); i <= Math.max(current, step); i += 1) {
      if (i >= 0) tokens[i].className = i > step ? "tt-future" : i === step ? "tt-new" : "";
    }
    current = step;
  }
  for (const token of tokens) token.className = "tt-future";
  return { element, show };
}

/** Work and time, of this step and so far. */
function counters(trace) {
  const cells = new Map();
  const cell = (name) => cells.set(name, h("td")).get(name);
  const row = (heading, name) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, heading),
      cell(`${name} a`),
      cell(`${name} b`),
      cell(`${name} c`),
    );
  const headings = ["", "without a cache", "with a cache", "ratio"];
  const rows = [row("multiply-adds, this step", "step"), row("multiply-adds so far", "total")];
  if (trace.ms_without_cache) rows.push(row("time so far", "time"));
  const head = headingRow(headings);
  const cache = h("p", { class: "tt-note" });
  const element = h(
    "div",
    {},
    h("table", { class: "tt-counters" }, h("thead", {}, head), h("tbody", {}, ...rows)),
    cache,
  );
  const without = sums(trace.operations_without_cache);
  const withCache = sums(trace.operations_with_cache);
  const time = sums(trace.ms);
  const timeWithout = trace.ms_without_cache && sums(trace.ms_without_cache);

  function fill(name, a, b, format) {
    cells.get(`${name} a`).textContent = format(a);
    cells.get(`${name} b`).textContent = format(b);
    cells.get(`${name} c`).textContent = times(a / b);
  }
  function show(step) {
    fill("step", trace.operations_without_cache[step], trace.operations_with_cache[step], rounded);
    fill("total", without[step], withCache[step], rounded);
    if (timeWithout) fill("time", timeWithout[step], time[step], duration);
    const kept = `${exact(trace.seq_pos[step])} tokens, ${memory(trace.cache_bytes[step])} of keys and values`;
    const spent = timeWithout ? "" : `; ${duration(time[step])} so far`;
    cache.textContent = `In the cache: ${kept}${spent}.`;
  }
  return { element, show };
}

function tableRows(trace) {
  const headings = [
    "Step",
    "Token",
    "Tokens cached",
    "Cache, bytes",
    "Without, multiply-adds",
    "With",
    "ms",
  ];
  const rows = trace.text.map((text, i) => [
    String(i),
    JSON.stringify(text),
    exact(trace.seq_pos[i]),
    exact(trace.cache_bytes[i]),
    exact(trace.operations_without_cache[i]),
    exact(trace.operations_with_cache[i]),
    trace.ms[i].toFixed(1),
  ]);
  return [headings, ...rows];
}

/** Move `step` on a timer, but not where nobody sees it. */
function playback({ root, advance, onState, signal }) {
  let timer = null;
  const playing = () => timer !== null;
  function pause() {
    clearTimeout(timer);
    timer = null;
    onState(false);
  }
  function tick() {
    const delay = advance();
    if (delay === null) pause();
    else timer = setTimeout(tick, delay);
  }
  function play(delay) {
    timer = setTimeout(tick, delay);
    onState(true);
  }
  const observer = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting && playing()) pause();
  });
  observer.observe(root);
  const hide = () => document.hidden && playing() && pause();
  document.addEventListener("visibilitychange", hide);
  function stop() {
    clearTimeout(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", hide);
  }
  signal?.addEventListener("abort", stop);
  return { play, pause, playing, stop };
}

export function render({ model, el, signal }) {
  const root = mount(el, "Generation player");
  const { element: status, say, stop: stopStatus } = announcer();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let parts = null;
  let last = 0;

  const step = () => integer(model, "step", { least: 0, most: last, fallback: last });
  const go = (next) => commit(model, { step: Math.min(Math.max(next, 0), last) });
  const delay = () => 1000 / integer(model, "speed", { least: 1, most: 50, fallback: 10 });

  const player = playback({
    root,
    signal,
    advance() {
      if (step() >= last) return null;
      go(step() + 1);
      return step() >= last ? null : delay();
    },
    onState(playing) {
      playButton.textContent = playing ? "Pause" : playText();
    },
  });
  const playText = () => (still.matches ? "Show all" : "Play");
  function toggle() {
    if (player.playing()) return player.pause();
    if (still.matches) return go(last);
    if (step() >= last) go(0);
    return player.play(delay());
  }

  const playButton = button(playText(), toggle, { class: "tt-play" });
  const back = button("◂", () => go(step() - 1), { "aria-label": "Step back" });
  const forward = button("▸", () => go(step() + 1), { "aria-label": "Step forward" });
  const scrubber = h("input", { type: "range", min: 0, "aria-label": "Step" });
  scrubber.addEventListener("input", () => go(Number(scrubber.value)));
  const speed = selectField("Speed", { "": SPEEDS }, (value) =>
    commit(model, { speed: Number(value) }),
  );
  const cumulative = checkField("add up the steps", (checked) =>
    commit(model, { cumulative: checked }),
  );
  const logScale = checkField("logarithmic", (checked) => commit(model, { log_scale: checked }));
  const chart = lineChart({ label: "Multiply-adds, by step", onCursor: go, signal });
  const data = tableOnRequest("Data as a table", () => tableRows(model.get("trace")));
  const stage = h("div", { class: "tt-stage" });
  root.append(
    stage,
    h("div", { class: "tt-row tt-transport" }, playButton, back, scrubber, forward, speed.field),
    chart.element,
    h("div", { class: "tt-row" }, cumulative.field, logScale.field),
    h("p", { class: "tt-note" }, "Keys: Space plays and pauses; arrows, Home and End move."),
    viewButtons(model, say),
    data.details,
    status,
  );

  root.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (
      target.matches("select, summary, .tt-link") ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey
    )
      return;
    if (key === " ") {
      if (target.matches("button, [type=checkbox]")) return;
      event.preventDefault();
      toggle();
      return;
    }
    const places = { ArrowLeft: step() - 1, ArrowRight: step() + 1, Home: 0, End: last };
    if (!(key in places) || target.matches("[type=range], .tt-scroll")) return;
    event.preventDefault();
    go(places[key]);
  });

  function load() {
    const trace = model.get("trace");
    last = trace.text.length - 1;
    parts = [tokenText(trace), cacheGrid(trace), counters(trace)];
    stage.replaceChildren(...parts.map((part) => part.element));
    scrubber.max = last;
    data.refresh();
    drawChart();
  }

  function drawChart() {
    const trace = model.get("trace");
    const add = Boolean(model.get("cumulative"));
    const log = Boolean(model.get("log_scale"));
    cumulative.input.checked = add;
    logScale.input.checked = log;
    const take = add ? sums : (values) => values;
    chart.draw({
      x: trace.seq_pos,
      series: [
        {
          name: add ? "without a cache, ∝ n²" : "without a cache, ∝ n",
          y: take(trace.operations_without_cache),
        },
        {
          name: add ? "with a cache, ∝ n" : "with a cache, nearly level",
          y: take(trace.operations_with_cache),
        },
      ],
      xLabel: "tokens in the text, n",
      yLabel: add ? "{unit}, all steps so far" : "{unit}, this step",
      yUnit: "multiply-adds",
      log,
      format: rounded,
    });
    show();
  }

  function show() {
    const now = step();
    const trace = model.get("trace");
    for (const part of parts) part.show(now);
    chart.reveal(now);
    chart.moveTo(now);
    scrubber.value = now;
    const said = `Step ${now} of ${last}, ${exact(trace.seq_pos[now])} tokens in the cache`;
    setAttributes(scrubber, { "aria-valuetext": said });
    speed.select.value = String(model.get("speed") ?? 10);
    say(said);
  }

  const releases = [
    listen(model, ["trace"], load),
    listen(model, ["cumulative", "log_scale"], drawChart),
    listen(model, ["step", "speed"], show),
  ];
  load();
  return () => {
    for (const end of [...releases, player.stop, chart.stop, stopStatus]) end();
  };
}
