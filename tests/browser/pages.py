"""Open a page of the site with every other host blocked, and look at it as tools do."""

import re
from collections.abc import Sequence
from contextlib import contextmanager

from tests.browser.axe import new_axe
from tests.browser.drivers import Browser, Page

AXE = {"preload": False, "resultTypes": ["violations"]}
"""The site has no other host's style sheets to load, and what passes needs no report."""

DROPPED = ("net::ERR_ABORTED", "NS_BINDING_ABORTED")
"""What browsers say of a request that was under way when the reader went on to another page."""

HALF_READ = "Incorrect number of children for <m"
"""Firefox says so of a formula that it draws before it has read the end: see book/test_site.py."""


@contextmanager
def opened(browser: Browser, url: str, *hosts: str, **options):
    """Open a page with every other host blocked; yield it with what went wrong."""
    context = browser.new_context(**options)
    page, problems, sizes = context.new_page(), [], []
    allowed = (*hosts, "data:", "blob:")

    def note(request):
        if not request.url.startswith(allowed):
            problems.append(f"request to {request.url}")

    def note_failure(request):
        if request.failure not in DROPPED:
            problems.append(f"failed: {request.url} {request.failure}")

    def note_error(error):
        if not str(error).startswith(HALF_READ):
            problems.append(f"error: {error}")

    def measure(request):
        sizes.append(request.sizes()["responseBodySize"])

    page.on("request", note)
    page.on("requestfinished", measure)
    page.on("requestfailed", note_failure)
    page.on("pageerror", note_error)
    page.on(
        "console",
        lambda message: (
            problems.append(f"console: {message.text} {message.location['url']}")
            if message.type in ("error", "warning")
            else None
        ),
    )
    others = "|".join(map(re.escape, allowed))
    context.route(re.compile(f"^(?!{others})"), lambda route: route.abort())
    page.goto(url, wait_until="networkidle")
    show_all_figures(page)
    try:
        yield page, problems, sizes
    finally:
        context.close()


def show_all_figures(page: Page) -> None:
    """Show the figures that are still far from the window: they come at the first key, too.

    A browser may drop a real key that is pressed before it has painted the page.
    """
    page.evaluate("dispatchEvent(new KeyboardEvent('keydown', { key: 'Shift' }))")


def violations(
    page: Page, within: str | None = None, rules: Sequence[str] | None = None
) -> list[str]:
    """What axe-core finds in a page or a part of it, of any level, by all rules or by some."""
    only = {"runOnly": {"type": "rule", "values": [*rules]}} if rules else {}
    found = new_axe().run(page, within, AXE | only).response["violations"]
    return [f"{item['id']}: {node['html'][:200]}" for item in found for node in item["nodes"]]


def overflow(page: Page) -> int:
    """How many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
