// The page of snippets: puts its own address into them, and copies them.

/**
 * @param {string} selector
 * @returns {HTMLElement}
 */
function found(selector, within = document.body) {
  const element = within.querySelector(selector);
  if (element instanceof HTMLElement) return element;
  throw new Error(`the page has no ${selector}`);
}

const written = document.documentElement.dataset.address ?? "";
const here = new URL(".", document.baseURI).href;
const told = found("#status");

/**
 * The snippet as a reader may use it: with this page's address, and the view that is shown.
 *
 * @param {HTMLElement} code
 */
function snippet(code) {
  const text = (code.dataset.text ?? "").replaceAll(written, here);
  /** @type {(HTMLElement & { shownView?: string }) | null} */
  const figure = document.getElementById(code.dataset.figure ?? "");
  const view = figure?.shownView;
  if (!view) return text;
  const attribute = `view="${view.replaceAll("&", "&amp;")}"`;
  return text.replace(/<tt-figure name="\w+"/, (tag) => `${tag} ${attribute}`);
}

/** @type {NodeListOf<HTMLElement>} */
const codes = document.querySelectorAll(".snippet code");
for (const code of codes) {
  code.dataset.text = code.textContent;
  code.textContent = snippet(code);
}

for (const button of document.querySelectorAll("[data-copies]")) {
  const label = /** @type {Text} */ (button.firstChild);
  const code = found("code", /** @type {HTMLElement} */ (button.closest(".snippet")));
  button.addEventListener("click", async () => {
    code.textContent = snippet(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      label.data = "Copied";
      told.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(code);
      told.textContent = "The snippet is selected: copy it with the keyboard";
    }
  });
  button.addEventListener("blur", () => {
    label.data = "Copy";
  });
}
