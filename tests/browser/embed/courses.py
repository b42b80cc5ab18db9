"""Somebody else's pages, which show figures from the folder of `make embed` on another host."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embed import FIGURES, reading_order, write_embed
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SITE
from tests.browser.pages import opened
from tests.browser.server import serve

NAMES = tuple(FIGURES)
READABLE = {"Access-Control-Allow-Origin": "*"}
CALM = {"reduced_motion": "reduce", "viewport": {"width": 1280, "height": 900}}

PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>A course</title><link rel="icon" href="data:,">{head}</head>
<body><main><h1>A course</h1>{body}</main></body>
</html>
"""


def write_folder(folder: Path) -> Path:
    """Write the folder of the built site's figures; return that of the version."""
    return write_embed(SITE, folder, reading_order())[0].parent


def figure(name: str, inside: str = "", **attributes: str) -> str:
    """Write an element; `data_` and the like have no underscore behind them in HTML."""
    more = "".join(f' {key.rstrip("_")}="{value}"' for key, value in attributes.items())
    return f'<tt-figure name="{name}"{more}>{inside}</tt-figure>'


def script(url: str) -> str:
    return f'<script type="module" src="{url}tt-figure.js" crossorigin="anonymous"></script>'


def page_of(url: str, body: str, head: str = "") -> str:
    """Write a page that loads the script."""
    return PAGE.format(head=head + script(url), body=body)


@contextmanager
def course(
    browser: Browser,
    folder: Path,
    html: str,
    hosts: Sequence[str],
    *,
    headers: dict[str, str] | None = None,
    fragment: str = "",
    **options,
) -> Iterator[tuple[Page, list[str]]]:
    """Serve a page from a host of its own, open it; yield it with what went wrong."""
    (folder / "course.html").write_text(html, encoding="utf-8")
    with serve(folder, headers) as own:
        url = f"{own}/course.html{fragment}"
        with opened(browser, url, own, *hosts, **CALM | options) as (page, problems, _):
            yield page, problems


def widget(page: Page, name: str) -> Locator:
    """Return a figure's view, which lies in the element's shadow root."""
    return page.locator(f"tt-figure[name={name}] .tt-w")


def wait_until_shown(page: Page, count: int) -> None:
    """Wait until so many figures are drawn, in full."""
    expect(page.locator("tt-figure .tt-w")).to_have_count(count)
    expect(page.locator("tt-figure fieldset[aria-busy]")).to_have_count(0)
    for band in page.locator("tt-figure svg.tt-band").all():
        expect(band.locator("*").first).to_be_attached()
