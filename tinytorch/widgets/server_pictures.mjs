// A pass in one of three pictures: the blocks, the tree of their texts, or the attention mask.

import { h, write } from "./common.mjs";
import { exact, phrase, phrases } from "./language.mjs";
import { maskOfPass } from "./server_mask.mjs";
import { pool } from "./server_pool.mjs";
import { prefixTree } from "./server_prefixes.mjs";

/** @import { Scheduler } from "./server_scheduler.mjs" */
/** @import { ServerSimulation, TimedRequest } from "./server_simulation.mjs" */
/** @import { ShownStep } from "./server_view.mjs" */

/** @typedef {{ selected: number, longest: number }} Options the request, and the longest text */

/**
 * The pictures, and one that is chosen; `show` takes what each of them takes.
 *
 * @param {object} options
 * @param {(request: number) => void} options.onPick
 * @param {AbortSignal} [options.signal]
 * @param {(text: string) => void} options.say
 */
export function pictures({ onPick, signal, say }) {
  const blocks = pool({ onPick, signal });
  const all = {
    blocks,
    tree: prefixTree({ signal }),
    mask: maskOfPass({ signal }),
  };
  const group = `tt-${Math.random().toString(36).slice(2)}`;
  const words = h("p", { class: "tt-note tt-in-words" });
  const table = h("p", { class: "tt-note tt-table" });
  const names = /** @type {(keyof typeof all)[]} */ (Object.keys(all));
  /** @type {keyof typeof all} */
  let chosen = "blocks";
  /** @type {[ServerSimulation, ShownStep, Options] | null} */
  let now = null;
  const titles = phrases("server.pictures");
  const choices = names.map((name) => {
    const onchange = () => choose(name);
    const input = h("input", { type: "radio", name: group, checked: name === chosen, onchange });
    return h("label", { class: "tt-check" }, input, h("span", {}, titles[name]));
  });
  const title = h("legend", {}, h("strong", {}, phrase("server.drawn_as")));
  const field = h("fieldset", {}, title, ...choices);
  const drawn = Object.values(all).map(({ element }) => element);
  const element = h("div", { class: "tt-stack" }, field, ...drawn);
  element.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const request = target.closest("[data-request]")?.getAttribute("data-request");
    if (request) onPick(Number(request));
  });

  function choose(/** @type {keyof typeof all} */ name) {
    chosen = name;
    if (now) say(show(...now));
  }

  /**
   * @param {ServerSimulation} simulation
   * @param {ShownStep} step
   * @param {Options} options
   */
  function show(simulation, step, options) {
    now = [simulation, step, options];
    for (const name of names) all[name].element.hidden = name !== chosen;
    const said = all[chosen].show(...now);
    write(words, said);
    const request = simulation.requests[options.selected];
    write(table, request ? describeTable(request, simulation.scheduler) : "");
    return said;
  }

  function stop() {
    for (const { stop: end } of Object.values(all)) end();
  }
  return { element, words, table, draw: blocks.draw, show, stop };
}

/**
 * A request's block table, or why it has none.
 *
 * @param {TimedRequest} request
 * @param {Scheduler<TimedRequest>} scheduler
 */
function describeTable(request, { pool: { blockSize } }) {
  const { index, status, table } = request;
  if (request.refused) return phrase("server.refused", { request: index });
  if (!table) {
    if (status === "new") return phrase("server.not_arrived", { request: index });
    return status === "waiting"
      ? phrase("server.waits", { request: index })
      : phrase("server.has_ended", { request: index });
  }
  return phrase("server.table", {
    request: index,
    prompt: exact(request.prompt.length),
    written: exact(request.numNew),
    asked: exact(request.maxNewTokens),
    blocks: table.blocks.join(", "),
    kept: exact(table.seqPos),
    size: blockSize,
  });
}
