// A term's meaning stands under the term, inside its paragraph, and Escape puts it away.
(() => {
  "use strict";
  const place = (term) => {
    const meaning = term.querySelector("[role=tooltip]");
    term.classList.remove("tt-away");
    const room = meaning.offsetParent.clientWidth - meaning.offsetWidth;
    meaning.style.left = `${Math.max(0, Math.min(term.offsetLeft, room))}px`;
  };
  for (const term of document.querySelectorAll(".tt-term")) {
    term.addEventListener("pointerenter", () => place(term));
    term.addEventListener("focusin", () => place(term));
  }
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const term of document.querySelectorAll(".tt-term")) term.classList.add("tt-away");
  });
})();
