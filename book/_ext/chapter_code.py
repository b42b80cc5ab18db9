"""Highlighted code: lines wider than a phone, and no element for what is not coloured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape

from docutils import nodes
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES, Text
from sphinx.application import Sphinx

BLOCK = re.compile(r'(<div class="highlight"><pre>(?:<span></span>)?)(.*?)(</pre>)', re.DOTALL)
TAG = re.compile(r"<[^>]*>")


def plain_classes(styles: Iterable[str]) -> set[str]:
    """Return the classes of the tokens that each of Pygments' styles draws like any text."""
    drawn = [get_style_by_name(name) for name in styles]
    return {
        css
        for token, css in STANDARD_TYPES.items()
        if css
        and all(style.style_for_token(token) == style.style_for_token(Text) for style in drawn)
    }


def without_plain(html: str, classes: set[str]) -> str:
    """Take elements of these classes away, and leave their text.

    More than half of the elements of a page with much code are such.
    """
    names = "|".join(sorted(classes))
    return re.sub(rf'<span class="(?:{names})">([^<]*)</span>', r"\1", html)


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


def lighten_code(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Mark the lines of a page's code, and drop what colours nothing."""
    if "body" in context:
        options = app.config.html_theme_options
        styles = (options["pygments_light_style"], options["pygments_dark_style"])
        context["body"] = with_lines(without_plain(context["body"], plain_classes(styles)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("html-page-context", lighten_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
