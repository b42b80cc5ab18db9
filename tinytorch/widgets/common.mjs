// What the widgets share: elements, controls, and their model's values.

import { exact, phrase } from "./language.mjs";

/** @import { Attributes, ElementOf, KeyOf, NumberKey, Range, WidgetModel } from "./types" */

/**
 * Create an element. Functions of `props` listen, as "onclick"; others are attributes.
 *
 * @template {string} Tag
 * @param {Tag} tag
 * @param {Attributes} [props]
 * @param {(Node | string | null)[]} children
 * @returns {ElementOf<Tag>}
 */
export function h(tag, props = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  setAttributes(element, props);
  element.append(...children.filter((child) => child !== null));
  return /** @type {ElementOf<Tag>} */ (element);
}

/**
 * @param {Element} element
 * @param {Attributes} props
 */
export function setAttributes(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    // A page may forbid the attribute.
    else if (name === "style") /** @type {HTMLElement} */ (element).style.cssText = String(value);
    else if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Change a text, but no element: pages whose styles ask what elements hold pay for those.
 *
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  const first = element.firstChild ?? element.appendChild(document.createTextNode(""));
  const node = /** @type {Text} */ (first);
  if (node.data !== text) node.data = text;
}

/**
 * Write values to the model, and on to a kernel where there is one.
 *
 * @template State
 * @param {WidgetModel<State>} model
 * @param {Partial<State>} changes
 */
export function commit(model, changes) {
  for (const key of /** @type {KeyOf<State>[]} */ (Object.keys(changes))) {
    model.set(key, changes[key]);
  }
  try {
    model.save_changes();
  } catch {
    // This host has nobody to save to.
  }
}

/**
 * Call `callback` when one of the keys changes; return what ends that.
 *
 * @template State
 * @param {WidgetModel<State>} model
 * @param {KeyOf<State>[]} keys
 * @param {() => void} callback
 */
export function listen(model, keys, callback) {
  for (const key of keys) model.on(`change:${key}`, callback);
  return () => {
    try {
      for (const key of keys) model.off(`change:${key}`, callback);
    } catch {
      // This host cannot unsubscribe; it drops the model with the view.
    }
  };
}

/**
 * An integer of the model, whatever a link or a kernel put there.
 *
 * @template State
 * @param {WidgetModel<State>} model
 * @param {KeyOf<State>} key
 * @param {Range & { fallback: number }} range
 */
export function integer(model, key, { least, most, fallback }) {
  const value = Math.round(Number(model.get(key) ?? fallback));
  return Number.isFinite(value) ? Math.min(Math.max(value, least), most) : fallback;
}

/**
 * The model's integers: their ranges, as fields take them, and their values.
 *
 * @template State
 * @param {WidgetModel<State>} model
 */
export function integers(model) {
  const limits = model.get("limits");
  const first = /** @type {Record<string, number>} */ (model.get("first_view"));
  const keys = /** @type {NumberKey<State>[]} */ (Object.keys(limits));
  const within = (/** @type {string} */ key) => {
    const [least, most] = limits[key];
    return { least, most, fallback: first[key] };
  };
  const values = () => {
    const all = keys.map((key) => [key, integer(model, key, within(key))]);
    return /** @type {Record<NumberKey<State>, number>} */ (Object.fromEntries(all));
  };
  return { keys, within, values };
}

/**
 * One of the choices, or the first.
 *
 * @template State
 * @template {State[Key]} Choice
 * @template {KeyOf<State>} Key
 * @param {WidgetModel<State>} model
 * @param {Key} key
 * @param {readonly Choice[]} choices
 */
export function choice(model, key, choices) {
  const value = /** @type {Choice} */ (model.get(key));
  return choices.includes(value) ? value : choices[0];
}

/**
 * A ratio of two counts of any size.
 *
 * @param {number | bigint} a
 * @param {number | bigint} b
 */
export const ratioOf = (a, b) => Number((BigInt(a) * 1_000_000n) / BigInt(b)) / 1e6;

/** A text without its line ends. */
export const oneLine = (/** @type {string} */ text) => text.replace(/\n+/g, " ");

/**
 * @param {string} text
 * @param {() => void} onclick
 * @param {Attributes} [props]
 */
export function button(text, onclick, props = {}) {
  return h("button", { type: "button", onclick, ...props }, text);
}

/**
 * A labelled list of choices. `groups` maps a heading ("" for none) to {value: text}.
 *
 * @param {string} label
 * @param {Record<string, Record<string, string>>} groups
 * @param {(value: string) => void} onchange
 */
export function selectField(label, groups, onchange) {
  /** @type {HTMLSelectElement} */
  const select = h("select", { "aria-label": label, onchange: () => onchange(select.value) });
  for (const [heading, options] of Object.entries(groups)) {
    const items = Object.entries(options).map(([value, text]) => h("option", { value }, text));
    if (heading) select.append(h("optgroup", { label: heading }, ...items));
    else select.append(...items);
  }
  const field = h("label", { class: "tt-field" }, h("span", {}, label), select);
  return { field, select };
}

/**
 * @param {string} label
 * @param {(checked: boolean) => void} onchange
 */
export function checkField(label, onchange) {
  /** @type {HTMLInputElement} */
  const input = h("input", { type: "checkbox", onchange: () => onchange(input.checked) });
  const field = h("label", { class: "tt-check" }, input, h("span", {}, label));
  return { field, input };
}

const STEPS = 1000;
/** @type {Record<string, number>} */
const MOVES = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };

/**
 * An integer that can be typed, and moved by a slider whose steps are even on a log scale.
 *
 * @param {string} label
 * @param {Range & { onchange: (value: number) => void, slider?: boolean }} options
 */
export function numberField(label, { least, most, onchange, slider = true }) {
  const toPlace = (/** @type {number} */ value) =>
    (Math.log(value / least) / Math.log(most / least)) * STEPS;
  const toValue = (/** @type {number} */ place) =>
    Math.round(least * (most / least) ** (place / STEPS));
  const input = h("input", {
    type: "number",
    min: least,
    max: most,
    step: 1,
    inputmode: "numeric",
  });
  input.addEventListener("change", () => {
    const typed = Math.round(Number(input.value));
    const value = Math.min(Math.max(typed || least, least), most);
    input.value = String(value);
    onchange(value);
  });
  const range = h("input", { type: "range", min: 0, max: STEPS, "aria-label": label });
  range.addEventListener("input", () => onchange(toValue(Number(range.value))));
  range.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    onchange(Math.min(Math.max(Number(input.value) + move, least), most));
  });
  const field = h(
    "div",
    { class: "tt-field" },
    h("label", {}, h("span", {}, label), input),
    slider ? range : null,
  );
  const show = (/** @type {number} */ value) => {
    input.value = String(value);
    range.value = String(Math.round(toPlace(value)));
    range.setAttribute("aria-valuetext", exact(value));
  };
  return { field, show, input, range };
}

/**
 * Rows as a table that is filled when it is opened.
 *
 * @param {() => string[][]} rows
 */
export function tableOnRequest(rows) {
  const summary = phrase("common.data");
  const holder = h("div", {
    class: "tt-scroll",
    tabindex: 0,
    role: "region",
    "aria-label": summary,
  });
  const details = h("details", {}, h("summary", {}, summary), holder);
  const refresh = () => {
    if (details.open) holder.replaceChildren(table(rows()));
  };
  details.addEventListener("toggle", refresh);
  return { details, refresh };
}

/**
 * A row of column headings; the corner above headings of rows may be empty.
 *
 * @param {string[]} headings
 */
export function headingRow(headings) {
  const cells = headings.map((text) => (text ? h("th", { scope: "col" }, text) : h("td")));
  return h("tr", {}, ...cells);
}

/**
 * A table; the first row holds the column headings, the first column those of the rows.
 *
 * @param {string[][]} rows
 */
export function table([headings, ...rows]) {
  const head = headingRow(headings);
  const body = rows.map(([first, ...rest]) =>
    h("tr", {}, h("th", { scope: "row" }, first), ...rest.map((text) => h("td", {}, text))),
  );
  return h("table", {}, h("thead", {}, head), h("tbody", {}, ...body));
}

/** A line that screen readers read out, a moment after the last change. */
export function announcer() {
  const element = h("p", { class: "tt-unseen", role: "status" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const say = (/** @type {string} */ text) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      element.textContent = text;
    }, 600);
  };
  return { element, say, stop: () => clearTimeout(timer) };
}

/**
 * Buttons that bring back the first view and, where the host makes links, copy one.
 *
 * @template State
 * @param {WidgetModel<State>} model
 * @param {(text: string) => void} say
 */
export function viewButtons(model, say) {
  const reset = button(phrase("common.reset"), () => {
    commit(model, model.get("first_view"));
    say(phrase("common.first_view"));
  });
  const { viewLink } = model;
  if (!viewLink) return h("div", { class: "tt-row" }, reset);
  const address = h("input", {
    class: "tt-link",
    readonly: true,
    "aria-label": phrase("common.link"),
  });
  address.hidden = true;
  const copy = button(phrase("common.copy"), async () => {
    address.value = viewLink.call(model);
    try {
      await navigator.clipboard.writeText(address.value);
      say(phrase("common.copied"));
      copy.textContent = phrase("common.copied");
    } catch {
      address.hidden = false;
      address.select();
      say(phrase("common.copy_yourself"));
    }
  });
  const forget = () => {
    copy.textContent = phrase("common.copy");
  };
  copy.addEventListener("blur", forget);
  return h("div", { class: "tt-row" }, reset, copy, address);
}

/**
 * Whether a host may act on a key pressed in a widget: Ctrl+S saves, Shift+Enter runs the cell.
 *
 * @param {KeyboardEvent} event
 */
function isForHost({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  return ctrlKey || metaKey || altKey || (shiftKey && key === "Enter");
}

const NO_SHORTCUTS = "data-lm-suppress-shortcuts";

/**
 * Keep keys from the host: JupyterLab leaves the cell at an arrow, and cuts it at an x. Notebook 7
 * looks at a key before the widget does, unless the element that has the focus has this attribute.
 * So a key for the host is sent a second time, without the attribute.
 *
 * @param {HTMLElement} root
 */
function keepKeys(root) {
  let forHost = false;
  root.addEventListener("focusin", (event) => {
    const focused = /** @type {Element} */ (event.target);
    focused.setAttribute(NO_SHORTCUTS, "");
  });
  root.addEventListener("keydown", (event) => forHost || event.stopPropagation());
  /** @param {KeyboardEvent} event */
  function send(event) {
    if (forHost || !isForHost(event)) return;
    const target = /** @type {Element} */ (event.target);
    event.stopPropagation();
    forHost = true;
    target.removeAttribute(NO_SHORTCUTS);
    if (!target.dispatchEvent(new KeyboardEvent("keydown", event))) event.preventDefault();
    target.setAttribute(NO_SHORTCUTS, "");
    forHost = false;
  }
  root.addEventListener("keydown", send, true);
}

/**
 * The element of a widget, in place of whatever the host's element holds.
 *
 * @param {HTMLElement} el
 * @param {string} label
 */
export function mount(el, label) {
  const root = h("div", { class: "tt-w", role: "group", "aria-label": label });
  keepKeys(root);
  el.replaceChildren(root);
  return root;
}
