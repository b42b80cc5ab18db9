// A pass in one of three pictures: the blocks, the tree of their texts, or the attention mask.

import { exact, h, write } from "./common.mjs";
import { maskOfPass } from "./server_mask.mjs";
import { pool } from "./server_pool.mjs";
import { prefixTree } from "./server_prefixes.mjs";

/** The pictures, and one that is chosen; `show` takes what each of them takes. */
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
  let [chosen, now] = ["blocks", null];
  const choices = Object.keys(all).map((name) => {
    const onchange = () => choose(name);
    const input = h("input", { type: "radio", name: group, checked: name === chosen, onchange });
    return h("label", { class: "tt-check" }, input, h("span", {}, name));
  });
  const title = h("legend", {}, h("strong", {}, "This pass, drawn as"));
  const field = h("fieldset", {}, title, ...choices);
  const drawn = Object.values(all).map(({ element }) => element);
  const element = h("div", { class: "tt-stack" }, field, ...drawn);
  element.addEventListener("click", ({ target }) => {
    const { request } = target.closest("[data-request]")?.dataset ?? {};
    if (request) onPick(Number(request));
  });

  function choose(name) {
    chosen = name;
    if (now) say(show(...now));
  }

  function show(simulation, step, options) {
    now = [simulation, step, options];
    for (const [name, { element: each }] of Object.entries(all)) each.hidden = name !== chosen;
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

/** A request's block table, or why it has none. */
function describeTable(request, { running, pool: { blockSize } }) {
  const name = `Request ${request.index}`;
  if (request.refused) return `${name} was refused: all blocks together are too few for it.`;
  if (!running.includes(request)) {
    const { status } = request;
    const why = { new: "has not arrived", waiting: "waits", finished: "has ended" }[status];
    return `${name} ${why}; it holds no block.`;
  }
  const { blocks, seqPos } = request.table;
  const written = `${exact(request.numNew)} of ${exact(request.maxNewTokens)} written`;
  const progress = `${exact(request.prompt.length)} tokens of prompt, ${written}`;
  const kept = `${exact(seqPos)} tokens kept in blocks of ${blockSize}`;
  return `${name} (${progress}): block table ${blocks.join(", ")}; ${kept}.`;
}
