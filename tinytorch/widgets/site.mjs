// The host on a page without a kernel: it gives each element with data-afm a model and a view.

import { phrase } from "./language.mjs";

/** @import { Site } from "./types" */

/** @typedef {(context: { model: PageModel, el: HTMLElement }) => unknown} Render of a view */

const NEAR = 400; // pixels

/**
 * How a text becomes a value of a view, by the type of the value.
 *
 * @type {Record<string, (text: string) => unknown>}
 */
export const CASTS = { number: Number, boolean: (text) => text === "true", string: String };

/** The figure that the page's address names, and the view that it asks for. */
export function linkedView() {
  const [name, ...rest] = location.hash.slice(1).split("&");
  return { name, state: new URLSearchParams(rest.join("&")) };
}

/**
 * Call `arrive` once, when an element is near the window, or at a key: Tab must find its controls.
 *
 * @param {Element} element
 * @param {() => void} arrive
 * @param {AbortSignal} [signal]
 */
export function whenNear(element, arrive, signal) {
  const { top, bottom } = element.getBoundingClientRect();
  if (top < innerHeight + NEAR && bottom > -NEAR) {
    arrive();
    return;
  }
  const come = () => {
    end();
    arrive();
  };
  const observer = new IntersectionObserver(
    (entries) => entries.some(({ isIntersecting }) => isIntersecting) && come(),
    { rootMargin: `${NEAR}px` },
  );
  function end() {
    observer.disconnect();
    removeEventListener("keydown", come, true);
  }
  observer.observe(element);
  addEventListener("keydown", come, true);
  signal?.addEventListener("abort", end);
}

/** Values and listeners: the part of a Jupyter widget's model that a view uses. */
export class PageModel {
  /** @type {Record<string, unknown>} */
  #values;
  /** @type {Map<string, Set<() => void>>} */
  #listeners = new Map();
  #name;
  /** @type {Site | undefined} */
  site;

  /**
   * @param {string} name
   * @param {Record<string, unknown>} values
   */
  constructor(name, values) {
    this.#name = name;
    this.#values = values;
  }
  /** @param {string} key */
  get(key) {
    return this.#values[key];
  }
  /**
   * @param {string} key
   * @param {unknown} value
   */
  set(key, value) {
    if (this.#values[key] === value) return;
    this.#values[key] = value;
    for (const callback of this.#listeners.get(`change:${key}`) ?? []) callback();
  }
  /**
   * @param {string} event
   * @param {() => void} callback
   */
  on(event, callback) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }
  /**
   * @param {string} event
   * @param {() => void} callback
   */
  off(event, callback) {
    this.#listeners.get(event)?.delete(callback);
  }
  save_changes() {}

  #firstView() {
    return Object.entries(/** @type {Record<string, unknown>} */ (this.get("first_view")));
  }

  /** What differs from the first view. */
  state() {
    const state = new URLSearchParams();
    for (const [key, value] of this.#firstView()) {
      if (this.get(key) !== value) state.set(key, String(this.get(key)));
    }
    return state;
  }

  /** The page's address with that state. */
  viewLink() {
    const url = new URL(location.href);
    url.hash = [this.#name, this.state()].filter(String).join("&");
    return url.href;
  }

  /**
   * Take the values of such an address, of the types that the first view has.
   *
   * @param {URLSearchParams} state
   */
  follow(state) {
    for (const [key, value] of this.#firstView()) {
      const text = state.get(key);
      this.set(key, text === null ? value : CASTS[typeof value](text));
    }
  }
}

/** A figure on the page. It costs nothing until it is shown. */
class Figure {
  #element;
  #name;
  #render;
  #site;
  /** @type {PageModel | null | undefined} */
  #model;

  /**
   * @param {HTMLElement} element
   * @param {string} name
   * @param {Render} render
   * @param {Site} site
   */
  constructor(element, name, render, site) {
    this.#element = element;
    this.#name = name;
    this.#render = render;
    this.#site = site;
  }

  /** Show the figure, once; what was drawn for a page without scripts stays if it cannot be. */
  show() {
    if (this.#model !== undefined) return;
    const element = this.#element;
    const view = document.createElement("div");
    try {
      const data = element.querySelector("script")?.textContent ?? "";
      const model = new PageModel(this.#name, JSON.parse(data));
      model.site = this.#site;
      element.append(view);
      element.classList.add("tt-alive");
      this.#render({ model, el: view });
      this.#model = model;
    } catch (error) {
      this.#model = null;
      view.remove();
      element.classList.remove("tt-alive");
      console.error(`${this.#name} could not be shown:`, error);
    }
  }

  /**
   * Show what a link asks for, and go there.
   *
   * @param {URLSearchParams} state
   */
  follow(state) {
    this.show();
    this.#model?.follow(state);
    this.#element.scrollIntoView({ block: "start" });
  }
}

/**
 * The host of a page: a function that shows all widgets of a name, and lets a link's fragment
 * choose a view. Views find in `model.site` where the engine is, the size of its model, and how to
 * speak of the place where they are.
 *
 * @param {string} scriptUrl
 * @param {number | null} modelBytes
 */
export function host(scriptUrl, modelBytes) {
  const engine = modelBytes && new URL("browser/engine.js", scriptUrl).href;
  /** @type {Site} */
  const site = {
    engine: engine || null,
    modelBytes,
    built: "page",
    from: phrase("panel.from_site"),
  };
  /** @type {Map<string, Figure>} */
  const figures = new Map();
  function follow() {
    const { name, state } = linkedView();
    figures.get(name)?.follow(state);
  }
  addEventListener("hashchange", follow);
  /**
   * @param {string} name
   * @param {{ render: Render }} view
   */
  return function show(name, { render }) {
    /** @type {NodeListOf<HTMLElement>} */
    const elements = document.querySelectorAll(`[data-afm="${name}"]`);
    for (const element of elements) {
      const figure = new Figure(element, name, render, site);
      figures.set(name, figure);
      whenNear(element, () => figure.show());
    }
    if (linkedView().name === name) follow();
  };
}
