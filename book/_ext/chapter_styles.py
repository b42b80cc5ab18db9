"""The site's style in one file: the rules that some page can use, and icons without a font.

The theme brings a style rule for everything that it could show: 310 kB, which a browser must
fetch and read before it draws a page. Few of them can match anything on this site.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path, PurePath
from urllib.parse import quote

import tinycss2
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from tinycss2.ast import AtRule, Node, QualifiedRule

WORD = re.compile(r"[\w-]+")
ICON = re.compile(r"fa-[a-z-]+")
NOT_ICONS = {"fa-solid", "fa-regular", "fa-brands", "fa-lg", "fa-fw"}
NESTED = {"media", "supports"}
"""Rules that hold rules."""

DROPPED = {"font-face", "import"}
"""Fonts are those of icons, which are drawn otherwise; what is imported is joined."""

SHEETS = (
    "basic.css",
    "styles/theme.css",  # which only imports the first
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "togglebutton.css",
    "copybutton.css",
    "mystnb.*.css",
    "exercise.css",
    "icons.css",
    "widgets.css",
    "book.css",
)
"""All sheets that pages link, in their order. They are sent as one file, in one request."""

JOINED = "site.css"
LINK = re.compile(
    r'\s*<link rel="stylesheet" (?:type="text/css" )?href="([^"]*)_static/([^"?]*)[^"]*" />'
)
THEMED = re.compile(r'<link\b[^>]*\bhref="[^"]*_static/[^"]*\.css')
"""Any link to one of them, however it is written. Slides and figures for others have none."""

OWN = ("icons.css", "widgets.css", "book.css")
"""Sheets whose rules are all used, and whose names scripts put together."""

COMPOSED = "bs-"
"""How the names of the classes begin that Bootstrap's script puts together."""

LAST = 900


def lighten(app: Sphinx, exception: Exception | None) -> None:
    """Leave out the rules that no page can use, and draw icons without their library."""
    if exception or app.builder.name != "html":
        return
    static = Path(app.outdir) / "_static"
    classes, words = used_names(Path(app.outdir))
    library = (static / "scripts/fontawesome.js").read_text(encoding="utf-8")
    icons = sorted({name for name in classes if ICON.fullmatch(name)} - NOT_ICONS)
    rules = [icon_rule(name, library) for name in icons]
    (static / "icons.css").write_text("\n".join(rules) + "\n", encoding="utf-8")
    css = joined(static, classes | words)
    (static / JOINED).write_text(css, encoding="utf-8")
    link_joined(Path(app.outdir), hashlib.sha256(css.encode()).hexdigest()[:8])
    for file in (*static.rglob("*.map"), *static.glob("vendor/fontawesome/webfonts/*")):
        file.unlink()


def joined(static: Path, classes: set[str]) -> str:
    """Leave in each sheet what can match anything; return all sheets, in their order.

    They stay beside the joined one: a build that has no page to write copies none of them again.

    Raises
    ------
    ExtensionError
        If a sheet is missing.
    """
    parts = []
    for name in SHEETS:
        files = list(static.glob(name))
        if not files:
            raise ExtensionError(f"chapter_styles lists the style sheet {name}, which is missing")
        for file in files:
            css = file.read_text(encoding="utf-8")
            if name not in OWN:
                css = without_unused(css, classes)
                file.write_text(css, encoding="utf-8")
            parts.append(css)
    return "\n".join(parts)


def theme_pages(site: Path) -> Iterator[tuple[Path, str]]:
    """Yield each page that has the theme's style, and its HTML."""
    for page in site.rglob("*.html"):
        if site / "_static" in page.parents:  # templates of the theme
            continue
        html = page.read_text(encoding="utf-8")
        if THEMED.search(html):
            yield page, html


def link_joined(site: Path, version: str) -> None:
    """Let each page load the joined sheet instead of its parts.

    Raises
    ------
    ExtensionError
        If a page links a sheet that is not among them, or in another way than `LINK` expects.
    """
    for page, html in theme_pages(site):
        links = list(LINK.finditer(html))
        names = [link[2] for link in links]
        if len(links) != (count := len(THEMED.findall(html))):
            raise ExtensionError(
                f"{page.name} links {count} style sheets, and chapter_styles.LINK "
                f"finds {len(links)} of them: how does the theme write them now?"
            )
        if names == [JOINED]:
            continue
        if unknown := [name for name in names if not any(map(PurePath(name).match, SHEETS))]:
            raise ExtensionError(f"{page.name} links {unknown}: add them to chapter_styles.SHEETS")
        one = f'\n  <link rel="stylesheet" href="{links[0][1]}_static/{JOINED}?v={version}" />'
        first, rest = html[: links[0].start()], html[links[0].start() :]
        page.write_text(first + one + LINK.sub("", rest), encoding="utf-8")


class Names(HTMLParser):
    """The classes of a page's elements, and the words of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.classes: set[str] = set()
        self.words: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note classes."""
        self.classes.update((dict(attrs).get("class") or "").split())

    def handle_data(self, data: str) -> None:
        """Note the words of a script, which the parser does not look into."""
        if self.cdata_elem == "script":
            self.words.update(WORD.findall(data))


def used_names(site: Path) -> tuple[set[str], set[str]]:
    """Return the classes of the theme's pages, and every word of the scripts, which may set one."""
    names = Names()
    for _, html in theme_pages(site):
        names.feed(html)
        names.close()
        names.reset()
    for script in (site / "_static").rglob("*.js"):
        names.words.update(WORD.findall(script.read_text(encoding="utf-8")))
    return names.classes, names.words


def without_unused(css: str, classes: set[str]) -> str:
    """Return a style sheet without fonts and without rules that need a class that nothing has."""
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    return _serialize(rules, classes)


def _serialize(rules: Iterable[Node], classes: set[str]) -> str:
    return "".join(_text(rule, classes) for rule in rules)


def _text(rule: Node, classes: set[str]) -> str:
    if isinstance(rule, QualifiedRule):
        selectors = [part for part in _split(rule.prelude) if _can_match(part, classes)]
        if not selectors:
            return ""
        text = ",".join(tinycss2.serialize(selector).strip() for selector in selectors)
        return f"{text}{{{tinycss2.serialize(rule.content).strip()}}}\n"
    if isinstance(rule, AtRule) and rule.lower_at_keyword in NESTED:
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        text = _serialize(inner, classes)
        prelude = tinycss2.serialize(rule.prelude)
        return f"@{rule.at_keyword}{prelude}{{{text}}}\n" if text else ""
    if isinstance(rule, AtRule) and rule.lower_at_keyword in DROPPED:
        return ""
    return f"{rule.serialize()}\n"


def _split(prelude: list[Node]) -> list[list[Node]]:
    """Split a list of selectors at its commas."""
    selectors: list[list[Node]] = [[]]
    while prelude and prelude[-1].type == "whitespace":
        prelude = prelude[:-1]
    for node in prelude:
        if node.type == "literal" and node.value == ",":
            selectors.append([])
        else:
            selectors[-1].append(node)
    return selectors


def _can_match(selector: list[Node], classes: set[str]) -> bool:
    """Whether something has each class that a selector names outside of brackets."""
    needed = [
        name.value
        for dot, name in pairwise(selector)
        if dot.type == "literal" and dot.value == "." and name.type == "ident"
        if not name.value.startswith(COMPOSED)
    ]
    is_glyph = any(ICON.fullmatch(name) for name in needed) and selector[-1].type == "ident"
    return set(needed) <= classes and not (is_glyph and selector[-1].value == "before")


def icon_rule(name: str, library: str) -> str:
    """Return a style rule that draws an icon of Font Awesome in the colour of its text.

    The outline is taken from the library that the theme's package holds, by the icon's name of
    today or an older one.

    Raises
    ------
    ExtensionError
        If the library has no such icon.
    """
    short = name.removeprefix("fa-")
    key, alias = (
        rf'["{{,]{short}"?:\[(\d+),(\d+),\[[^\]]*\]',
        rf'\[(\d+),(\d+),\[[^\]]*"{short}"[^\]]*\]',
    )
    outlines = (re.search(rf'{found},"[0-9a-f]+","([^"]+)"\]', library) for found in (key, alias))
    entry = next(filter(None, outlines), None)
    if entry is None:
        raise ExtensionError(f"the theme's fontawesome.js has no outline of the icon {name}")
    width, height, outline = entry.groups()
    image = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<path d="{outline}"/></svg>'
    )
    return f'.{name} {{ --icon: url("data:image/svg+xml,{quote(image, safe=" /:=,")}"); }}'


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything; what others write when the build is finished must be there."""
    app.add_css_file("icons.css")
    app.connect("build-finished", lighten, priority=LAST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
