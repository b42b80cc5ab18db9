import {
  announcer,
  button,
  commit,
  h,
  integer,
  listen,
  mount,
  numberField,
  selectField,
  setAttributes,
  tableOnRequest,
  viewButtons,
  write,
} from "./common.mjs";
import { enginePanel } from "./engine_panel.mjs";
import { fixed, phrase, phrases } from "./language.mjs";
import { raceLanes, raceNumbers } from "./race_lanes.mjs";
import { ledger, sizesOf } from "./race_ledger.mjs";
import { raceInKernel, raceInPage, recorded, replayed } from "./race_sources.mjs";

/** @import { Ledger, RaceState, Sizes } from "./race_ledger.mjs" */
/** @import { LaneToken, RecordedRace } from "./race_sources.mjs" */
/** @import { ViewContext, WidgetModel } from "./types" */

/**
 * @typedef {object} State
 * @property {RecordedRace} race
 * @property {Sizes} sizes
 * @property {Record<string, string>} prompts
 * @property {boolean} has_kernel
 * @property {string} prompt
 * @property {number} new_tokens
 * @property {number} temperature
 */

/** @typedef {{ title: string, prompt: string, newTokens: number }} Shown what the lanes hold */

/**
 * What is under way.
 *
 * @typedef {object} Running
 * @property {AbortController} stop
 * @property {boolean} paused
 * @property {((value?: unknown) => void) | null} resume
 */

const LONGEST_PROMPT = 4000;
const HOTTEST = 2;
const OWN = "";
/** @type {Record<string, string>} */
const NAMES = phrases("race.names");

/** @param {ViewContext<State>} context */
export function render({ model, el, signal }) {
  const root = mount(el, phrase("race.title"));
  root.classList.add("tt-player", "tt-race");
  const { element: status, say, stop: stopStatus } = announcer();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const hasKernel = Boolean(model.get("has_kernel") && model.send);
  /** @type {Ledger} */
  let book;
  /** @type {Shown} */
  let shown;
  /** @type {RaceState | "beginning"} */
  let state = "over"; // of what the lanes hold
  let frame = 0; // what shows the numbers next
  /** @type {Running | null} */
  let run = null;

  const lanes = raceLanes();
  const numbers = raceNumbers();
  const title = h("p", { class: "tt-words" });
  const verdict = h("p", { class: "tt-verdict" });
  const data = tableOnRequest(() => book.tokenRows());
  const panel = enginePanel({ model, say, signal, onEngine: offerRace });
  const form = raceForm(model);

  const canRace = () => hasKernel || panel.engine() !== null;
  const start = button(phrase("race.start"), () => toggle(), { class: "tt-play" });
  const stop = button(phrase("race.stop"), () => run?.stop.abort());
  const again = button(phrase("race.replay"), () => replay());
  const transport = h("div", { class: "tt-row" }, start, stop, again);

  const focused = () => /** @type {Document | ShadowRoot} */ (root.getRootNode()).activeElement;

  function showControls() {
    const toPause = run?.paused ? phrase("race.continue") : phrase("common.pause");
    start.textContent = run ? toPause : phrase("race.start");
    start.hidden = !run && !canRace();
    stop.hidden = !run;
    again.hidden = run !== null;
  }

  /** The model is there: whoever waited for it at the panel is led to the race. */
  function offerRace() {
    showControls();
    if (canRace() && panel.element.contains(focused())) start.focus();
  }

  /**
   * Empty lanes for a race that begins, or for the recording.
   *
   * @param {Shown} about
   * @param {Sizes} sizes
   * @param {number} promptLength
   */
  function prepare(about, sizes, promptLength) {
    shown = about;
    book = ledger(sizes, promptLength);
    lanes.clear(about.prompt, about.newTokens, book);
    state = "running";
  }

  function take(/** @type {LaneToken} */ token) {
    book.add(token);
    lanes.add(token);
  }

  function show() {
    cancelAnimationFrame(frame);
    frame = 0;
    if (state === "beginning") return;
    write(title, shown.title);
    lanes.show(shown.newTokens);
    numbers.show(book);
    write(verdict, book.verdict(state));
  }

  function showSoon() {
    frame ||= requestAnimationFrame(show);
  }

  function finish(/** @type {"stopped" | "over"} */ how) {
    if (state === "running") state = how;
    show();
    data.refresh();
    say(verdict.textContent);
  }

  const recording = () => {
    const race = model.get("race");
    const newTokens = Math.max(...race.lanes.map(({ ids }) => ids.length));
    const sizes = { tokens: newTokens, prompt: race.prompt_length };
    const titles = {
      page: phrase("race.recorded_page", sizes),
      figure: phrase("race.recorded_figure", sizes),
      cell: phrase("race.recorded_cell", sizes),
    };
    return { race, prompt: race.prompt, newTokens, title: titles[model.site?.built ?? "cell"] };
  };

  function showRecording() {
    const about = recording();
    prepare(about, model.get("sizes"), about.race.prompt_length);
    for (const token of recorded(about.race)) take(token);
    finish("over");
  }

  function replay() {
    if (still.matches) return showRecording();
    return play(async (stopped) => {
      const about = recording();
      prepare(about, model.get("sizes"), about.race.prompt_length);
      return replayed(about.race, stopped);
    });
  }

  function race() {
    const { prompt, newTokens, temperature } = form.values();
    if (!prompt.trim()) return panel.fail(new Error(phrase("race.empty_prompt")));
    const engine = panel.engine();
    const seed = Math.floor(Math.random() * 2 ** 32);
    const options = { prompt, newTokens, temperature, seed };
    return play(async (stopped) => {
      const begun = engine
        ? await raceInPage(engine, options, stopped)
        : await raceInKernel(model, options, stopped);
      const { promptLength, tokens } = begun;
      const about = engine
        ? phrase("race.yours_in_page", { prompt: promptLength })
        : phrase("race.yours_in_kernel", { prompt: promptLength });
      const sizes = engine ? sizesOf(engine.config) : model.get("sizes");
      prepare({ prompt, newTokens, title: about }, sizes, promptLength);
      return tokens;
    });
  }

  /**
   * Take tokens from a source until it ends, the reader stops it, or it fails.
   *
   * @param {(stopped: AbortSignal) => Promise<AsyncIterable<LaneToken>>} open
   */
  async function play(open) {
    run?.stop.abort();
    /** @type {Running} */
    const own = { stop: new AbortController(), paused: false, resume: null };
    const stopped = own.stop.signal;
    stopped.addEventListener("abort", () => own.resume?.());
    run = own;
    panel.clear();
    showControls();
    say(phrase("race.said_begun"));
    write(title, phrase("race.begins"));
    write(verdict, "");
    const before = state === "over" ? "over" : "stopped"; // of the race that is still shown
    state = "beginning";
    /** @type {"stopped" | "over"} */
    let how = "stopped";
    try {
      const tokens = await open(stopped);
      show();
      for await (const token of tokens) {
        stopped.throwIfAborted();
        take(token);
        showSoon();
        if (own.paused) {
          await new Promise((resolve) => {
            own.resume = resolve;
          });
        }
        stopped.throwIfAborted();
      }
      how = "over";
    } catch (error) {
      if (!stopped.aborted) panel.fail(error);
    }
    if (run !== own) return;
    run = null;
    const hadFocus = [start, stop].some((control) => control === focused());
    showControls();
    if (hadFocus) (start.hidden ? again : start).focus();
    if (state !== "beginning") return finish(how);
    state = before;
    show();
    say(phrase("race.said_not_begun"));
  }

  function toggle() {
    if (!run) return race();
    run.paused = !run.paused;
    if (!run.paused) run.resume?.();
    show();
    const paused = phrase("race.said_paused", { verdict: verdict.textContent });
    say(run.paused ? paused : phrase("race.said_goes_on"));
    return showControls();
  }

  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") run?.stop.abort();
  });
  const canEverRace = hasKernel || Boolean(model.site?.modelBytes);
  form.element.hidden = !canEverRace;
  root.append(
    form.element,
    panel.element,
    transport,
    title,
    numbers.score,
    lanes.element,
    verdict,
    numbers.table,
    h("p", { class: "tt-note" }, phrase("race.turns")),
    viewButtons(model, say),
    data.details,
    status,
  );
  const releases = [
    listen(model, ["prompt", "new_tokens", "temperature"], form.show),
    listen(model, ["race", "sizes"], () => run || showRecording()),
  ];
  form.show();
  showRecording();
  showControls();
  return () => {
    for (const end of [...releases, () => run?.stop.abort(), panel.stop, stopStatus]) end();
    cancelAnimationFrame(frame);
  };
}

/**
 * The fields of the reader's race.
 *
 * @param {WidgetModel<State>} model
 */
function raceForm(model) {
  const prompts = model.get("prompts");
  const names = Object.keys(prompts).map((name) => [name, NAMES[name] ?? name]);
  const choices = { [OWN]: phrase("common.your_own"), ...Object.fromEntries(names) };
  const choice = selectField(phrase("race.prompts"), { "": choices }, (name) =>
    name === OWN ? text.focus() : commit(model, { prompt: prompts[name] }),
  );
  const text = h("textarea", { rows: 3, maxlength: LONGEST_PROMPT, spellcheck: "false" });
  text.addEventListener("input", () => text.value && commit(model, { prompt: text.value }));
  const limits = model.get("limits").new_tokens;
  const length = numberField(phrase("common.new_tokens"), {
    least: limits[0],
    most: limits[1],
    onchange: (value) => commit(model, { new_tokens: value }),
    slider: false,
  });
  const heat = h("input", { type: "range", min: 0, max: HOTTEST, step: 0.1 });
  heat.addEventListener("input", () => commit(model, { temperature: Number(heat.value) }));
  const heatText = h("span");
  const element = h(
    "div",
    { class: "tt-form" },
    h("label", { class: "tt-field" }, h("span", {}, phrase("race.prompt")), text),
    h(
      "div",
      { class: "tt-fields" },
      choice.field,
      length.field,
      h("label", { class: "tt-field" }, heatText, heat),
    ),
  );

  function values() {
    const given = Number(model.get("temperature"));
    const temperature = given >= 0 ? Math.min(given, HOTTEST) : 0;
    const [least, most] = limits;
    return {
      prompt: text.value,
      newTokens: integer(model, "new_tokens", { least, most, fallback: 60 }),
      temperature,
    };
  }

  function show() {
    const prompt = String(model.get("prompt") ?? "").slice(0, LONGEST_PROMPT);
    if (text.value !== prompt) text.value = prompt;
    choice.select.value = Object.keys(prompts).find((name) => prompts[name] === prompt) ?? OWN;
    const { newTokens, temperature } = values();
    length.show(newTokens);
    heat.value = String(temperature);
    const heated = { temperature: fixed(temperature, 1) };
    heatText.textContent = temperature
      ? phrase("race.drawn", heated)
      : phrase("race.likeliest", heated);
    setAttributes(heat, { "aria-valuetext": heatText.textContent });
  }
  return { element, values, show };
}
