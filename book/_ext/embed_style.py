"""The figures' style for other people's pages: the same rules, measured by nothing of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tinycss2
from chapter_repository import ROOT

from tinytorch.widgets.bundle import source, styles

COLOURS = ROOT / "book/_static/book.css"
REM = re.compile(r"(?<![\w.-])(-?[\d.]+)rem\b")
DARK = "color-scheme:dark;"
LIGHT = "color-scheme:light;"


def embed_style() -> str:
    """Return the style sheet of ``<tt-figure>``."""
    light, dark = (LIGHT + palette("light"), DARK + palette("dark"))
    themes = (
        f".tt-embed{{{light}}}\n"
        f':host([theme="dark"]) .tt-embed{{{dark}}}\n'
        "@media (prefers-color-scheme:dark){"
        f':host(:not([theme="light"],[theme="dark"])) .tt-embed{{{dark}}}}}\n'
    )
    return "\n".join(for_containers(styles())) + "\n" + source("embed.css") + themes


def palette(theme: str) -> str:
    """Return the declarations of colours that the website has in a theme."""
    selector = f'html[data-theme="{theme}"]'
    rules = tinycss2.parse_stylesheet(COLOURS.read_text(encoding="utf-8"))
    for rule in rules:
        if rule.type == "qualified-rule" and text_of(rule.prelude) == selector:
            parts = tinycss2.parse_declaration_list(rule.content, skip_whitespace=True)
            names = (part for part in parts if part.type == "declaration")
            return "".join(
                f"{part.name}:{text_of(part.value)};"
                for part in names
                if not part.name.startswith("--pst")  # the theme's
            )
    raise ValueError(f"{COLOURS} has no rule for {selector}")


def for_containers(css: str) -> Iterator[str]:
    """Yield rules that ask for the width of the figure's place, and the reader's size of text.

    A page may set what `rem` is, and the window may be wide where a column is narrow.
    """
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type != "at-rule" or rule.lower_at_keyword != "media":
            yield REM.sub(r"calc(\1 * var(--tt-rem))", rule.serialize())
            continue
        content = REM.sub(r"calc(\1 * var(--tt-rem))", tinycss2.serialize(rule.content))
        for query in text_of(rule.prelude).split(","):
            if "width" in query:
                yield f"@container {query.strip().replace('rem', 'em')} {{{content}}}"
            else:
                yield f"@media {query.strip()} {{{content}}}"


def text_of(tokens: list) -> str:
    """Return tokens as CSS, without the space around them."""
    return tinycss2.serialize(tokens).strip()
