"use strict";
// Tells the deck how tall the figure is, and which keys it has no use for.

const LEAVING = ["PageDown", "PageUp", "Escape"];

const tell = (message) => parent.postMessage(message, "*");

new ResizeObserver(() => tell({ height: document.body.offsetHeight })).observe(document.body);

addEventListener(
  "keydown",
  (event) => {
    const { key, target } = event;
    const isField = target.matches("input, select, textarea");
    if (!LEAVING.includes(key) || (isField && key !== "Escape")) return;
    // When the figure's own listeners have seen the key, they may have used it.
    setTimeout(() => event.defaultPrevented || tell({ key }));
  },
  true,
);
