// A pass in one of three pictures: the blocks, the tree of their texts, or the attention mask.

import { exact, h, write } from "./common.mjs";
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
  const choices = names.map((name) => {
    const onchange = () => choose(name);
    const input = h("input", { type: "radio", name: group, checked: name === chosen, onchange });
    return h("label", { class: "tt-check" }, input, h("span", {}, name));
  });
  const title = h("legend", {}, h("strong", {}, "This pass, drawn as"));
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

/** @type {Record<string, string>} */
const WITHOUT_TABLE = { new: "has not arrived", waiting: "waits", finished: "has ended" };

/**
 * A request's block table, or why it has none.
 *
 * @param {TimedRequest} request
 * @param {Scheduler<TimedRequest>} scheduler
 */
function describeTable(request, { pool: { blockSize } }) {
  const name = `Request ${request.index}`;
  if (request.refused) return `${name} was refused: all blocks together are too few for it.`;
  const { status, table } = request;
  if (!table) {
    const why = WITHOUT_TABLE[status];
    return `${name} ${why}; it holds no block.`;
  }
  const { blocks, seqPos } = table;
  const written = `${exact(request.numNew)} of ${exact(request.maxNewTokens)} written`;
  const progress = `${exact(request.prompt.length)} tokens of prompt, ${written}`;
  const kept = `${exact(seqPos)} tokens kept in blocks of ${blockSize}`;
  return `${name} (${progress}): block table ${blocks.join(", ")}; ${kept}.`;
}
