import { cards } from "./cards.mjs";
import {
  announcer,
  button,
  choice,
  commit,
  h,
  integers,
  listen,
  mount,
  selectField,
  setAttributes,
  tableOnRequest,
  viewButtons,
  write,
} from "./common.mjs";
import { exact, phrase, phrases } from "./language.mjs";
import { onPlaybackKey, playback } from "./player_playback.mjs";
import { distributions, memoryChart } from "./server_charts.mjs";
import { CHECKS, controls, SETTINGS } from "./server_controls.mjs";
import { timeText } from "./server_drawing.mjs";
import { challenge, numbersTable, requestRows } from "./server_numbers.mjs";
import { pictures } from "./server_pictures.mjs";
import { batch } from "./server_pool.mjs";
import { ServerSimulation } from "./server_simulation.mjs";
import { summarize } from "./server_summary.mjs";
import { passAt, timeline } from "./server_timeline.mjs";
import {
  POLICIES,
  POLICY_NAMES,
  passInWords,
  serverOf,
  settingsReader,
  standing,
} from "./server_view.mjs";
import { serverWorkload } from "./server_workload.mjs";

/** @import { Summary } from "./server_summary.mjs" */
/** @import { KeyOf, ServerSettings, ServerState, ViewContext } from "./types" */

/**
 * How to go on with the policies that were not run yet.
 *
 * @typedef {object} Comparison
 * @property {(policy: string) => ServerSimulation} simulate
 * @property {number} start when this stretch of work began, ms
 * @property {string} chosen
 */

const PLAYED_S = 15; // of the reader's time, for a whole run
const TICK_MS = 50;
const PATIENCE_MS = 40;

const MOST_PLACES = 16; // of a batch, that are drawn
/** @type {Record<string, string>} */
const SCENARIOS = phrases("server.scenarios");
/** @type {Record<string, string>} */
const TEXTS = phrases("server.texts");
/** @type {Record<string, string>} */
const HINTS = phrases("server.hints");

const rateOf = (/** @type {Summary | null} */ summary) =>
  summary ? exact(Math.round(summary.tokens_per_second)) : "…";

/** @param {ViewContext<ServerState>} context */
export function render({ model, el, signal }) {
  const root = mount(el, phrase("server.title"));
  root.classList.add("tt-server", "tt-player");
  const { element: status, say, stop: stopStatus } = announcer();
  const { keys, within, values: numbers } = integers(model);
  const [models, devices] = [model.get("models"), model.get("devices")];
  const scenarios = model.get("scenarios");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {Record<string, Summary | null>} */
  let summaries = {}; // by policy, null for those not run yet
  /** @type {ServerSimulation} */
  let run; // of the chosen policy, at its end
  /** @type {ReturnType<typeof standing>} */
  let go; // to a pass of it
  let clock = 0; // of the run, while it plays

  const last = () => Math.max(run.passes.length - 1, 0);
  const step = () => Math.min(numbers().step, last());
  const selected = () => Math.min(numbers().selected, run.requests.length - 1);

  const viewOf = settingsReader({ keys, models, devices });
  function read() {
    /** @type {(key: KeyOf<ServerSettings>) => unknown} */
    const given = (key) => {
      const isOn = CHECKS.some((check) => check === key);
      return isOn ? Boolean(model.get(key)) : model.get(key);
    };
    /** @type {Partial<Record<KeyOf<ServerSettings>, number>>} */
    const valid = numbers();
    return viewOf((key) => valid[key] ?? given(key));
  }

  /** @type {Map<string, Summary>} */
  const numbersToBeat = new Map();
  /**
   * What a scenario's own settings reach.
   *
   * @param {string} name
   */
  function toBeat(name) {
    let summary = numbersToBeat.get(name);
    if (!summary) {
      const { values } = scenarios[name];
      const view = viewOf((key) => values[key]);
      const server = serverOf(view, view.policy);
      summary = summarize(new ServerSimulation(serverWorkload(view), server).run());
      numbersToBeat.set(name, summary);
    }
    return summary;
  }

  // The controls that lead

  const scenarioButtons = Object.entries(scenarios).map(([name, { values }]) => {
    const element = button(SCENARIOS[name], () => {
      pause();
      commit(model, { scenario: name, ...values, selected: -1 });
    });
    return { name, element };
  });
  const [sentence, goal] = [h("p"), h("p", { class: "tt-goal" })];
  const policies = cards(phrase("server.cards"), POLICY_NAMES, (policy) => {
    pause();
    commit(model, { policy });
  });

  // The run, and where it stands

  /** @type {(index: number, request: number | null) => void} */
  const pick = (index, request) => {
    pause();
    commit(model, { step: index, ...(request === null ? {} : { selected: request }) });
  };
  const choose = (/** @type {number} */ request) => commit(model, { selected: request });
  const line = timeline({ onPick: pick, signal });
  const player = playback({
    root,
    signal,
    advance: tick,
    onState: (playing) => write(playButton, playing ? phrase("common.pause") : playText()),
  });
  const playText = () => (still.matches ? phrase("server.to_the_end") : phrase("common.play"));
  const pause = () => player.playing() && player.pause();
  function goTo(/** @type {number} */ next) {
    pause();
    commit(model, { step: Math.min(Math.max(next, 0), last()) });
  }
  function tick() {
    clock += ((TICK_MS / 1000) * run.now) / PLAYED_S;
    commit(model, { step: passAt(run.passes, clock) });
    return clock >= run.now ? null : TICK_MS;
  }
  function toggle() {
    if (player.playing()) return player.pause();
    if (still.matches) return goTo(last());
    clock = step() >= last() ? 0 : (run.passes[step()]?.start ?? 0);
    return player.play(0);
  }
  const playButton = button(playText(), toggle, { class: "tt-play" });
  const back = button("◂", () => goTo(step() - 1), { "aria-label": phrase("server.back") });
  const forward = button("▸", () => goTo(step() + 1), { "aria-label": phrase("server.forward") });
  const scrubber = h("input", { type: "range", min: 0, "aria-label": phrase("server.pass") });
  scrubber.addEventListener("input", () => goTo(Number(scrubber.value)));
  const words = h("p", { class: "tt-words" });
  const rows = batch({ onPick: choose });
  const drawn = pictures({ onPick: choose, signal, say });
  const owner = selectField(phrase("server.mark"), {}, (value) => choose(Number(value)));
  const times = distributions({ signal });
  const memoryTime = memoryChart({ signal });
  const allNumbers = numbersTable();
  const settings = controls({
    model,
    within,
    names: { model: models.map(({ name }) => name), device: devices.map(({ name }) => name) },
  });
  const data = tableOnRequest(() => requestRows(run));
  /** @type {(text: string, ...parts: Element[]) => Element} */
  const titled = (text, ...parts) =>
    h("div", { class: "tt-stack" }, h("strong", {}, text), ...parts);
  root.append(
    h("div", { class: "tt-row tt-scenarios" }, ...scenarioButtons.map(({ element }) => element)),
    h("div", {}, sentence, goal),
    policies.field,
    line.element,
    h("div", { class: "tt-row tt-transport" }, playButton, back, scrubber, forward),
    words,
    settings.element,
    memoryTime.element,
    h("div", { class: "tt-pair" }, titled(phrase("server.this_pass"), rows.element), drawn.element),
    drawn.words,
    h("div", { class: "tt-row" }, owner.field),
    drawn.table,
    titled(phrase("server.times"), times.element),
    allNumbers.element,
    h("p", { class: "tt-note" }, phrase("server.clock")),
    h("p", { class: "tt-note" }, phrase("common.playback_keys")),
    viewButtons(model, say),
    data.details,
    status,
  );
  root.addEventListener("keydown", (event) =>
    onPlaybackKey(event, { toggle, pause, go: goTo, step, last }),
  );

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later; // when the other policies go on, after a run that took long
  /** Serve the requests anew: with the chosen policy, then with the others beside it. */
  function update() {
    clearTimeout(later);
    const start = performance.now();
    const view = read();
    const arrivals = serverWorkload(view);
    const simulate = (/** @type {string} */ policy) =>
      new ServerSimulation(arrivals, serverOf(view, policy)).run();
    run = simulate(view.policy);
    summaries = Object.fromEntries(POLICIES.map((policy) => [policy, null]));
    const summary = summarize(run);
    summaries[view.policy] = summary;
    go = standing(arrivals, serverOf(view, view.policy));
    policies.check(view.policy);
    settings.show(view);
    showScenario(summary);
    showRun(summary);
    show();
    const others = POLICIES.filter((policy) => policy !== view.policy);
    compare(others, { simulate, start, chosen: view.policy });
    const policy = POLICY_NAMES[view.policy];
    say(phrase("server.said", { policy, rate: rateOf(summary) }));
  }

  /**
   * Run policies until a reader would notice, and the rest in a moment.
   *
   * @param {string[]} waiting
   * @param {Comparison} comparison
   */
  function compare(waiting, { simulate, start, chosen }) {
    while (waiting.length && performance.now() - start < PATIENCE_MS) {
      const [policy] = waiting.splice(0, 1);
      summaries[policy] = summarize(simulate(policy));
    }
    for (const policy of POLICIES) {
      const summary = summaries[policy];
      const first = summary ? timeText(summary.ttft_p50) : "…";
      policies.show(policy, rateOf(summary), phrase("server.first_token", { time: first }));
    }
    allNumbers.show(summaries, chosen);
    setAttributes(policies.field, { "aria-busy": waiting.length ? "true" : null });
    const goOn = () => compare(waiting, { simulate, start: performance.now(), chosen });
    if (waiting.length) later = setTimeout(goOn);
  }

  function showRun(/** @type {Summary} */ summary) {
    line.draw(run);
    line.describe(summary);
    times.draw(run);
    memoryTime.draw(run);
    rows.draw(Math.min(run.server.max_running, run.requests.length, MOST_PLACES));
    drawn.draw(run.server.num_blocks);
    const requests = [...run.requests.keys()].map((i) => h("option", { value: i }, String(i)));
    const nobody = h("option", { value: -1 }, phrase("server.nobody"));
    owner.select.replaceChildren(nobody, ...requests);
    setAttributes(scrubber, { max: last() });
    data.refresh();
  }

  function showScenario(/** @type {Summary} */ summary) {
    const name = choice(model, "scenario", Object.keys(scenarios));
    for (const { name: each, element } of scenarioButtons) {
      setAttributes(element, { "aria-pressed": String(each === name) });
    }
    write(sentence, TEXTS[name]);
    const { metric } = scenarios[name];
    write(goal, challenge({ metric, hint: HINTS[name] }, toBeat(name), summary));
  }

  /** Show the pass where the view stands. */
  function show() {
    const [index, request] = [step(), selected()];
    const { simulation, step: now } = go(index);
    const longest = Math.max(...run.requests.map(({ maxCached }) => maxCached));
    line.move(index);
    line.select(request);
    memoryTime.move(index);
    rows.show(simulation, now, longest, request);
    drawn.show(simulation, now, { selected: request, longest });
    owner.select.value = String(request);
    write(words, passInWords(run, index));
    scrubber.value = String(index);
    const place = { pass: exact(index + 1), passes: exact(last() + 1) };
    const said = phrase("server.said_pass", place);
    setAttributes(scrubber, { "aria-valuetext": said });
    say(said);
  }

  let isAsked = false;
  /** Changes that come together make one simulation. */
  function ask() {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(() => {
      isAsked = false;
      update();
    });
  }
  /** @type {KeyOf<ServerSettings>[]} */
  const shownAlone = ["step", "selected"];
  const others = keys.filter((key) => !shownAlone.includes(key));
  const releases = [
    listen(model, ["scenario", ...others, ...SETTINGS], ask),
    listen(model, shownAlone, () => isAsked || show()),
  ];
  update();
  return () => {
    clearTimeout(later);
    for (const end of [...releases, player.stop, line.stop, drawn.stop, times.stop]) end();
    for (const end of [memoryTime.stop, stopStatus]) end();
  };
}
