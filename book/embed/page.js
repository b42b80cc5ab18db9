// The page of snippets: puts its own address into them, and copies them.

const written = document.querySelector("[data-address]").dataset.address;
const here = new URL(".", document.baseURI).href;
const status = document.getElementById("status");

/** The snippet as a reader may use it: with this page's address, and the view that is shown. */
function snippet(code) {
  const text = code.dataset.text.replaceAll(written, here);
  const view = document.getElementById(code.dataset.figure ?? "")?.shownView;
  if (!view) return text;
  return text.replace(/<tt-figure name="\w+"/, (tag) => `${tag} view="${view.replaceAll("&", "&amp;")}"`);
}

for (const code of document.querySelectorAll(".snippet code")) {
  code.dataset.text = code.textContent;
  code.textContent = snippet(code);
}

for (const button of document.querySelectorAll("[data-copies]")) {
  const [label] = button.childNodes;
  button.addEventListener("click", async () => {
    const code = button.closest(".snippet").querySelector("code");
    code.textContent = snippet(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      label.data = status.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      status.textContent = "The snippet is selected: copy it with the keyboard";
    }
  });
  button.addEventListener("blur", () => (label.data = "Copy"));
}
