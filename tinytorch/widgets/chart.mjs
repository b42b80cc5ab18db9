import { h, setAttributes } from "./common.mjs";
import { exact, phrase, tickText } from "./language.mjs";

/** @import { Attributes, ChartData, Series } from "./types" */

const HEIGHT = 250;
const MARGIN = { left: 58, right: 14, top: 10, bottom: 46 };
const DASHES = ["none", "7 4", "2 3", "9 3 2 3"];
/** @type {[size: number, named: (unit: string) => string][]} */
const SCALES = [
  [1e12, (unit) => phrase("chart.trillion", { unit })],
  [1e9, (unit) => phrase("chart.billion", { unit })],
  [1e6, (unit) => phrase("chart.million", { unit })],
];

/**
 * Round numbers from `bottom` to `top`, about `most` of them.
 *
 * @param {number} bottom
 * @param {number} top
 * @param {number} most
 */
export function linearTicks(bottom, top, most) {
  const rough = (top - bottom || 1) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const [first, last] = [Math.ceil(bottom / step - 1e-9), Math.floor(top / step + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/**
 * @param {number} bottom
 * @param {number} top
 * @param {number} most
 */
function logTicks(bottom, top, most) {
  const first = Math.ceil(Math.log10(bottom) - 1e-9);
  const last = Math.floor(Math.log10(top) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / most));
  /** @type {number[]} */
  const ticks = [];
  for (let power = first; power <= last; power += every) ticks.push(10 ** power);
  return ticks;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const powerOfTen = (/** @type {number} */ value) => {
  const power = Math.round(Math.log10(value));
  const digits = [...String(Math.abs(power))].map((digit) => SUPERSCRIPTS[Number(digit)]).join("");
  return power === 0 ? "1" : `10${power < 0 ? "⁻" : ""}${digits}`;
};

/**
 * A scale from values to pixels, and its ticks.
 *
 * @param {number[]} values
 * @param {number} from
 * @param {number} to
 * @param {{ log?: boolean, most: number, zero: boolean }} options
 */
function scale(values, from, to, { log, most, zero }) {
  const top = Math.max(...values);
  if (log) {
    const bottom = Math.min(...values.filter((value) => value > 0));
    const low = Math.log10(bottom);
    const span = Math.log10(top) - low || 1;
    const place = (/** @type {number} */ value) =>
      from + ((Math.log10(Math.max(value, bottom)) - low) / span) * (to - from);
    return { place, ticks: logTicks(bottom, top, most) };
  }
  const bottom = zero ? 0 : Math.min(...values);
  const span = top - bottom || 1;
  const place = (/** @type {number} */ value) => from + ((value - bottom) / span) * (to - from);
  return { place, ticks: linearTicks(bottom, top, most) };
}

/**
 * The class of a line's colour: of the state that it shows, or the next of the series' colours.
 *
 * @param {Series} series
 * @param {number} i
 */
const colour = ({ state }, i) => (state ? `tt-${state}` : `tt-c${i + 1}`);

/**
 * A chart of lines over a common x. A cursor reads values; `onCursor` is told where a press or a key
 * puts it, and a mouse that only hovers leaves it there.
 *
 * @param {object} options
 * @param {string} options.label
 * @param {(index: number) => void} [options.onCursor]
 * @param {AbortSignal} [options.signal]
 */
export function lineChart({ label, onCursor, signal }) {
  const grid = h("svg:g", { class: "tt-grid" });
  const paths = h("svg:g", { class: "tt-lines" });
  const rule = h("svg:line", { class: "tt-rule" });
  const dots = h("svg:g");
  const svg = h(
    "svg:svg",
    { role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0, height: HEIGHT },
    grid,
    paths,
    rule,
    dots,
  );
  const yTitle = h("div", { class: "tt-axis" });
  const legend = h("ul", { class: "tt-legend" });
  const element = h("div", { class: "tt-plot" }, legend, yTitle, svg);
  /** @type {ChartData | null} */
  let data = null;
  /** @type {{ xs: number[], points: number[][][] } | null} */
  let pixels = null;
  let index = 0;
  let place = h("li"); // of the cursor, in the legend
  /** @type {HTMLElement[]} */
  let values = [];
  let shown = Number.POSITIVE_INFINITY;

  function draw(/** @type {ChartData} */ next) {
    data = next;
    place = h("li");
    values = next.series.map(() => h("strong"));
    const keys = next.series.map((series, i) => {
      const line = { x1: 1, x2: 27, y1: 6, y2: 6, "stroke-dasharray": DASHES[i] };
      const key = h("svg:svg", {
        class: `tt-key ${colour(series, i)}`,
        width: 28,
        height: 12,
        "aria-hidden": true,
      });
      key.append(h("svg:line", line));
      return h("li", {}, key, h("span", {}, series.name), values[i]);
    });
    const limits = (next.limits ?? []).map(({ name, of }) => {
      const line = h("svg:line", { class: `tt-limit tt-c${of + 1}`, x2: 28, y1: 6, y2: 6 });
      const key = { class: "tt-key", width: 28, height: 12, "aria-hidden": true };
      return h("li", {}, h("svg:svg", key, line), h("span", {}, name));
    });
    legend.replaceChildren(place, ...keys, ...limits);
    paint();
  }

  function paint() {
    const { width } = svg.getBoundingClientRect();
    if (!data || !width) return;
    const { log } = data;
    setAttributes(svg, { viewBox: `0 0 ${width} ${HEIGHT}` });
    const ys = data.series.map((series) => series.y.map(Number));
    const levels = data.limits ?? [];
    const all = [...ys.flat(), ...levels.map((level) => level.y)].filter(Number.isFinite);
    const { yUnit } = data;
    const [divisor, named] = (!log && SCALES.find(([size]) => Math.max(...all) >= size)) || [1];
    yTitle.textContent = data.yLabel(named ? named(yUnit) : yUnit);
    const y = scale(all, HEIGHT - MARGIN.bottom, MARGIN.top, {
      log: data.log,
      most: 5,
      zero: true,
    });
    const most = Math.max(3, Math.floor(width / 90));
    const x = scale(data.x, MARGIN.left, width - MARGIN.right, {
      log: data.xLog,
      most,
      zero: false,
    });
    const base = HEIGHT - MARGIN.bottom;
    const right = width - MARGIN.right;
    const text = (/** @type {Attributes} */ props, /** @type {string} */ content) =>
      h("svg:text", props, content);
    const yText = (/** @type {number} */ tick) =>
      log ? powerOfTen(tick) : tickText(tick / divisor);
    grid.replaceChildren(
      ...y.ticks.flatMap((tick) => {
        const at = y.place(tick);
        return [
          h("svg:line", { x1: MARGIN.left, x2: right, y1: at, y2: at }),
          text({ x: MARGIN.left - 7, y: at + 4, "text-anchor": "end" }, yText(tick)),
        ];
      }),
      ...x.ticks.map((tick) => {
        const anchor = x.place(tick) > right - 25 ? "end" : "middle";
        return text({ x: x.place(tick), y: base + 18, "text-anchor": anchor }, exact(tick));
      }),
      text({ x: (MARGIN.left + right) / 2, y: HEIGHT - 5, "text-anchor": "middle" }, data.xLabel),
    );
    const xs = data.x.map((value) => x.place(value));
    pixels = { xs, points: ys.map((row) => row.map((value, i) => [xs[i], y.place(value)])) };
    const lines = data.series.map((series, i) =>
      h("svg:polyline", { class: colour(series, i), "stroke-dasharray": DASHES[i] }),
    );
    const limits = levels.map(({ y: value, of }) => {
      const at = y.place(value);
      const place = { x1: MARGIN.left, x2: right, y1: at, y2: at };
      return h("svg:line", { class: `tt-limit tt-c${of + 1}`, ...place });
    });
    paths.replaceChildren(...lines, ...limits);
    const ends = { y1: MARGIN.top, y2: base };
    setAttributes(rule, ends);
    dots.replaceChildren(
      ...data.series.map((series, i) => h("svg:circle", { class: colour(series, i), r: 4.5 })),
    );
    setAttributes(svg, { "aria-valuemax": data.x.length - 1 });
    reveal(shown);
    moveTo(Math.min(index, data.x.length - 1));
  }

  /**
   * Draw the lines up to a point only.
   *
   * @param {number} lastIndex
   */
  function reveal(lastIndex) {
    shown = lastIndex;
    if (!pixels) return;
    pixels.points.forEach((points, i) => {
      paths.children[i].setAttribute("points", points.slice(0, lastIndex + 1).join(" "));
    });
  }

  /**
   * Put the cursor on a point.
   *
   * @param {number} next
   */
  function moveTo(next) {
    index = next;
    read(index);
  }

  /**
   * Write a point's values into the legend.
   *
   * @param {number} point
   */
  function read(point) {
    if (!pixels || !data) return;
    const { points, xs } = pixels;
    const { format, x, xLabel } = data;
    setAttributes(rule, { x1: xs[point], x2: xs[point] });
    const said = data.series.map(({ name, y }, i) => {
      const [cx, cy] = points[i][point];
      setAttributes(dots.children[i], { cx, cy });
      const value = format(y[point]);
      values[i].textContent = value;
      return `${name}: ${value}`;
    });
    const at = `${xLabel}: ${exact(x[point])}`;
    place.textContent = phrase("chart.at", { x: exact(x[point]) });
    setAttributes(svg, { "aria-valuenow": point, "aria-valuetext": `${at}. ${said.join(". ")}` });
  }

  function choose(/** @type {number} */ next) {
    if (!data) return;
    moveTo(Math.min(Math.max(next, 0), data.x.length - 1));
    onCursor?.(index);
  }

  function nearest(/** @type {PointerEvent} */ event) {
    const at = event.clientX - svg.getBoundingClientRect().left;
    const distances = (pixels?.xs ?? []).map((x) => Math.abs(x - at));
    return distances.indexOf(Math.min(...distances));
  }

  svg.addEventListener("pointermove", (event) => {
    if (event.buttons) choose(nearest(event));
    else if (event.pointerType === "mouse") read(nearest(event));
  });
  svg.addEventListener("pointerdown", (event) => choose(nearest(event)));
  svg.addEventListener("pointerleave", () => read(index));
  svg.addEventListener("keydown", (event) => {
    /** @type {Record<string, number>} */
    const moves = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageUp: 10,
      PageDown: -10,
    };
    /** @type {Record<string, number>} */
    const ends = { Home: 0, End: data ? data.x.length - 1 : 0 };
    if (!(event.key in moves) && !(event.key in ends)) return;
    event.preventDefault();
    event.stopPropagation();
    choose(ends[event.key] ?? index + moves[event.key]);
  });
  const observer = new ResizeObserver(paint);
  observer.observe(svg);
  const stop = () => observer.disconnect();
  signal?.addEventListener("abort", stop);
  return { element, draw, reveal, moveTo, stop, svg };
}
