import { lineChart } from "./chart.mjs";
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
  rounded,
  selectField,
  setAttributes,
  tableOnRequest,
  viewButtons,
} from "./common.mjs";
import { counters, duration, score, sums, tableRows, totals } from "./player_counters.mjs";
import { cacheGrid } from "./player_grid.mjs";
import { lanes, legend, stepInWords } from "./player_lanes.mjs";
import { onPlaybackKey, playback, stepAt, untilNext, whenSeen } from "./player_playback.mjs";

const REAL = "real";
const SPEEDS = { 2: "2 tokens/s", 5: "5 tokens/s", 10: "10 tokens/s", 20: "20 tokens/s" };
const CLOCK_MS = 100;

export function render({ model, el, signal }) {
  const root = mount(el, "Generation player");
  root.classList.add("tt-player");
  const { element: status, say, stop: stopStatus } = announcer();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let run = null;
  let total = null;
  let text = null;
  let parts = [];
  let last = 0;
  let clock = null; // of both runs, once they have played at their own speed
  let keptClock = null; // while the view itself sets the step

  const step = () => integer(model, "step", { least: 0, most: last, fallback: 0 });
  const isReal = () => Boolean(model.get("real_speed") && total.timeWithout);
  const delay = () => 1000 / integer(model, "speed", { least: 1, most: 50, fallback: 10 });
  const within = (next) => Math.min(Math.max(next, 0), last);

  /** Set the step and the clock; whoever else sets the step lets both runs stand where it ended. */
  function move(next, time = null) {
    clock = keptClock = time;
    if (next === step()) show();
    else commit(model, { step: next });
    keptClock = null;
  }

  const pause = () => player.playing() && player.pause();

  /** Go where the reader wants to be. */
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
    const time = performance.now() - started;
    move(Math.max(stepAt(total.time, time), 0), time);
    return clock >= total.time[last] && clock >= total.timeWithout[last]
      ? null
      : untilNext([total.time, total.timeWithout], clock, CLOCK_MS);
  }

  const player = playback({
    root,
    signal,
    advance: () => (isReal() ? advanceByClock() : advanceEvenly()),
    onState(playing) {
      playButton.textContent = playing ? "Pause" : playText();
    },
  });
  const playText = () => (still.matches ? "Show all" : "Play");
  function play() {
    if (!isReal()) {
      if (step() >= last) move(0);
      return player.play(delay());
    }
    const isOver = clock >= total.timeWithout[last] && step() >= last;
    if (isOver || (clock === null && (step() === 0 || step() >= last))) clock = 0;
    started = performance.now() - (clock ?? total.time[step()]);
    return player.play(0);
  }
  function toggle() {
    if (player.playing()) return player.pause();
    return still.matches ? go(last) : play();
  }

  const playButton = button(playText(), toggle, { class: "tt-play" });
  const back = button("◂", () => go(step() - 1), { "aria-label": "Step back" });
  const forward = button("▸", () => go(step() + 1), { "aria-label": "Step forward" });
  const scrubber = h("input", { type: "range", min: 0, "aria-label": "Step" });
  scrubber.addEventListener("input", () => go(Number(scrubber.value)));
  const controls = h("div", { class: "tt-row" });
  let speed = null;
  let choice = null;

  /** The fields whose choices depend on the runs. */
  function makeControls() {
    const speeds = total.timeWithout ? { ...SPEEDS, [REAL]: "real speed" } : SPEEDS;
    speed = selectField("Speed", { "": speeds }, (value) => {
      pause();
      commit(model, value === REAL ? { real_speed: true } : evenSpeed(Number(value)));
    });
    const runs = model.get("recordings");
    const names = Object.fromEntries(runs.map(({ name }, i) => [i, name]));
    choice = selectField("Recording", { "": names }, (value) => {
      pause();
      commit(model, { step: 0, recording: Number(value) });
    });
    controls.replaceChildren(...(runs.length > 1 ? [choice.field, speed.field] : [speed.field]));
  }
  const evenSpeed = (value) => ({ real_speed: false, speed: value });

  const cumulative = checkField("add up the steps", (checked) =>
    commit(model, { cumulative: checked }),
  );
  const logScale = checkField("logarithmic", (checked) => commit(model, { log_scale: checked }));
  const chart = lineChart({ label: "Multiply-adds, by step", onCursor: go, signal });
  const data = tableOnRequest("Data as a table", () => tableRows(run));
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
    h("p", { class: "tt-note" }, "Keys: Space plays and pauses; arrows, Home and End move."),
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
    const read = (said) => (words.textContent = said ?? summary());
    const options = { onPick: go, onRead: read, still };
    text = lanes(run, options);
    const [lead, grid, table] = [score(run, total), cacheGrid(run, options), counters(run, total)];
    parts = [lead, grid, table];
    stage.replaceChildren(lead.element, text.element);
    more.replaceChildren(grid.element, table.element);
    makeControls();
    choice.select.value = String(chosen);
    scrubber.max = last;
    data.refresh();
    drawChart();
  }

  function drawChart() {
    const add = Boolean(model.get("cumulative"));
    const log = Boolean(model.get("log_scale"));
    cumulative.input.checked = add;
    logScale.input.checked = log;
    const take = add ? sums : (values) => values;
    chart.draw({
      x: run.seq_pos,
      series: [
        { name: "without a cache", state: "again", y: take(run.operations_without_cache) },
        { name: "with a cache", state: "kept", y: take(run.operations_with_cache) },
      ],
      xLabel: "tokens in the text",
      yLabel: add ? "{unit}, all steps so far" : "{unit}, this step",
      yUnit: "multiply-adds",
      log,
      format: rounded,
    });
    show();
  }

  /** What both clocks show at real speed: that at which the run with a cache stands. */
  const shownTime = () => clock ?? total.time[step()];

  /** Show each lane where it is: at the same step, or at the same time. */
  function showLanes() {
    for (const [lane, ends] of [
      [text.without, total.timeWithout],
      [text.withCache, total.time],
    ]) {
      const at = isReal() ? stepAt(ends, shownTime()) : step();
      const ms = isReal() ? Math.min(shownTime(), ends[last]) : ends?.[at];
      const spent = ms === undefined ? "" : `, ${duration(ms)}`;
      lane.show(at, `${at + 1} of ${last + 1} new tokens${spent}`);
    }
  }

  function summary() {
    if (!isReal()) return stepInWords(run, step());
    const [without, withCache] = [total.timeWithout, total.time].map(
      (ends) => stepAt(ends, shownTime()) + 1,
    );
    const tokens = withCache === 1 ? "token" : "tokens";
    return `After ${duration(shownTime())}: ${exact(withCache)} ${tokens} with a cache, ${exact(without)} without one.`;
  }

  function show() {
    const now = step();
    for (const part of parts) part.show(now);
    showLanes();
    words.textContent = summary();
    chart.reveal(now);
    chart.moveTo(now);
    scrubber.value = now;
    const said = `Step ${now} of ${last}, ${exact(run.seq_pos[now])} tokens in the cache`;
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
