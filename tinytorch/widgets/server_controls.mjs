// What a reader sets: the requests, the server, and its machine.

import { checkField, commit, h, numberField, selectField } from "./common.mjs";
import { phrase, phrases } from "./language.mjs";

/** @import { KeyOf, Range, ServerSettings, ServerState, WidgetModel } from "./types" */

/** @typedef {keyof typeof MAIN | keyof typeof MORE} NumberName */
/** @typedef {keyof typeof MAIN_CHECKS | keyof typeof MORE_CHECKS} CheckName */
/** @typedef {keyof typeof CHOICES} ChoiceName */

const MAIN = phrases("server.main");
const MORE = phrases("server.more");
const MAIN_CHECKS = phrases("server.main_checks");
const MORE_CHECKS = phrases("server.more_checks");
const CHOICES = phrases("server.choices");
export const CHECKS = /** @type {CheckName[]} */ (Object.keys({ ...MAIN_CHECKS, ...MORE_CHECKS }));
const CHOSEN = /** @type {ChoiceName[]} */ (Object.keys(CHOICES));
/** @type {KeyOf<ServerState>[]} */
export const SETTINGS = ["policy", ...CHOSEN, ...CHECKS];

/**
 * All controls; `show` writes the values of a view into them.
 *
 * @param {object} options
 * @param {WidgetModel<ServerState>} options.model
 * @param {(key: string) => Range} options.within
 * @param {Record<ChoiceName, string[]>} options.names of models and devices
 */
export function controls({ model, within, names }) {
  /** @type {<Value>(key: KeyOf<ServerSettings>) => (value: Value) => void} */
  const set = (key) => (value) => commit(model, { [key]: value });
  const numbers = { ...MAIN, ...MORE };
  const fields = /** @type {NumberName[]} */ (Object.keys(numbers)).map((key) => {
    const range = { ...within(key), onchange: set(key) };
    return { key, ...numberField(numbers[key], { ...range, slider: range.least > 0 }) };
  });
  const labels = { ...MAIN_CHECKS, ...MORE_CHECKS };
  const checks = CHECKS.map((key) => ({ key, ...checkField(labels[key], set(key)) }));
  const choices = CHOSEN.map((key) => {
    const options = Object.fromEntries(names[key].map((name) => [name, name]));
    return { key, ...selectField(CHOICES[key], { "": options }, set(key)) };
  });
  /** @type {(all: { key: string, field: Element }[], wanted: object) => Element[]} */
  const partsOf = (all, wanted) => all.filter(({ key }) => key in wanted).map(({ field }) => field);
  const group = (/** @type {Element[]} */ ...parts) => h("div", { class: "tt-fields" }, ...parts);
  const row = (/** @type {Element[]} */ ...parts) => h("div", { class: "tt-row" }, ...parts);
  const element = h(
    "details",
    { class: "tt-settings" },
    h("summary", {}, phrase("server.settings")),
    group(...partsOf(fields, MAIN)),
    row(...partsOf(checks, MAIN_CHECKS)),
    group(...partsOf(fields, MORE), ...choices.map(({ field }) => field)),
    row(...partsOf(checks, MORE_CHECKS)),
  );

  function show(/** @type {ServerSettings} */ view) {
    for (const field of fields) field.show(view[field.key]);
    for (const { key, input } of checks) input.checked = view[key];
    for (const { key, select } of choices) select.value = view[key];
  }
  return { element, show };
}
