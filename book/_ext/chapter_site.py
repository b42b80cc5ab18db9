"""What the website sends to a reader: little, from one host, and nothing that is not used."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

UNUSED = ("sphinx-thebe", "sphinx-design", "design-tabs")
NOT_DEFERRED = "documentation_options"  # inline scripts read what it sets
DESCRIPTION_LENGTH = 160

MENDED = {
    '<div role="list" class="citation-list">': "<div>",  # its entries are no list items
    ' role="doc-biblioentry"': "",  # WAI-ARIA has withdrawn it
    '<summary aria-label="Toggle hidden content">': "<summary>",  # it says what it shows
    '<th class="head"><p></p></th>': '<td class="head"></td>',  # the corner heads nothing
}
"""What docutils and myst-nb write, and what should be there."""

SCROLLERS = "scrollers.js"
COPY_BUTTONS = "copy_buttons.js"
THEME_SCRIPT = "scripts/pydata-sphinx-theme.js"
LAYS_OUT = re.compile(r'function (\w+)\(\)\{const \w+=\(\)=>\{document\.querySelectorAll\(\["pre",')
MENDED_CALL = f"void '{SCROLLERS} does it'"

START_PAGE = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8" />
<meta http-equiv="refresh" content="0; url={first}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta name="description" content="{text}" />
<meta property="og:title" content="{title}" />
<meta property="og:description" content="{text}" />
<meta property="og:type" content="website" />
<title>{title}</title>
</head>
<body><main><h1>{title}</h1><p>{text}</p><p><a href="{first}">Read on</a></p></main></body>
</html>
"""


def drop_thebe(app: Sphinx, config: Config) -> None:
    """Disconnect sphinx-thebe, which Jupyter Book always loads.

    It offers to run cells in the page with a script from another host, and declares its variables
    twice, which is an error in the browser's console.
    """
    for listeners in app.events.listeners.values():
        listeners[:] = [item for item in listeners if item.handler.__module__ != "sphinx_thebe"]


def add_social_tags(app: Sphinx, config: Config) -> None:
    """Load what needs the site's address, where that is known."""
    if config.html_baseurl:
        config.ogp_site_url = config.html_baseurl
        config.ogp_enable_meta_description = False  # every page has one, see choose_assets
        config.sitemap_url_scheme = "{link}"
        app.setup_extension("sphinxext.opengraph")
        app.setup_extension("sphinx_sitemap")


def choose_assets(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Leave out scripts and styles that no page uses, and let the others wait for the page."""
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context[kind]
            if not any(name in str(getattr(file, "filename", file)) for name in UNUSED)
        ]
    for script in context["script_files"]:
        name = getattr(script, "filename", None)
        if name and NOT_DEFERRED not in str(name):
            # The search page starts to search while it is read.
            script.attributes["defer"] = "defer" if pagename != "search" else None
    if doctree is not None:
        text = escape(describe(doctree))
        context["metatags"] += f'\n<meta name="description" content="{text}" />'
        if not app.config.html_baseurl:  # else sphinxext-opengraph writes them, and an image
            title = escape(unescape(re.sub("<[^>]*>", "", context["title"])))
            for name, value in (("title", title), ("description", text), ("type", "article")):
                context["metatags"] += f'\n<meta property="og:{name}" content="{value}" />'


def mend_markup(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Mend what screen readers would be told wrongly."""
    for wrong, right in MENDED.items():
        if "body" in context:
            context["body"] = context["body"].replace(wrong, right)


def mend_theme(app: Sphinx, exception: Exception | None) -> None:
    """Let `SCROLLERS` do what the theme does at the price of laying out the whole page again.

    Raises
    ------
    ExtensionError
        If the theme's script is not as expected.
    """
    if exception or app.builder.name != "html":
        return
    file = Path(app.outdir) / "_static" / THEME_SCRIPT
    script = file.read_text(encoding="utf-8")
    if MENDED_CALL in script:
        return
    found = LAYS_OUT.search(script)
    name = found[1] if found else ""
    call = f'"complete"===document.readyState?{name}():window.addEventListener("load",{name})'
    if script.count(call) != 1:
        raise ExtensionError(
            f"the theme's {THEME_SCRIPT} has changed: chapter_site.LAYS_OUT finds no function "
            f"called once that gives a tabindex to what scrolls. Is {SCROLLERS} still needed?"
        )
    file.write_text(script.replace(call, MENDED_CALL), encoding="utf-8")


def describe(doctree: nodes.document) -> str:
    """Return the beginning of a page's first paragraph, whole words of it."""
    paragraph = next(iter(doctree.findall(nodes.paragraph)), None)
    text = " ".join(paragraph.astext().split()) if paragraph else "KV caching, measured"
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + " …"


def write_start_page(app: Sphinx, exception: Exception | None) -> None:
    """Write the page that leads to the first one; a shared link to the site shows its words."""
    if exception or app.builder.name != "html":
        return
    first = app.builder.get_target_uri(app.config.root_doc)
    title = escape(app.config.html_title)
    text = escape(describe(app.env.get_doctree(app.config.root_doc)))
    page = START_PAGE.format(language=app.config.language, first=first, title=title, text=text)
    (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything; the order of config-inited follows the priorities."""
    app.add_js_file(SCROLLERS, defer="defer")
    app.add_js_file(COPY_BUTTONS, defer="defer", priority=900)  # behind what makes the buttons
    app.connect("config-inited", drop_thebe, priority=100)
    app.connect("config-inited", add_social_tags, priority=200)
    app.connect("html-page-context", choose_assets, priority=900)
    app.connect("html-page-context", mend_markup)
    app.connect("build-finished", mend_theme)
    app.connect("build-finished", write_start_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
