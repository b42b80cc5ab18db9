// The model in the page, for the figures that run it: asks the reader, loads, says how far, removes.
//
//   import { enginePanel } from "./engine_panel.mjs";
//   const panel = enginePanel({ model, say, signal, onEngine });
//   root.append(panel.element);
//
// `model` is the view's own: its `site` is what site.mjs knows of the website (in Jupyter there is
// none, and the panel is empty). `say` is that of common.mjs's announcer. `onEngine(engine)` is told
// the loaded model (tinytorch/browser/load.mjs, class Model), and null when it is gone.
// `panel.engine()` gives the same. `panel.fail(error)` says the sentence of an EngineError that a run
// ended with; if the worker is lost, the reader can load again. `panel.clear()` takes the sentence
// away. `panel.stop()` ends with the view.

import { button, h, setAttributes } from "./common.mjs";
import { phrase, phrases } from "./language.mjs";

/** @import { Manifest } from "../browser/pieces.mjs" */
/** @import { Model as Engine, createLoad } from "../browser/load.mjs" */
/** @import { Progress } from "../browser/progress.mjs" */
/** @import { WidgetModel } from "./types" */

/**
 * What the engine's script offers: browser/script.mjs.
 *
 * @typedef {object} Offered
 * @property {ReturnType<typeof createLoad>} load
 * @property {(manifest: Manifest) => Promise<boolean>} isKept
 * @property {(manifest: Manifest) => Promise<void>} removeWeights
 * @property {{ manifest: Manifest, base: string } | null} site
 */

const FOLDER = "tinytorch-weights"; // where tinytorch/browser/store.mjs keeps models
const GONE = ["lost", "closed", "memory"];

/** @type {Promise<Offered> | null} */
let script = null;

/**
 * The engine's script, fetched once a page.
 *
 * @param {string} url
 */
function engineScript(url) {
  script ??= new Promise((resolve, reject) => {
    const element = h("script", { src: url });
    element.onload = () => resolve(Reflect.get(globalThis, "tinytorchEngine"));
    element.onerror = () => {
      script = null;
      element.remove();
      reject(new Error(phrase("panel.fetch_failed")));
    };
    document.head.append(element);
  });
  return script;
}

const megabytes = (/** @type {number} */ size) => Math.round(size / 1e6);

/**
 * How far the model is loaded, and the time that is left, in words.
 *
 * @param {Progress} progress
 */
function howFar({ loaded, total, secondsLeft }) {
  const sizes = { loaded: megabytes(loaded), total: megabytes(total) };
  if (secondsLeft === null) return phrase("panel.loaded", sizes);
  return secondsLeft < 90
    ? phrase("panel.seconds_left", { ...sizes, n: Math.ceil(secondsLeft) })
    : phrase("panel.minutes_left", { ...sizes, n: Math.ceil(secondsLeft / 60) });
}

/** Whether an earlier visit has put anything there. */
async function mayBeKept() {
  try {
    await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER);
    return true;
  } catch {
    return false;
  }
}

const problemLine = (/** @type {string} */ text) =>
  h("p", { class: "tt-problem", role: "alert" }, text);

/**
 * @template State
 * @param {object} options
 * @param {WidgetModel<State>} options.model
 * @param {(text: string) => void} options.say
 * @param {AbortSignal} [options.signal]
 * @param {(engine: Engine | null) => void} [options.onEngine]
 */
export function enginePanel({ model, say, signal, onEngine = () => {} }) {
  const { site } = model;
  const title = phrase("panel.title");
  const element = h("div", { class: "tt-engine", role: "group", "aria-label": title });
  const size = site?.modelBytes ? phrase("panel.mb", { n: megabytes(site.modelBytes) }) : "";
  const isFile = location.protocol === "file:";
  /** @type {Engine | null} */
  let engine = null;
  /** @type {AbortController | null} */
  let loading = null;

  /**
   * Show other parts, and leave the keyboard where the reader had it.
   *
   * @param {Node[]} parts
   */
  function show(...parts) {
    const { activeElement } = /** @type {Document | ShadowRoot} */ (element.getRootNode());
    const hadFocus = element.contains(activeElement);
    element.replaceChildren(...parts);
    if (!hadFocus) return;
    element.tabIndex = -1;
    /** @type {HTMLElement | null} */
    const control = element.querySelector("button:not(.tt-remove), input");
    (control ?? element).focus();
  }

  const offered = () => engineScript(site?.engine ?? "");
  const note = (/** @type {string} */ text) => h("p", { class: "tt-note" }, text);
  const row = (/** @type {Node[]} */ ...parts) => h("div", { class: "tt-row" }, ...parts);

  function ask(/** @type {string | null} */ problem = null) {
    const alert = problem ? problemLine(problem) : null;
    if (isFile) return show(...[alert, fileField()].filter((part) => part !== null));
    const what = problem ? phrase("panel.try_again") : phrase("panel.load", { size });
    const load = button(what, () => start());
    const about = phrase("panel.about", { from: site?.from ?? "" });
    show(...[alert, row(load, note(about))].filter((part) => part !== null));
    if (!problem) offerKept();
  }

  /** Pages that were opened from a file may not fetch: the reader chooses what lies beside them. */
  function fileField() {
    const input = h("input", { type: "file", multiple: true, accept: ".bin,.gguf" });
    input.addEventListener("change", () => input.files?.length && start([...input.files]));
    const text = phrase("panel.choose", { size });
    return h("label", { class: "tt-field" }, h("span", {}, text), input);
  }

  /** Where an earlier visit has kept the model, say so, and let it be removed. */
  async function offerKept() {
    if (!(await mayBeKept()) || loading || engine) return;
    const script = await offered().catch(() => null);
    if (!script?.site || !(await script.isKept(script.site.manifest)) || loading || engine) return;
    const load = button(phrase("panel.start"), () => start());
    show(row(load, removeButton(), note(phrase("panel.is_kept", { size }))));
  }

  /** @param {File[]} [files] chosen by the reader */
  async function start(files) {
    loading?.abort();
    const own = new AbortController();
    loading = own;
    const loadingModel = phrase("panel.loading");
    const progress = h("progress", { max: 1, "aria-label": loadingModel });
    const words = h("span", {}, phrase("panel.loading_engine"));
    const cancel = button(phrase("panel.cancel"), () => own.abort());
    show(row(progress, words, cancel));
    say(loadingModel);
    let quarter = 0;
    function onProgress(/** @type {Progress} */ at) {
      const { loaded, total } = at;
      setAttributes(progress, { value: loaded, max: total });
      words.textContent = howFar(at);
      if (Math.floor((4 * loaded) / total) <= quarter) return;
      quarter = Math.floor((4 * loaded) / total);
      say(words.textContent);
    }
    try {
      const { load, site: known } = await offered();
      if (!known) throw new Error(phrase("panel.no_model"));
      own.signal.throwIfAborted();
      const loaded = await load(known, { onProgress, signal: own.signal, files });
      if (own.signal.aborted) loaded.close();
      own.signal.throwIfAborted();
      loading = null;
      ready(loaded);
    } catch (error) {
      if (loading !== own) return;
      loading = null;
      const { message } = /** @type {Error} */ (error);
      ask(own.signal.aborted ? null : message);
      say(own.signal.aborted ? phrase("panel.cancelled") : message);
    }
  }

  function ready(/** @type {Engine} */ loaded) {
    engine = loaded;
    if (loaded.kept) show(row(note(phrase("panel.runs_kept")), removeButton()));
    else if (loaded.note) show(note(phrase("panel.runs_note", { note: loaded.note })));
    else show(note(phrase("panel.runs")));
    say(phrase("panel.ready"));
    onEngine(engine);
  }

  function removeButton() {
    const remove = async () => {
      try {
        const { removeWeights, site: known } = await offered();
        if (known) await removeWeights(known.manifest);
        if (engine) show(note(phrase("panel.removed")));
        else ask();
        say(phrase("panel.said_removed"));
      } catch (error) {
        fail(error);
      }
    };
    return button(phrase("panel.remove"), remove, { class: "tt-remove" });
  }

  /** @param {unknown} error one with a sentence for the reader */
  function fail(error) {
    const { code = "", message } = /** @type {Error & { code?: string }} */ (error);
    say(message);
    if (engine && GONE.includes(code)) {
      close();
      return ask(message);
    }
    clear();
    element.prepend(problemLine(message));
  }

  const clear = () => element.querySelector(".tt-problem")?.remove();

  function close() {
    loading?.abort();
    loading = null;
    const had = engine;
    engine = null;
    had?.close();
    if (had) onEngine(null);
  }

  if (size) ask();
  else if (site) show(note(phrases("panel.without")[site.built]));
  signal?.addEventListener("abort", close);
  return { element, engine: () => engine, fail, clear, stop: close };
}
