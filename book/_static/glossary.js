// A term's meaning stands under the term, inside its paragraph, and Escape puts it away.
(() => {
  "use strict";
  /** @param {HTMLElement} term */
  const place = (term) => {
    /** @type {HTMLElement | null} */
    const meaning = term.querySelector("[role=tooltip]");
    term.classList.remove("tt-away");
    if (!meaning?.offsetParent) return;
    const room = meaning.offsetParent.clientWidth - meaning.offsetWidth;
    meaning.style.left = `${Math.max(0, Math.min(term.offsetLeft, room))}px`;
  };
  /** @type {NodeListOf<HTMLElement>} */
  const terms = document.querySelectorAll(".tt-term");
  for (const term of terms) {
    term.addEventListener("pointerenter", () => place(term));
    term.addEventListener("focusin", () => place(term));
  }
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const term of terms) term.classList.add("tt-away");
  });
})();
