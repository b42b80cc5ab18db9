"""A small site with the engine and a model in five pieces, and what tests do on its page."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.engine import tiny
from tests.browser.loader.faults import Host
from tinytorch.browser.bundle import engine_script
from tinytorch.browser.pieces import write_pieces

SOURCES = Path(__file__).parents[3] / "tinytorch" / "browser"
CONFIG = replace(
    tiny.SMALL, vocab_size=512, embed_dim=160, mlp_dim=320, num_layers=3, max_seq_len=4096
)
SIZE, PIECE = 1_202_272, 300_000
PAGE = """<!doctype html><meta charset="utf-8"><title>A page</title>
<input type="file" multiple>
<script src="browser/engine.js"></script>
<script>
window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));

/** What `work` gives, or what a reader would be told. */
window.attempt = async (work) => {
  try {
    return { value: await work() };
  } catch ({ name, code, message }) {
    return { name, code, message };
  }
};
window.events = [];
window.options = { onProgress: (event) => events.push(event) };
window.loaded = async (more) => {
  window.model = await engine.load("model/manifest.json", { ...options, ...more });
  return model.kept;
};
window.chosen = async () => {
  const { files } = document.querySelector("input");
  window.model = await tinytorchEngine.load(tinytorchEngine.site, { ...options, files });
  return model.kept;
};
window.tokens = async (maxTokens = 8) => {
  const ids = [];
  for await (const { id } of model.generate([1, 2, 3], { maxTokens })) ids.push(id);
  return ids;
};
</script>
"""
MODULES = "async () => { window.engine = await import('./browser/index.mjs'); }"
SCRIPT = "() => { window.engine = tinytorchEngine; }"

KILL = """async () => {
  const ids = [];
  const told = await attempt(async () => {
    for await (const { id } of model.generate([1, 2, 3], { maxTokens: 8 })) {
      ids.push(id);
      if (ids.length === 3) worker.terminate();
    }
  });
  return { ...told, ids, later: await attempt(() => tokens()) };
}"""
REMEMBER_WORKER = """() => {
  window.Worker = class extends Worker {
    constructor(...args) { super(...args); window.worker = this; }
  };
}"""


def write_small_site(folder: Path) -> None:
    """Write a site with a small model in five pieces."""
    tiny.write_gguf(folder / "tiny.gguf", CONFIG)
    manifest = write_site(folder, folder / "tiny.gguf", PIECE)
    assert (manifest["size"], len(manifest["pieces"])) == (SIZE, 5)


def write_site(folder: Path, model: Path, piece_size: int) -> dict:
    """Write the page, the engine as modules and as a script, and the model in pieces."""
    manifest = write_pieces(
        model, folder / "model", licence="MIT", origin="a test", piece_size=piece_size
    )
    (folder / "browser").mkdir()
    for file in (*SOURCES.glob("*.mjs"), SOURCES / "kernels.wasm"):
        shutil.copy(file, folder / "browser")
    (folder / "browser" / "engine.js").write_text(engine_script(manifest), encoding="utf-8")
    (folder / "page.html").write_text(PAGE, encoding="utf-8")
    return manifest


def name(number: int) -> str:
    """Return the name of a piece."""
    return f"tiny.{number}-of-5.bin"


def starts(host: Host, name: str) -> list[int]:
    """Return the first byte of each request of a file."""
    return [start for asked, start in host.requests if asked == name]


def bytes_asked_for(host: Host) -> int:
    """Return how many bytes of the model the requests so far were for."""
    sizes = {name(number): PIECE for number in range(1, 5)} | {name(5): SIZE - 4 * PIECE}
    return sum(sizes[asked] - start for asked, start in host.asked_for())


def attempt(page: Page, work: str):
    """Return what an expression gives in the page, or what its error tells a reader."""
    return page.evaluate(f"() => attempt(async () => {work})")


def is_sentence(text: str) -> bool:
    """Whether a text is one or two sentences for a reader."""
    return re.fullmatch(r"[A-Z][^.!?]{15,200}\.( [A-Z].*\.)?", text) is not None
