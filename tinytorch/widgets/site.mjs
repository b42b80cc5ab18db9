// The host on a page without a kernel: it gives each element with data-afm a model and a view.

const NEAR = 400; // pixels

/** Values and listeners: the part of a Jupyter widget's model that a view uses. */
class PageModel {
  #values;
  #listeners = new Map();
  #name;
  constructor(name, values) {
    this.#name = name;
    this.#values = values;
  }
  get(key) {
    return this.#values[key];
  }
  set(key, value) {
    if (this.#values[key] === value) return;
    this.#values[key] = value;
    for (const callback of this.#listeners.get(`change:${key}`) ?? []) callback();
  }
  on(event, callback) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }
  off(event, callback) {
    this.#listeners.get(event)?.delete(callback);
  }
  save_changes() {}

  /** The page's address with what differs from the first view. */
  viewLink() {
    const state = new URLSearchParams();
    for (const [key, value] of Object.entries(this.get("first_view"))) {
      if (this.get(key) !== value) state.set(key, this.get(key));
    }
    const url = new URL(location.href);
    url.hash = [this.#name, state].filter(String).join("&");
    return url.href;
  }

  /** Take the values of such an address, of the types that the first view has. */
  follow(state) {
    const casts = { number: Number, boolean: (text) => text === "true", string: String };
    for (const [key, value] of Object.entries(this.get("first_view"))) {
      this.set(key, state.has(key) ? casts[typeof value](state.get(key)) : value);
    }
  }
}

/** A figure on the page. It costs nothing until it is shown. */
class Figure {
  #element;
  #name;
  #render;
  #site;
  #model;
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
      const model = new PageModel(
        this.#name,
        JSON.parse(element.querySelector("script").textContent),
      );
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

  /** Show what a link asks for, and go there. */
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
 */
export function host(scriptUrl, modelBytes) {
  const site = { engine: modelBytes && new URL("browser/engine.js", scriptUrl).href, modelBytes };
  const figures = new Map();
  function follow() {
    const [name, ...rest] = location.hash.slice(1).split("&");
    figures.get(name)?.follow(new URLSearchParams(rest.join("&")));
  }
  addEventListener("hashchange", follow);
  return function show(name, { render }) {
    for (const element of document.querySelectorAll(`[data-afm="${name}"]`)) {
      const figure = new Figure(element, name, render, site);
      figures.set(name, figure);
      figure.showWhenNear();
    }
    if (location.hash.slice(1).split("&")[0] === name) follow();
  };
}
