"""Interactive figures on pages without a kernel: each page loads the scripts of its own figures."""

from __future__ import annotations

import os
import re
from pathlib import Path

from chapter_browser import has_model
from docutils import nodes
from embed import FOLDER, reading_order, write_embed
from sphinx.application import Sphinx

from tinytorch.models import smollm2_gguf
from tinytorch.widgets import WIDGETS
from tinytorch.widgets.base import STATIC
from tinytorch.widgets.bundle import host_script, styles, view_script

HOST, STYLE = "widgets.js", "widgets.css"
VIEWS = {widget.__name__: f"widgets/{widget.module}.js" for widget in WIDGETS}
MARK = re.compile(r'data-afm="(\w+)"')


def execute_without_front_end(app: Sphinx) -> None:
    """Tell the kernels that run the pages that their widgets are for a website."""
    os.environ[STATIC] = "1"


def link_assets(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Load the host on the pages that have a figure, then each figure's view in their order."""
    names = dict.fromkeys(MARK.findall(context.get("body", "")))
    if not names:
        return
    app.add_css_file(STYLE)
    for script in (HOST, *(VIEWS[name] for name in names)):
        app.add_js_file(script, defer="defer")


def write_assets(app: Sphinx, exception: Exception | None) -> None:
    """Write scripts and style, from the sources that Jupyter loads too."""
    static = Path(app.outdir) / "_static"
    if exception or not static.exists():
        return
    size = smollm2_gguf().stat().st_size if has_model() else None
    (static / HOST).write_text(host_script(size), encoding="utf-8")
    (static / STYLE).write_text(styles(), encoding="utf-8")
    (static / "widgets").mkdir(exist_ok=True)
    for widget in WIDGETS:
        script = view_script(widget.__name__, widget.module)
        (static / VIEWS[widget.__name__]).write_text(script, encoding="utf-8")


def write_figures_for_others(app: Sphinx, exception: Exception | None) -> None:
    """Write the folder from which other websites show the figures, where the site has any."""
    if not exception and app.builder.name == "html":
        site = Path(app.outdir)
        write_embed(site, site / FOLDER, reading_order())


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("builder-inited", execute_without_front_end, priority=100)
    app.connect("html-page-context", link_assets, priority=300)
    app.connect("build-finished", write_assets)
    app.connect("build-finished", write_figures_for_others)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
