import {
  announcer,
  button,
  choice,
  commit,
  h,
  headingRow,
  listen,
  mount,
  oneLine,
  setAttributes,
  tableOnRequest,
  viewButtons,
  write,
} from "./common.mjs";
import { enginePanel } from "./engine_panel.mjs";
import { fixed, memory, phrase, phrases } from "./language.mjs";

/** @import { Model as Engine } from "../browser/load.mjs" */
/** @import { ViewContext } from "./types" */

/**
 * What is known of a switch's text and loss; while it runs, not all of it.
 *
 * @typedef {object} LabRun
 * @property {number[]} ids
 * @property {string[]} texts
 * @property {number} [loss] the mean of -ln p of the given text
 * @property {number} [bytes] that the cache keeps
 */

/** @typedef {Required<LabRun>} WholeRun */
/** @typedef {(name: string) => LabRun | null} Known */

/**
 * What Python has recorded: cache_lab.py.
 *
 * @typedef {object} LabRecord
 * @property {Record<string, WholeRun>} runs by switch
 * @property {string} prompt
 * @property {string} rest of the text whose loss is measured
 * @property {number[]} ids of that text
 * @property {number} start of its tokens that count
 * @property {boolean} one_pass
 */

/** @typedef {{ name: string, run: LabRun, read?: number, of?: number }} Job tokens read */

/** @type {Record<string, string>} */
const TITLES = phrases("lab.titles");
/** @type {Record<string, string>} */
const ABOUT = phrases("lab.about");
const RIGHT = "right";
const SHOWN_OF_PROMPT = 90; // characters
const LONGEST = 400; // characters of a reader's own beginning
const CLOSE = 0.005; // of two losses that are written with two decimals
const ROUNDED = /^int/; // switches where the last digits decide

/**
 * The first place where a text is not the right one, as far as both are written, or -1.
 *
 * @param {number[]} ids
 * @param {number[]} right
 */
const firstDifference = (ids, right) =>
  ids.findIndex((id, i) => i < right.length && id !== right[i]);

const lossText = (/** @type {number} */ loss) => fixed(loss, 2);

/** @param {ViewContext<{ record: LabRecord, switch: string }>} context */
export function render({ model, el, signal }) {
  const root = mount(el, phrase("lab.title"));
  root.classList.add("tt-lab");
  const { element: status, say, stop: stopStatus } = announcer();
  const record = model.get("record");
  const names = Object.keys(record.runs);
  const recorded = phrases("lab.recorded")[model.site?.built ?? "cell"];
  /** @type {Record<string, WholeRun>} */
  let measured = {}; // whole runs of the engine, by switch
  /** @type {string | null} */
  let own = null; // the reader's beginning, once something was run on it
  /** @type {Job | null} */
  let running = null; // while the engine works
  let stopper = new AbortController(); // of what was started last

  const chosen = () => choice(model, "switch", names);
  /**
   * What is known of a switch: the run under way, a whole one, or the recorded one.
   *
   * @param {string} name
   * @returns {LabRun | null}
   */
  function known(name) {
    if (running?.name === name) return running.run;
    return measured[name] ?? (own === null ? record.runs[name] : null);
  }

  const given = phrase("lab.given", { text: shortened(record.rest) });
  const words = h("p", { class: "tt-words" });
  const about = h("p", { class: "tt-note" });
  const lanes = [lane(), lane()];
  const pick = (/** @type {string} */ name) => commit(model, { switch: name });
  const list = switches(names, pick);

  const run = button(phrase("lab.run"), () => start([chosen()]), { class: "tt-play" });
  const all = button(phrase("lab.run_all"), () => start(names));
  const stop = button(phrase("lab.stop"), () => end(phrase("lab.said_stopped")));
  const beginning = h("input", {
    type: "text",
    class: "tt-link",
    maxlength: LONGEST,
    placeholder: oneLine(record.prompt).slice(0, LONGEST),
  });
  beginning.addEventListener("change", forget);
  const label = h("span", {}, phrase("lab.beginning"));
  const field = h("label", { class: "tt-field" }, label, beginning);
  const source = h("p", { class: "tt-note" });
  const live = h("div", { class: "tt-live" }, field, h("div", { class: "tt-row" }, run, all, stop));
  const panel = enginePanel({
    model,
    say,
    signal,
    onEngine(engine) {
      if (!engine) end("");
      else if (!running) start([chosen()]);
      show();
    },
  });
  const data = tableOnRequest(() => {
    const now = known(chosen());
    return tokenTable(known(RIGHT), now, now ? TITLES[chosen()] : phrase("lab.with_switch"));
  });
  root.append(
    source,
    words,
    h("div", { class: "tt-lanes" }, ...lanes.map(({ element }) => element)),
    about,
    list.element,
    h("p", { class: "tt-note" }, given),
    panel.element,
    live,
    viewButtons(model, say),
    data.details,
    status,
  );

  function end(/** @type {string} */ said) {
    stopper.abort();
    running = null;
    if (said) say(said);
    show();
  }

  /** Another beginning makes texts that are no longer comparable; losses are of the given text. */
  function forget() {
    end("");
    const text = beginning.value.trim();
    own = text || null;
    measured = {};
    say(own === null ? phrase("lab.said_recorded") : phrase("lab.said_own"));
    show();
  }

  /**
   * Run switches one after the other, the right cache first where its text is not known here.
   *
   * @param {string[]} wanted
   */
  async function start(wanted) {
    const engine = panel.engine();
    end("");
    if (!engine) return;
    stopper = new AbortController();
    const { signal: stopped } = stopper;
    const queue = measured[RIGHT] || wanted.includes(RIGHT) ? wanted : [RIGHT, ...wanted];
    try {
      const given = record.ids.slice(0, record.start);
      const prompt = own === null ? given : await engine.tokenizer.encode(own);
      for (const name of queue) {
        stopped.throwIfAborted();
        /** @type {Job} */
        const job = { name, run: { ids: [], texts: [] } };
        running = job;
        await follow(engine, job, prompt, stopped);
        const whole = /** @type {WholeRun} */ (job.run);
        measured[name] = whole;
        say(phrase("lab.said_loss", { title: TITLES[name], loss: lossText(whole.loss) }));
      }
      running = null;
      say(queue.length > 2 ? phrase("lab.said_all") : summary());
    } catch (error) {
      if (stopped.aborted) return;
      running = null;
      panel.fail(error);
    }
    show();
  }

  /**
   * One run, shown while it goes on.
   *
   * @param {Engine} engine
   * @param {Job} job
   * @param {number[]} prompt
   * @param {AbortSignal} stopped
   */
  async function follow(engine, job, prompt, stopped) {
    const { ids: text, start: first, one_pass: onePass } = record;
    const maxTokens = record.runs[RIGHT].ids.length;
    const what = { name: job.name, prompt, maxTokens, text, start: first, onePass };
    for await (const { id, text: said, read, of, ...found } of engine.experiment(what, stopped)) {
      if (id !== undefined && said !== undefined) {
        job.run.ids.push(id);
        job.run.texts.push(said);
      }
      Object.assign(job.run, found); // bytes, and the loss
      Object.assign(job, { read, of });
      show();
    }
  }

  /** What a switch does to text, loss and bytes, in two sentences. */
  function summary() {
    // While nothing runs, runs are whole.
    const right = /** @type {WholeRun | null} */ (known(RIGHT));
    const now = /** @type {WholeRun | null} */ (known(chosen()));
    if (!right || !now) return phrase("lab.not_run");
    if (running) {
      const { read = 0, of = 0 } = running;
      const title = TITLES[running.name];
      if (running.run.bytes === undefined) return phrase("lab.writes", { title });
      return read
        ? phrase("lab.reads_tokens", { title, read, of })
        : phrase("lab.reads", { title });
    }
    const [kept, all] = [memory(now.bytes), memory(right.bytes)];
    const loss = lossText(now.loss);
    if (chosen() === RIGHT) return phrase("lab.the_right", { loss, kept });
    const at = firstDifference(now.ids, right.ids);
    const text =
      at < 0
        ? phrase("lab.all_right", { tokens: now.ids.length })
        : phrase("lab.first_wrong", { place: at + 1 });
    const found = { text, loss, right: lossText(right.loss), kept, all };
    return kept === all ? phrase("lab.compared", found) : phrase("lab.compared_kept", found);
  }

  /** Where the numbers come from, and whether Python's are the same. */
  function origin() {
    if (running?.name === chosen()) return phrase("lab.running");
    const now = measured[chosen()];
    if (!now) return own === null ? recorded : "";
    if (own !== null) return phrase("lab.computed");
    const python = record.runs[chosen()];
    const sameText = String(now.ids) === String(python.ids);
    if (sameText && Math.abs(now.loss - python.loss) < CLOSE) {
      return phrase("lab.same");
    }
    const loss = lossText(python.loss);
    return ROUNDED.test(chosen())
      ? phrase("lab.other_rounded", { loss })
      : phrase("lab.other", { loss });
  }

  function show() {
    const name = chosen();
    const [right, now] = [known(RIGHT), known(name)];
    const prompt = own ?? record.prompt;
    write(words, summary());
    write(about, ABOUT[name]);
    const at = right && now ? firstDifference(now.ids, right.ids) : -1;
    lanes[0].show(TITLES[RIGHT], prompt, right, at);
    lanes[1].show(TITLES[name], prompt, now, at);
    lanes[1].element.hidden = name === RIGHT;
    list.show(name, known, running?.name);
    write(source, origin());
    live.hidden = !panel.engine();
    stop.disabled = !running;
    data.refresh();
  }

  const release = listen(model, ["switch"], () => {
    show();
    say(summary());
  });
  show();
  return () => {
    for (const close of [release, stopStatus, panel.stop]) close();
    stopper.abort();
  };
}

const shortened = (/** @type {string} */ text) => {
  const line = oneLine(text).trim();
  const end = line.lastIndexOf(" ", SHOWN_OF_PROMPT);
  return line.length > SHOWN_OF_PROMPT ? `${line.slice(0, end)} …` : line;
};

/** A text with the place where it leaves another. */
function lane() {
  const title = h("strong");
  const text = h("p", { class: "tt-tokens" });
  const element = h("div", {}, title, text);
  /**
   * @param {string} name
   * @param {string} prompt
   * @param {LabRun | null} run
   * @param {number} at the first wrong token, or -1
   */
  function show(name, prompt, run, at) {
    write(title, name);
    const line = oneLine(prompt);
    const cut = line.length > SHOWN_OF_PROMPT ? `…${line.slice(-SHOWN_OF_PROMPT)}` : line;
    const end = at < 0 ? run?.texts.length : at;
    /** @type {(from: number, to?: number) => string} */
    const part = (from, to) => oneLine(run?.texts.slice(from, to).join("") ?? "");
    text.replaceChildren(h("span", { class: "tt-prompt" }, cut), h("b", {}, part(0, end ?? 0)));
    if (at >= 0) text.append(h("mark", {}, part(at, at + 1)), h("i", {}, part(at + 1)));
  }
  return { element, show };
}

/**
 * All switches with what they do, one of which is chosen.
 *
 * @param {string[]} names
 * @param {(name: string) => void} pick
 */
function switches(names, pick) {
  const group = `tt-lab-${Math.random()}`;
  const rows = names.map((name) => {
    const input = h("input", { type: "radio", name: group, onchange: () => pick(name) });
    const cells = [h("td"), h("td", { class: "tt-loss" }), h("td")];
    const label = h("label", { class: "tt-check" }, input, h("span", {}, TITLES[name]));
    const row = h("tr", {}, h("th", { scope: "row" }, label), ...cells);
    row.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (!target.closest("label")) pick(name);
    });
    return { name, input, cells, row };
  });
  const head = h("thead", {}, headingRow(Object.values(phrases("lab.columns"))));
  const element = h("table", {}, head, h("tbody", {}, ...rows.map(({ row }) => row)));

  /**
   * @param {string} chosen
   * @param {Known} known
   * @param {string} [running]
   */
  function show(chosen, known, running) {
    const right = known(RIGHT);
    const most = Math.max(...rows.map(({ name }) => known(name)?.loss ?? 0));
    for (const { name, input, cells, row } of rows) {
      const run = known(name);
      input.checked = name === chosen;
      row.classList.toggle("tt-chosen", name === chosen);
      setAttributes(row, { "aria-busy": name === running ? "true" : null });
      const at = run && right ? firstDifference(run.ids, right.ids) : -1;
      write(cells[0], at < 0 ? "–" : String(at + 1));
      write(cells[1], run?.loss === undefined ? "…" : lossText(run.loss));
      cells[1].style.setProperty("--share", `${(100 * (run?.loss ?? 0)) / most}%`);
      write(cells[2], run?.bytes ? memory(run.bytes) : "…");
    }
  }
  return { element, show };
}

/**
 * Both texts token by token.
 *
 * @param {LabRun | null} right
 * @param {LabRun | null} now
 * @param {string} title
 */
function tokenTable(right, now, title) {
  const quoted = (/** @type {LabRun | null} */ run, /** @type {number} */ i) =>
    run?.texts[i] === undefined ? "" : phrase("common.word", { token: run.texts[i] });
  const rows = (right?.ids ?? []).map((_, i) => [String(i + 1), quoted(right, i), quoted(now, i)]);
  return [[phrases("common.columns").token, phrase("lab.right_cache"), title], ...rows];
}
