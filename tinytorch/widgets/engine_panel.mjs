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
      reject(new Error("The engine could not be fetched: the connection broke."));
    };
    document.head.append(element);
  });
  return script;
}

const megabytes = (/** @type {number} */ size) => Math.round(size / 1e6);

/**
 * The time that is left, in words.
 *
 * @param {number | null} seconds
 */
function timeLeft(seconds) {
  if (seconds === null) return "";
  if (seconds < 90) return `, ${Math.ceil(seconds)} s left`;
  return `, ${Math.ceil(seconds / 60)} minutes left`;
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
  const element = h("div", { class: "tt-engine", role: "group", "aria-label": "The model" });
  const size = site?.modelBytes && `${megabytes(site.modelBytes)} MB`;
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
    const load = button(problem ? "Try again" : `Load the model: ${size}`, () => start());
    const about = `SmolLM2-135M-Instruct, from ${site?.from}. It stays in this browser until you remove it.`;
    show(...[alert, row(load, note(about))].filter((part) => part !== null));
    if (!problem) offerKept();
  }

  /** Pages that were opened from a file may not fetch: the reader chooses what lies beside them. */
  function fileField() {
    const input = h("input", { type: "file", multiple: true, accept: ".bin,.gguf" });
    input.addEventListener("change", () => input.files?.length && start([...input.files]));
    const text = `Choose the model, ${size}: all files “.bin” in this website’s folder _static/model`;
    return h("label", { class: "tt-field" }, h("span", {}, text), input);
  }

  /** Where an earlier visit has kept the model, say so, and let it be removed. */
  async function offerKept() {
    if (!(await mayBeKept()) || loading || engine) return;
    const script = await offered().catch(() => null);
    if (!script?.site || !(await script.isKept(script.site.manifest)) || loading || engine) return;
    const load = button("Start the model", () => start());
    show(
      row(load, removeButton(), note(`Its ${size} are kept in this browser: nothing is fetched.`)),
    );
  }

  /** @param {File[]} [files] chosen by the reader */
  async function start(files) {
    loading?.abort();
    const own = new AbortController();
    loading = own;
    const progress = h("progress", { max: 1, "aria-label": "Loading the model" });
    const words = h("span", {}, "Loading the engine");
    const cancel = button("Cancel", () => own.abort());
    show(row(progress, words, cancel));
    say("Loading the model");
    let quarter = 0;
    function onProgress(/** @type {Progress} */ { loaded, total, secondsLeft }) {
      setAttributes(progress, { value: loaded, max: total });
      words.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB${timeLeft(secondsLeft)}`;
      if (Math.floor((4 * loaded) / total) <= quarter) return;
      quarter = Math.floor((4 * loaded) / total);
      say(words.textContent);
    }
    try {
      const { load, site: known } = await offered();
      if (!known) throw new Error("This website was built without the model.");
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
      say(own.signal.aborted ? "Loading cancelled" : message);
    }
  }

  function ready(/** @type {Engine} */ loaded) {
    engine = loaded;
    const runs = "The model runs in this page.";
    if (loaded.kept) show(row(note(`${runs} It is kept in this browser.`), removeButton()));
    else show(note(loaded.note ? `${runs} ${loaded.note}` : runs));
    say("The model is ready");
    onEngine(engine);
  }

  function removeButton() {
    const remove = async () => {
      try {
        const { removeWeights, site: known } = await offered();
        if (known) await removeWeights(known.manifest);
        if (engine)
          show(note("Removed from this browser. The model runs until you leave the page."));
        else ask();
        say("The model was removed from this browser");
      } catch (error) {
        fail(error);
      }
    };
    return button("Remove from this browser", remove, { class: "tt-remove" });
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
  else if (site) show(note(site.without));
  signal?.addEventListener("abort", close);
  return { element, engine: () => engine, fail, clear, stop: close };
}
