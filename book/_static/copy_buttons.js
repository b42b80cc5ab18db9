// A copy button's picture has a title. Chromium and Firefox take it for the button's name, WebKit
// does not.

/** @type {NodeListOf<HTMLElement>} */
const copyButtons = document.querySelectorAll("button.copybtn");
for (const button of copyButtons) {
  const title = button.querySelector("title")?.textContent;
  button.setAttribute("aria-label", title ?? button.dataset.tooltip ?? "Copy");
}
