// The host on a page without a kernel: it gives each element with data-afm a model and a view.

/** @import { Site } from "./types" */

/** @typedef {(context: { model: PageModel, el: HTMLElement }) => unknown} Render of a view */

const NEAR = 400; // pixels

/** Values and listeners: the part of a Jupyter widget's model that a view uses. */
class PageModel {
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

  /** The page's address with what differs from the first view. */
  viewLink() {
    const state = new URLSearchParams();
    for (const [key, value] of this.#firstView()) {
      if (this.get(key) !== value) state.set(key, String(this.get(key)));
    }
    const url = new URL(location.href);
    url.hash = [this.#name, state].filter(String).join("&");
    return url.href;
  }

  /**
   * Take the values of such an address, of the types that the first view has.
   *
   * @param {URLSearchParams} state
   */
  follow(state) {
    /** @type {Record<string, (text: string) => unknown>} */
    const casts = { number: Number, boolean: (text) => text === "true", string: String };
    for (const [key, value] of this.#firstView()) {
      const text = state.get(key);
      this.set(key, text === null ? value : casts[typeof value](text));
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

  /** Show the figure when it is near the window, or at a key: Tab must find its controls. */
  showWhenNear() {
    const { top, bottom } = this.#element.getBoundingClientRect();
    if (top < innerHeight + NEAR && bottom > -NEAR) {
      this.show();
      return;
    }
    const observer = new IntersectionObserver(
      (entries) => entries.some(({ isIntersecting }) => isIntersecting) && arrive(),
      { rootMargin: `${NEAR}px` },
    );
    const arrive = () => {
      observer.disconnect();
      removeEventListener("keydown", arrive, true);
      this.show();
    };
    observer.observe(this.#element);
    addEventListener("keydown", arrive, true);
  }
}

/**
 * The host of a page: a function that shows all widgets of a name, and lets a link's fragment
 * choose a view. Views find in `model.site` where the engine is, and the size of its model.
 *
 * @param {string} scriptUrl
 * @param {number | null} modelBytes
 */
export function host(scriptUrl, modelBytes) {
  const engine = modelBytes && new URL("browser/engine.js", scriptUrl).href;
  const site = { engine: engine || null, modelBytes };
  /** @type {Map<string, Figure>} */
  const figures = new Map();
  function follow() {
    const [name, ...rest] = location.hash.slice(1).split("&");
    figures.get(name)?.follow(new URLSearchParams(rest.join("&")));
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
      figure.showWhenNear();
    }
    if (location.hash.slice(1).split("&")[0] === name) follow();
  };
}
