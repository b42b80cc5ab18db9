"""One figure on a page of its own, answered from memory: no site has to be built for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.drivers import Browser, Locator, Page, Route, expect
from tests.browser.pages import show_all_figures
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.bundle import host_script, source, styles, view_script

SITE = "http://figure.invalid/"
LOOK = """
:root { color-scheme: light dark; }
html {
  --pst-color-text-base: light-dark(#1b1c1d, #ced6dd);
  --pst-color-background: light-dark(#fff, #14181e);
  --kept: light-dark(#1a6ba3, #56b0ea);
  --now: light-dark(#b34e00, #ff8a3d);
  --again: light-dark(#6b6b6b, #a6a6a6);
  color: var(--pst-color-text-base);
  background: var(--pst-color-background);
}
body { max-width: 46rem; margin: 0 auto; padding: 8px; }
h1 { font-size: 1.25rem; }
.tt-alive > .tt-fallback { display: none; }
.tt-chart svg { width: 100%; }
"""
"""The colours of the book's pages, and what they do with a fallback."""


def document(widget: ChapterWidget, model_bytes: int | None = None) -> dict[str, str]:
    """Return a page with a figure, and its scripts, by name.

    Parameters
    ----------
    widget : ChapterWidget
    model_bytes : int, optional
        The size of the site's model, if it has one.
    """
    name, words = type(widget).__name__, widget.words
    view = view_script(name, widget.module, words)
    scripts = {"host.js": host_script(model_bytes, words), "view.js": view}
    loads = "".join(f'<script src="{script}"></script>' for script in scripts)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    style = f"<style>{LOOK}{styles()}</style>"
    body = f"<main><h1>{name}</h1>{widget.to_html()}</main>{loads}"
    top = f'<html lang="{words.name}"><head>{head}<title>{name}</title>{style}</head>'
    return {"": f"<!doctype html>{top}{body}", **scripts}


def answer_with(page: Page, parts: dict[str, str]) -> None:
    """Let a page's requests be answered by `parts`, and modules by the package's own."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(SITE).partition("#")[0]
        if name.endswith(".mjs"):
            route.fulfill(body=source(name), content_type="text/javascript")
            return
        kind = "text/javascript" if name else "text/html; charset=utf-8"
        route.fulfill(body=parts.get(name, ""), content_type=kind)

    page.route(f"{SITE}**", answer)


@contextmanager
def single(
    browser: Browser, widget: ChapterWidget, *, fragment: str = "", **options
) -> Iterator[tuple[Page, Locator]]:
    """Open a page with one figure; yield both, and see that nothing went wrong.

    Parameters
    ----------
    browser, widget
    fragment : str
        Of the page's address.
    **options
        Of the browser's context.
    """
    context = browser.new_context(**options)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    answer_with(page, document(widget))
    page.goto(f"{SITE}{fragment}")
    view = page.locator(".tt-w")
    if options.get("java_script_enabled", True):
        show_all_figures(page)
        expect(view).to_be_visible()
    try:
        yield page, view
        assert problems == []
    finally:
        context.close()
