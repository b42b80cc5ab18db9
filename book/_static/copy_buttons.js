// A copy button's picture has a title. Chromium and Firefox take it for the button's name, WebKit does not.
for (const button of document.querySelectorAll("button.copybtn")) {
  button.setAttribute("aria-label", button.querySelector("title")?.textContent ?? button.dataset.tooltip);
}
