// The host on a page without a kernel: it gives each element with data-afm a model and a view.

const NEAR = 400; // pixels

/** How a text becomes a value of a view, by the type of the value. */
export const CASTS = { number: Number, boolean: (text) => text === "true", string: String };

/** The figure that the page's address names, and the view that it asks for. */
export function linkedView() {
  const [name, ...rest] = location.hash.slice(1).split("&");
  return { name, state: new URLSearchParams(rest.join("&")) };
}

/** Call `arrive` once, when an element is near the window, or at a key: Tab must find its controls. */
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

  /** What differs from the first view. */
  state() {
    const state = new URLSearchParams();
    for (const [key, value] of Object.entries(this.get("first_view"))) {
      if (this.get(key) !== value) state.set(key, this.get(key));
    }
    return state;
  }

  /** The page's address with that state. */
  viewLink() {
    const url = new URL(location.href);
    url.hash = [this.#name, this.state()].filter(String).join("&");
    return url.href;
  }

  /** Take the values of such an address, of the types that the first view has. */
  follow(state) {
    for (const [key, value] of Object.entries(this.get("first_view"))) {
      this.set(key, state.has(key) ? CASTS[typeof value](state.get(key)) : value);
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
      const model = new PageModel(this.#name, JSON.parse(element.querySelector("script").textContent));
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
}

/**
 * The host of a page: a function that shows all widgets of a name, and lets a link's fragment
 * choose a view. Views find in `model.site` where the engine is, the size of its model, and how to
 * speak of the place where they are.
 */
export function host(scriptUrl, modelBytes) {
  const site = {
    engine: modelBytes && new URL("browser/engine.js", scriptUrl).href,
    modelBytes,
    built: "this page",
    from: "this website alone",
    without: "This website was built without the model: figures show recordings.",
  };
  const figures = new Map();
  function follow() {
    const { name, state } = linkedView();
    figures.get(name)?.follow(state);
  }
  addEventListener("hashchange", follow);
  return function show(name, { render }) {
    for (const element of document.querySelectorAll(`[data-afm="${name}"]`)) {
      const figure = new Figure(element, name, render, site);
      figures.set(name, figure);
      whenNear(element, () => figure.show());
    }
    if (linkedView().name === name) follow();
  };
}
