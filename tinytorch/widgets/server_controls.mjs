// What a reader sets: the requests, the server, and its machine.

import { checkField, commit, h, numberField, selectField } from "./common.mjs";

const MAIN = {
  rate: "Requests a second",
  mean_prompt: "Prompt, mean tokens",
  mean_answer: "Answer, mean tokens",
  cache_tokens: "Memory, tokens",
  block_size: "Block, tokens",
  max_tokens_per_step: "Most tokens a pass",
};
const MORE = {
  max_running: "Places in a batch",
  num_requests: "Requests",
  system_length: "System prompt, tokens",
  long_prompt: "One long prompt, tokens",
  seed: "Seed",
};
const MAIN_CHECKS = {
  share_prefixes: "share blocks of equal beginnings",
  reserve_longest: "reserve the longest possible text",
};
const MORE_CHECKS = {
  all_at_once: "all arrive at once",
  timestamp_first: "a timestamp in front of each prompt",
  same_question: "all ask the same",
};
const CHOICES = { model: "Model, 16 bits", device: "Device" };
export const CHECKS = [...Object.keys(MAIN_CHECKS), ...Object.keys(MORE_CHECKS)];
export const SETTINGS = ["policy", ...Object.keys(CHOICES), ...CHECKS];

/** All controls; `show` writes the values of a view into them. */
export function controls({ model, within, names }) {
  const set = (key) => (value) => commit(model, { [key]: value });
  const fields = Object.entries({ ...MAIN, ...MORE }).map(([key, label]) => {
    const range = within(key);
    return [key, numberField(label, { ...range, onchange: set(key), slider: range.least > 0 })];
  });
  const checks = Object.entries({ ...MAIN_CHECKS, ...MORE_CHECKS }).map(([key, label]) => [
    key,
    checkField(label, set(key)),
  ]);
  const choices = Object.entries(CHOICES).map(([key, label]) => {
    const options = Object.fromEntries(names[key].map((name) => [name, name]));
    return [key, selectField(label, { "": options }, set(key))];
  });
  const partsOf = (all, wanted) =>
    all.filter(([key]) => key in wanted).map(([, { field }]) => field);
  const group = (...parts) => h("div", { class: "tt-fields" }, ...parts);
  const row = (...parts) => h("div", { class: "tt-row" }, ...parts);
  const element = h(
    "details",
    { class: "tt-settings" },
    h("summary", {}, "Settings: requests, memory, server"),
    group(...partsOf(fields, MAIN)),
    row(...partsOf(checks, MAIN_CHECKS)),
    group(...partsOf(fields, MORE), ...choices.map(([, { field }]) => field)),
    row(...partsOf(checks, MORE_CHECKS)),
  );

  function show(view) {
    for (const [key, field] of fields) field.show(view[key]);
    for (const [key, { input }] of checks) input.checked = view[key];
    for (const [key, { select }] of choices) select.value = view[key];
  }
  return { element, show };
}
