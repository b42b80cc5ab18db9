"""Interactive figures on pages without a kernel: one script and one style sheet, where needed."""

from __future__ import annotations

import os
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from tinytorch.widgets import WIDGETS
from tinytorch.widgets.base import STATIC
from tinytorch.widgets.bundle import site_script, styles

SCRIPT, STYLE = "widgets.js", "widgets.css"
MARK = "data-afm="


def execute_without_front_end(app: Sphinx) -> None:
    """Tell the kernels that run the pages that their widgets are for a website."""
    os.environ[STATIC] = "1"


def link_assets(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Load the widgets on the pages that have one."""
    if MARK in context.get("body", ""):
        app.add_js_file(SCRIPT, defer="defer")
        app.add_css_file(STYLE)


def write_assets(app: Sphinx, exception: Exception | None) -> None:
    """Write script and style, from the sources that Jupyter loads too."""
    static = Path(app.outdir) / "_static"
    if exception or not static.exists():
        return
    modules = {widget.__name__: widget.module for widget in WIDGETS}
    (static / SCRIPT).write_text(site_script(modules), encoding="utf-8")
    (static / STYLE).write_text(styles(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("builder-inited", execute_without_front_end, priority=100)
    app.connect("html-page-context", link_assets, priority=300)
    app.connect("build-finished", write_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
