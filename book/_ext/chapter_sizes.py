"""How tall charts and code will be, so that a browser may lay them out when they come near.

`book.css` lets it do so (``content-visibility``). With the sizes known, nothing moves then.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

CHART = re.compile(r'<div class="(tt-chart[^"]*)">(?=<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)")')
CODE = re.compile(r'<div class="cell_input docutils container">(?=(.*?)</pre>)', re.DOTALL)
LINE = '<span class="code-line"'


def with_sizes(html: str) -> str:
    """Give each chart its ratio, and the code of each cell its number of lines."""

    def count(cell: re.Match) -> str:
        return f'{cell[0][:-1]} style="--lines: {cell[1].count(LINE)}">'

    return CODE.sub(count, CHART.sub(r'<div class="\1" style="aspect-ratio: \2 / \3">', html))


def add_sizes(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Add the sizes to a page; `chapter_code` has marked its lines."""
    if "body" in context:
        context["body"] = with_sizes(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything, after the extension that marks the lines."""
    app.setup_extension("chapter_code")
    app.connect("html-page-context", add_sizes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
