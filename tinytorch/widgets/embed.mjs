// The custom element <tt-figure>: a figure on anybody's page, in a shadow root of its own.

import { h } from "./common.mjs";
import {
  addressOf,
  EmbedError,
  fetchSite,
  fetchStyle,
  fetchValues,
  readView,
} from "./embed_files.mjs";
import { linkedView, PageModel, whenNear } from "./site.mjs";

/** @import { Release, Values } from "./embed_files.mjs" */
/** @import { Site } from "./types" */

/**
 * @typedef {(context: { model: PageModel, el: HTMLElement, signal: AbortSignal }) =>
 *   (() => void) | undefined} Render of a view
 */

const TAG = "tt-figure";
const ATTRIBUTES = ["name", "src", "data", "view", "model"];
const THEME = "theme"; // the style sheet reads it

/** @type {Map<string, Render>} */
const renders = new Map();
/** @type {Release} */
let release;
let home = ""; // the script's own address

class FigureElement extends HTMLElement {
  static observedAttributes = ATTRIBUTES;
  /** @type {AbortController | null} Ends all that is shown, or waits to be. */
  #life = null;
  /** @type {PageModel | null} */
  #model = null;

  connectedCallback() {
    this.#begin();
  }

  disconnectedCallback() {
    this.#end();
  }

  /** Attributes that change together make one new figure. */
  attributeChangedCallback() {
    if (!this.#life) return;
    const { signal } = this.#life;
    queueMicrotask(() => {
      if (signal.aborted) return;
      this.#end();
      this.#begin();
    });
  }

  /** The view that is shown, as the attribute takes it. */
  get shownView() {
    const own = new URLSearchParams(this.getAttribute("view") ?? "");
    for (const [key, value] of this.#model?.state() ?? []) own.set(key, value);
    return own.toString();
  }

  /** What a link to a view of this figure begins with. */
  get #linkName() {
    return this.id || this.getAttribute("name") || "";
  }

  #begin() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.replaceChildren(h("slot"));
    /** @type {Promise<void> | undefined} */
    let shown;
    const show = () => {
      shown ??= this.#show(root, signal);
      return shown;
    };
    const follow = async () => {
      const { name, state } = linkedView();
      if (name !== this.#linkName) return;
      await show();
      if (signal.aborted) return;
      this.#model?.follow(state);
      this.scrollIntoView({ block: "start" });
    };
    addEventListener("hashchange", follow, { signal });
    whenNear(this, show, signal);
    follow();
  }

  #end() {
    this.#life?.abort();
    this.#life = null;
    this.#model = null;
    this.shadowRoot?.replaceChildren(h("slot"));
  }

  /**
   * @param {ShadowRoot} root
   * @param {AbortSignal} signal
   */
  async #show(root, signal) {
    try {
      const [name, render] = this.#view();
      const base = this.#folder();
      const file = this.getAttribute("data") ?? `${name}.json`;
      const [sheet, values, site] = await Promise.all([
        fetchStyle(addressOf("src", `${TAG}.css`, base), release),
        fetchValues(addressOf("data", file, base), name, release, signal),
        fetchSite(this.getAttribute("model"), signal),
      ]);
      if (signal.aborted) return;
      const view = readView(values.first_view, this.getAttribute("view") ?? "");
      root.adoptedStyleSheets = [sheet];
      this.#draw(root, render, site, withView(values, view), signal);
    } catch (error) {
      if (!signal.aborted) this.#tell(root, error);
    }
  }

  /**
   * The figure's name, and what draws it.
   *
   * @returns {[string, Render]}
   */
  #view() {
    const name = this.getAttribute("name");
    const render = renders.get(name ?? "");
    if (name && render) return [name, render];
    const known = [...renders.keys()].join(", ");
    const found = name === null ? "the attribute name is missing" : `no figure is called “${name}”`;
    throw new EmbedError(`${found}. Expected is one of ${known}.`);
  }

  /** The folder with the style sheet and the data: that of the script, unless `src` names another. */
  #folder() {
    const src = this.getAttribute("src");
    if (src !== null) return addressOf("src", src.endsWith("/") ? src : `${src}/`);
    if (/^https?:/.test(home)) return new URL(home);
    throw new EmbedError("the attribute src is missing. Expected is the address of the folder.");
  }

  /**
   * @param {ShadowRoot} root
   * @param {Render} render
   * @param {Site} site
   * @param {Values} values
   * @param {AbortSignal} signal
   */
  #draw(root, render, site, values, signal) {
    const frame = h("div", { class: "tt-embed" });
    root.replaceChildren(frame);
    // A page may set the size of rem: the reader's own is that of a medium text.
    frame.style.setProperty("--tt-rem", getComputedStyle(frame).fontSize);
    const model = Object.assign(new PageModel(this.#linkName, values), { site });
    const close = render({ model, el: frame, signal });
    signal.addEventListener("abort", () => close?.());
    this.#model = model;
  }

  /**
   * Say what is wrong, above what the page has put into the element.
   *
   * @param {ShadowRoot} root
   * @param {unknown} error
   */
  #tell(root, error) {
    const what = error instanceof EmbedError ? error.message : `it could not be shown: ${error}`;
    root.replaceChildren(h("p", { role: "alert" }, `<${TAG}>: ${what}`), h("slot"));
  }
}

/**
 * Values whose first view is the one that the page asks for.
 *
 * @param {Values} values
 * @param {Record<string, unknown>} view
 * @returns {Values}
 */
const withView = (values, view) => ({
  ...values,
  ...view,
  first_view: { ...values.first_view, ...view },
});

/**
 * What embed.py puts around the views: `show` takes a figure, `define` makes the element known, and
 * `render` is the script as a widget for MyST and Jupyter, whose model holds the attributes.
 * @param {Release} ofScript
 * @param {string} address Of the script.
 */
export function embed(ofScript, address) {
  release = ofScript;
  home = address;
  return {
    show: (/** @type {string} */ name, /** @type {{ render: Render }} */ view) =>
      renders.set(name, view.render),
    define: () => customElements.get(TAG) ?? customElements.define(TAG, FigureElement),
    /** @param {{ model: { get(key: string): unknown }, el: HTMLElement }} context */
    render({ model, el }) {
      const figure = document.createElement(TAG);
      for (const name of [...ATTRIBUTES, THEME]) {
        const value = model.get(name);
        if (value !== undefined && value !== null) figure.setAttribute(name, String(value));
      }
      el.replaceChildren(figure);
      return () => figure.remove();
    },
  };
}
