// The host on a page without a kernel: it gives each element with data-afm a model and a view.

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

/**
 * The host of a page: a function that shows all widgets of a name, and lets a link's fragment
 * choose a view. Views find in `model.site` where the engine is, and the size of its model.
 */
export function host(scriptUrl, modelBytes) {
  const engine = modelBytes && new URL("browser/engine.js", scriptUrl).href;
  const models = new Map();
  function follow() {
    const [name, ...rest] = location.hash.slice(1).split("&");
    if (!models.has(name)) return;
    const { model, element } = models.get(name);
    model.follow(new URLSearchParams(rest.join("&")));
    element.scrollIntoView({ block: "start" });
  }
  addEventListener("hashchange", follow);
  return function show(name, { render }) {
    for (const element of document.querySelectorAll(`[data-afm="${name}"]`)) {
      const view = document.createElement("div");
      try {
        const model = new PageModel(name, JSON.parse(element.querySelector("script").textContent));
        model.site = { engine, modelBytes };
        element.append(view);
        element.classList.add("tt-alive");
        render({ model, el: view });
        models.set(name, { model, element });
      } catch (error) {
        view.remove();
        element.classList.remove("tt-alive");
        console.error(`${name} could not be shown:`, error);
      }
    }
    if (location.hash.slice(1).split("&")[0] === name) follow();
  };
}
