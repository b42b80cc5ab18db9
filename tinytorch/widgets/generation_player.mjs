import { lineChart } from "./chart.mjs";
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
import { bothWays, duration, exact, phrase, phrases, plural, rounded } from "./language.mjs";
import { counters, score, sums, tableRows, totals } from "./player_counters.mjs";
import { cacheGrid } from "./player_grid.mjs";
import { lanes, legend, stepInWords } from "./player_lanes.mjs";
import { onPlaybackKey, playback, stepAt, untilNext, whenSeen } from "./player_playback.mjs";

/** @import { Run, ViewContext } from "./types" */

/**
 * @typedef {object} State
 * @property {Run[]} recordings
 * @property {boolean} autoplay
 * @property {number} recording
 * @property {number} step
 * @property {number} speed tokens a second
 * @property {boolean} real_speed
 * @property {boolean} cumulative
 * @property {boolean} log_scale
 */

const REAL = "real";
const SPEEDS = Object.fromEntries(
  [2, 5, 10, 20].map((n) => [n, phrase("player.tokens_per_second", { n })]),
);
/** @type {Record<string, string>} */
const NAMES = phrases("player.names"); // of the chapter's own recordings
const CLOCK_MS = 100;

/** @param {ViewContext<State>} context */
export function render({ model, el, signal }) {
  const root = mount(el, phrase("player.title"));
  root.classList.add("tt-player");
  const { element: status, say, stop: stopStatus } = announcer();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {Run} */
  let run;
  /** @type {ReturnType<typeof totals>} */
  let total;
  /** @type {ReturnType<typeof lanes>} */
  let text;
  /** @type {{ show(step: number): void }[]} */
  let parts = [];
  let last = 0;
  /** @type {number | null} */
  let clock = null; // of both runs, once they have played at their own speed
  /** @type {number | null} */
  let keptClock = null; // while the view itself sets the step

  const step = () => integer(model, "step", { least: 0, most: last, fallback: 0 });
  const isReal = () => Boolean(model.get("real_speed") && total.timeWithout);
  const delay = () => 1000 / integer(model, "speed", { least: 1, most: 50, fallback: 10 });
  const within = (/** @type {number} */ next) => Math.min(Math.max(next, 0), last);

  /**
   * Set the step and the clock; whoever else sets the step lets both runs stand where it ended.
   *
   * @param {number} next
   * @param {number | null} [time]
   */
  function move(next, time = null) {
    clock = keptClock = time;
    if (next === step()) show();
    else commit(model, { step: next });
    keptClock = null;
  }

  const pause = () => player.playing() && player.pause();

  /**
   * Go where the reader wants to be.
   *
   * @param {number} next
   */
  function go(next) {
    pause();
    move(within(next));
  }

  function advanceEvenly() {
    move(within(step() + 1));
    return step() >= last ? null : delay();
  }

  let started = 0;
  function advanceByClock() {
    const ends = [total.time, total.timeWithout ?? []];
    const time = performance.now() - started;
    move(Math.max(stepAt(total.time, time), 0), time);
    return ends.every((each) => time >= each[last]) ? null : untilNext(ends, time, CLOCK_MS);
  }

  const player = playback({
    root,
    signal,
    advance: () => (isReal() ? advanceByClock() : advanceEvenly()),
    onState(playing) {
      playButton.textContent = playing ? phrase("common.pause") : playText();
    },
  });
  const playText = () => (still.matches ? phrase("player.show_all") : phrase("common.play"));
  function play() {
    if (!isReal()) {
      if (step() >= last) move(0);
      return player.play(delay());
    }
    const end = total.timeWithout?.[last] ?? 0;
    const isOver = clock !== null && clock >= end && step() >= last;
    if (isOver || (clock === null && (step() === 0 || step() >= last))) clock = 0;
    started = performance.now() - (clock ?? total.time[step()]);
    return player.play(0);
  }
  function toggle() {
    if (player.playing()) return player.pause();
    return still.matches ? go(last) : play();
  }

  const playButton = button(playText(), toggle, { class: "tt-play" });
  const back = button("◂", () => go(step() - 1), { "aria-label": phrase("player.back") });
  const forward = button("▸", () => go(step() + 1), { "aria-label": phrase("player.forward") });
  const scrubber = h("input", { type: "range", min: 0, "aria-label": phrase("player.step") });
  scrubber.addEventListener("input", () => go(Number(scrubber.value)));
  const controls = h("div", { class: "tt-row" });
  /** @type {ReturnType<typeof selectField>} */
  let speed;
  /** @type {ReturnType<typeof selectField>} */
  let choice;

  /** The fields whose choices depend on the runs. */
  function makeControls() {
    const speeds = total.timeWithout ? { ...SPEEDS, [REAL]: phrase("player.real_speed") } : SPEEDS;
    speed = selectField(phrase("player.speed"), { "": speeds }, (value) => {
      pause();
      commit(model, value === REAL ? { real_speed: true } : evenSpeed(Number(value)));
    });
    const runs = model.get("recordings");
    const names = Object.fromEntries(runs.map(({ name }, i) => [i, NAMES[name] ?? name]));
    choice = selectField(phrase("player.recording"), { "": names }, (value) => {
      pause();
      commit(model, { step: 0, recording: Number(value) });
    });
    controls.replaceChildren(...(runs.length > 1 ? [choice.field, speed.field] : [speed.field]));
  }
  const evenSpeed = (/** @type {number} */ value) => ({ real_speed: false, speed: value });

  const cumulative = checkField(phrase("player.add_up"), (checked) =>
    commit(model, { cumulative: checked }),
  );
  const logScale = checkField(phrase("common.logarithmic"), (checked) =>
    commit(model, { log_scale: checked }),
  );
  const chart = lineChart({ label: phrase("player.chart"), onCursor: go, signal });
  const data = tableOnRequest(() => tableRows(run));
  const stage = h("div", { class: "tt-stage" });
  const more = h("div", { class: "tt-stage" });
  const words = h("p", { class: "tt-words" });
  root.append(
    stage,
    h("div", { class: "tt-row tt-transport" }, playButton, back, scrubber, forward),
    words,
    controls,
    legend(),
    more,
    chart.element,
    h("div", { class: "tt-row" }, cumulative.field, logScale.field),
    h("p", { class: "tt-note" }, phrase("common.playback_keys")),
    viewButtons(model, say),
    data.details,
    status,
  );
  const keys = { toggle, pause, go, step, last: () => last };
  root.addEventListener("keydown", (event) => onPlaybackKey(event, keys));

  function load() {
    const runs = model.get("recordings");
    const most = runs.length - 1;
    const chosen = integer(model, "recording", { least: 0, most, fallback: 0 });
    run = runs[chosen];
    total = totals(run);
    last = run.text.length - 1;
    clock = null;
    const onRead = (/** @type {string | null} */ said) => {
      words.textContent = said ?? summary();
    };
    const options = { onPick: go, onRead, still };
    text = lanes(run, options);
    const [lead, grid, table] = [score(run, total), cacheGrid(run, options), counters(run, total)];
    parts = [lead, grid, table];
    stage.replaceChildren(lead.element, text.element);
    more.replaceChildren(grid.element, table.element);
    makeControls();
    choice.select.value = String(chosen);
    scrubber.max = String(last);
    data.refresh();
    drawChart();
  }

  function drawChart() {
    const add = Boolean(model.get("cumulative"));
    const log = Boolean(model.get("log_scale"));
    cumulative.input.checked = add;
    logScale.input.checked = log;
    const take = (/** @type {number[]} */ values) => (add ? sums(values) : values);
    const [without, withCache] = bothWays();
    chart.draw({
      x: run.seq_pos,
      series: [
        { name: without, state: "again", y: take(run.operations_without_cache) },
        { name: withCache, state: "kept", y: take(run.operations_with_cache) },
      ],
      xLabel: phrase("common.tokens_in_the_text"),
      yLabel: (unit) => (add ? phrase("player.y_total", { unit }) : phrase("player.y", { unit })),
      yUnit: phrase("common.multiply_adds"),
      log,
      format: rounded,
    });
    show();
  }

  /** What both clocks show at real speed: that at which the run with a cache stands. */
  const shownTime = () => clock ?? total.time[step()];

  /** Show each lane where it is: at the same step, or at the same time. */
  function showLanes() {
    for (const { lane, ends } of [
      { lane: text.without, ends: total.timeWithout },
      { lane: text.withCache, ends: total.time },
    ]) {
      const timed = isReal() ? ends : null;
      const at = timed ? stepAt(timed, shownTime()) : step();
      const ms = timed ? Math.min(shownTime(), timed[last]) : ends?.[at];
      const place = { at: at + 1, all: last + 1 };
      lane.show(
        at,
        ms === undefined
          ? phrase("player.place", place)
          : phrase("player.place_after", { ...place, time: duration(ms) }),
      );
    }
  }

  function summary() {
    if (!isReal()) return stepInWords(run, step());
    const all = [total.timeWithout ?? [], total.time];
    const [without, withCache] = all.map((ends) => stepAt(ends, shownTime()) + 1);
    const found = { time: duration(shownTime()), without: exact(without) };
    return plural("player.after", withCache, found);
  }

  function show() {
    const now = step();
    for (const part of parts) part.show(now);
    showLanes();
    words.textContent = summary();
    chart.reveal(now);
    chart.moveTo(now);
    scrubber.value = String(now);
    const tokens = exact(run.seq_pos[now]);
    const said = phrase("player.said", { step: now, last, tokens });
    setAttributes(scrubber, { "aria-valuetext": said });
    speed.select.value = isReal() ? REAL : String(model.get("speed") ?? 10);
    say(said);
  }

  const releases = [
    listen(model, ["recordings", "recording"], load),
    listen(model, ["cumulative", "log_scale"], drawChart),
    listen(model, ["step", "speed", "real_speed"], () => {
      clock = keptClock;
      show();
    }),
  ];
  load();
  if (model.get("autoplay") && !still.matches) {
    const start = () => step() === 0 && !player.playing() && play();
    releases.push(whenSeen({ root, seen: stage, start, signal }));
  }
  return () => {
    for (const end of [...releases, player.stop, chart.stop, stopStatus]) end();
  };
}
