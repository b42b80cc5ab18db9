"""Lines of code that are wider than a phone go on below their own indentation."""

from __future__ import annotations

import re
from html import unescape

from docutils import nodes
from sphinx.application import Sphinx

BLOCK = re.compile(r'(<div class="highlight"><pre>(?:<span></span>)?)(.*?)(</pre>)', re.DOTALL)
TAG = re.compile(r"<[^>]*>")


def indent(line: str) -> int:
    """Return how many spaces a highlighted line begins with."""
    text = unescape(TAG.sub("", line))
    return len(text) - len(text.lstrip(" "))


def with_lines(html: str) -> str:
    """Put each line of highlighted code into an element that knows its indentation.

    Pygments closes its own elements at the end of every line.
    """

    def wrap(block: re.Match) -> str:
        start, code, end = block.groups()
        lines = (
            f'<span class="code-line" style="--indent:{spaces}">{line}</span>'
            if (spaces := indent(line))
            else f'<span class="code-line">{line}</span>'
            for line in code.splitlines(keepends=True)
        )
        return start + "".join(lines) + end

    return BLOCK.sub(wrap, html)


def mark_lines(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Mark the lines of a page's code."""
    if "body" in context:
        context["body"] = with_lines(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("html-page-context", mark_lines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
