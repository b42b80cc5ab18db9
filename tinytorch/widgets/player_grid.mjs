// The cache as a grid.

import { h, setAttributes } from "./common.mjs";
import { exact, phrase } from "./language.mjs";

/** @import { Run } from "./types" */

const MOST_LINES = 160; // more columns would be nothing but lines

/**
 * Layers by positions: one column a token. A click on a column goes to the step that filled it.
 *
 * @param {Run} run
 * @param {object} options
 * @param {(step: number) => void} options.onPick
 * @param {(said: string | null) => void} options.onRead
 */
export function cacheGrid(run, { onPick, onRead }) {
  const [prefill] = run.seq_pos;
  const positions = run.seq_pos[run.seq_pos.length - 1];
  const height = Math.min(Math.max(5 * run.num_layers, 60), 150);
  const column = (/** @type {string} */ state) =>
    h("svg:rect", { class: `tt-${state}`, y: 0, height });
  const [kept, now] = ["kept", "now"].map(column);
  const rows = Array.from(
    { length: run.num_layers - 1 },
    (_, i) => `M0 ${((i + 1) * height) / run.num_layers}H${positions}`,
  );
  const drawn = positions > MOST_LINES ? 0 : positions - 1;
  const columns = Array.from({ length: drawn }, (_, i) => `M${i + 1} 0V${height}`);
  const svg = h(
    "svg:svg",
    {
      class: "tt-cache",
      role: "img",
      viewBox: `0 0 ${positions} ${height}`,
      preserveAspectRatio: "none",
      height,
    },
    kept,
    now,
    h("svg:path", { d: rows.concat(columns).join("") }),
  );
  const sizes = { layers: run.num_layers, positions: exact(positions) };
  const title = phrase("player.grid", sizes);
  const element = h("div", {}, h("div", { class: "tt-axis" }, title), svg);

  const stepAt = (/** @type {MouseEvent} */ event) => {
    const { left, width } = svg.getBoundingClientRect();
    const at = Math.floor(((event.clientX - left) / width) * positions);
    return Math.min(Math.max(at - prefill + 1, 0), run.seq_pos.length - 1);
  };
  svg.addEventListener("click", (event) => onPick(stepAt(event)));
  svg.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const step = stepAt(event);
    onRead(
      step === 0
        ? phrase("player.fills_prompt", { columns: exact(prefill) })
        : phrase("player.fills", { step }),
    );
  });
  svg.addEventListener("pointerleave", () => onRead(null));

  function show(/** @type {number} */ step) {
    const filled = run.seq_pos[step];
    const before = step === 0 ? 0 : run.seq_pos[step - 1];
    setAttributes(kept, { x: 0, width: before });
    setAttributes(now, { x: before, width: filled - before });
    setAttributes(svg, {
      "aria-label": phrase("player.filled", { filled, positions }),
    });
  }
  return { element, show };
}
