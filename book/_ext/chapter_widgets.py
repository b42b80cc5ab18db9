"""Interactive figures on pages without a kernel: each page loads the scripts of its own figures."""

from __future__ import annotations

import json
import os
import re
from html import unescape
from pathlib import Path

from chapter_browser import has_model
from docutils import nodes
from embed import FIGURE, FOLDER, reading_order, write_embed
from sphinx.application import Sphinx
from sphinx.config import Config

from tinytorch.models import smollm2_gguf
from tinytorch.widgets import WIDGETS
from tinytorch.widgets.base import STATIC
from tinytorch.widgets.bundle import host_script, styles, view_script
from tinytorch.widgets.generation_player import Savings
from tinytorch.widgets.language import ENGLISH, Language, languages

HOST, STYLE = "widgets.js", "widgets.css"
CLASSES = {widget.__name__: widget for widget in WIDGETS}
VIEWS = {name: f"widgets/{widget.module}.js" for name, widget in CLASSES.items()}
MARK = re.compile(r'data-afm="(\w+)"')
SAVINGS = re.compile(r'<ul class="tt-numbers" data-savings="([^"]*)"')


def execute_without_front_end(app: Sphinx) -> None:
    """Tell the kernels that run the pages that their widgets are for a website."""
    os.environ[STATIC] = "1"


def language_of(config: Config) -> Language:
    """Return the language of the pages, or English where the figures do not speak it."""
    return Language(config.language) if config.language in languages() else ENGLISH


def draw_again(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Draw what readers without scripts see in the language of the pages, which ran in English."""
    language = language_of(app.config)
    if language == ENGLISH:
        return
    for node in list(doctree.findall(nodes.raw)):
        text = node.astext()
        if found := FIGURE.match(text):
            figure = CLASSES[found[1]].from_state(json.loads(found[2]), language.name)
            html = figure.to_html()
        elif found := SAVINGS.match(text):
            values = json.loads(unescape(found[1]))
            html = Savings(**values, words=language)._repr_html_()
        else:
            continue
        node.replace_self(nodes.raw("", html, format="html"))


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
    language = language_of(app.config)
    (static / HOST).write_text(host_script(size, language), encoding="utf-8")
    (static / STYLE).write_text(styles(), encoding="utf-8")
    (static / "widgets").mkdir(exist_ok=True)
    for name, widget in CLASSES.items():
        script = view_script(name, widget.module, language)
        (static / VIEWS[name]).write_text(script, encoding="utf-8")


def write_figures_for_others(app: Sphinx, exception: Exception | None) -> None:
    """Write the folder from which other websites show the figures, where the site has any."""
    if not exception and app.builder.name == "html":
        site = Path(app.outdir)
        write_embed(site, site / FOLDER, reading_order(), language_of(app.config))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("builder-inited", execute_without_front_end, priority=100)
    app.connect("doctree-resolved", draw_again)
    app.connect("html-page-context", link_assets, priority=300)
    app.connect("build-finished", write_assets)
    app.connect("build-finished", write_figures_for_others)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
