"use strict";
// Tells the deck how large the figure is, and which keys it has no use for.

const LEAVING = ["PageDown", "PageUp", "Escape"];

/** @param {{ size: { width: number, height: number } } | { key: string }} message */
const tell = (message) => parent.postMessage(message, "*");

function tellSize() {
  const { offsetWidth: width, offsetHeight: height } = document.body;
  tell({ size: { width, height } });
}

new ResizeObserver(tellSize).observe(document.body);

addEventListener(
  "keydown",
  (event) => {
    const { key } = event;
    const target = /** @type {Element} */ (event.target);
    const isField = target.matches("input, select, textarea");
    if (!LEAVING.includes(key) || (isField && key !== "Escape")) return;
    // When the figure's own listeners have seen the key, they may have used it.
    setTimeout(() => event.defaultPrevented || tell({ key }));
  },
  true,
);
