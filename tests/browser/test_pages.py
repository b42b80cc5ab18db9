"""Every page, light and dark, in a real browser."""

import re

import pytest

from tests.browser.conftest import SITE
from tests.browser.drivers import expect
from tests.browser.drivers.only import PAPER
from tests.browser.figures import TEXTS
from tests.browser.pages import opened, overflow, violations

PAGES = sorted(str(page.relative_to(SITE)) for page in SITE.glob("book/*.html"))
PAGES += ["genindex.html", "search.html"]
KINDS = ("book/intro.html", "book/build.html", "genindex.html", "search.html")
"""A page of each kind: of one kind, all have the same header, sidebars and footer."""

OF_COLOURS = ("color-contrast", "link-in-text-block")
"""Rules of axe-core that a page's colours decide. The others find in the dark what they find in the
light, but for what only the dark header shows."""

RESIZED_MS = 700
"""The theme makes what now scrolls reachable by keyboard, a moment after the window changed."""

HEAVIEST = 250 * 2**10
"""Bytes over the wire for a first visit."""


CUT = """() => [...document.querySelectorAll("article :is(pre, .text_html, .math-block)")]
  .filter((e) => e.getClientRects().length && getComputedStyle(e).overflowX !== "visible")
  .filter((e) => e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.textContent.trim().slice(0, 80))"""
"""What would have to be scrolled to be read."""

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 780}
NARROWEST = {"width": 360, "height": 740}
SHEET = {"width": 794, "height": 1123}
"""A4 at 96 dots an inch."""

STILL = {"viewport": DESK, "reduced_motion": "reduce"}
"""A token that lights up has less contrast for a moment."""


@pytest.fixture(scope="module", params=PAGES)
def visit(request, browser, site_url):
    """A page in the light, opened once for all that is looked at there; its problems, and sizes."""
    url = f"{site_url}/{request.param}"
    with opened(browser, url, site_url, color_scheme="light", **STILL) as visited:
        yield visited


@pytest.mark.everywhere
def test_a_page_opens_cleanly_on_a_desk_and_on_a_phone(visit):
    page, problems, _ = visit
    assert page.locator("h1:visible").count() == 1
    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        assert overflow(page) <= 0
    assert problems == []


def test_a_page_is_accessible_on_a_desk_and_on_the_narrowest_phone(visit):
    page, problems, sizes = visit
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.set_viewport_size(DESK)
    assert violations(page) == []
    page.set_viewport_size(NARROWEST)
    page.wait_for_timeout(RESIZED_MS)
    assert overflow(page) <= 0
    assert violations(page) == []
    assert problems == []
    assert sum(sizes) < HEAVIEST


@PAPER
def test_nothing_is_cut_off_on_paper(visit):
    page, _, _ = visit
    page.set_viewport_size(SHEET)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(CUT) == []
    said = page.locator("article svg").evaluate_all(f"(drawings) => drawings.flatMap({TEXTS})")
    # Labels that stand aslant lie over each other only by their boxes.
    assert [words for words in said if words.startswith("outside: ")] == []
    assert overflow(page) <= 0
    for hint in page.locator(".toggle-button, details.hide > summary").all():
        assert not hint.is_visible()
    for solution in page.locator("div.solution.dropdown > .section").all():
        assert solution.is_visible()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_quiet_accessible_and_narrow_in_the_dark(browser, site_url, path):
    with opened(browser, f"{site_url}/{path}", site_url, color_scheme="dark", **STILL) as visited:
        page, problems, sizes = visited
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert violations(page, rules=None if path in KINDS else OF_COLOURS) == []
        page.set_viewport_size(NARROWEST)
        page.wait_for_timeout(RESIZED_MS)
        assert overflow(page) <= 0  # the colours of the dark page do not change with its width
        assert problems == []
        assert sum(sizes) < HEAVIEST


@pytest.mark.parametrize("path", PAGES)
def test_a_page_works_from_a_file(browser, path):
    with opened(browser, f"file://{SITE}/{path}", "file://") as (page, problems, _):
        assert page.locator("h1:visible").count() == 1
        assert problems == []


def test_the_theme_can_be_switched_and_charts_follow(browser, site_url):
    url = f"{site_url}/book/speed.html"
    with opened(browser, url, site_url, color_scheme="light") as (page, problems, _):
        label = page.locator(".tt-chart text:visible").first

        def colour():
            return label.evaluate("element => getComputedStyle(element).fill")

        before = colour()
        button = page.locator("button.theme-switch-button:visible").first
        button.focus()
        for _ in range(3):
            page.keyboard.press("Enter")
            if page.evaluate("document.documentElement.dataset.theme") == "dark":
                break
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert colour() != before
        assert problems == []


@pytest.mark.parametrize("from_file", [False, True])
def test_search_finds_a_word(browser, site_url, from_file):
    host = "file://" if from_file else site_url
    root = f"file://{SITE}" if from_file else site_url
    with opened(browser, f"{root}/search.html?q=concatenate", host) as (page, problems, _):
        expect(page.locator("#search-results li a").first).to_be_visible()
        assert "Build the cache" in page.locator("#search-results").inner_text()
        assert problems == []


@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("memory", "memory"),
        ("GQA", "memory"),
        ("prefill", "enable"),
        ("overflow", "build"),
        ("speedup", "speed"),
        ("roofline", "speed"),
        ("paged", "beyond"),
        ("batching", "serve"),
        ("preemption", "serve"),
        ("speculation", "serve"),
        ("padding", "bugs"),
    ],
)
def test_search_finds_the_page_that_teaches_a_word_first(browser, site_url, word, page):
    with opened(browser, f"{site_url}/search.html?q={word}", site_url) as (tab, problems, _):
        first = tab.locator("#search-results li a").first
        expect(first).to_be_visible()
        assert f"book/{page}.html" in first.get_attribute("href")
        field = tab.locator(".bd-search-container input")
        icon = tab.locator(".bd-search-container .bd-search i").bounding_box()
        padding = field.evaluate("e => parseFloat(getComputedStyle(e).paddingLeft)")
        assert icon["x"] + icon["width"] <= field.bounding_box()["x"] + padding
        assert problems == []


SCROLLERS = """() => [...document.querySelectorAll(
    "article :is(pre, .cell_output > .output, .pst-scrollable-table-container)")]
  .filter((e) => e.getClientRects().length)
  .map((e) => [e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight,
    e.getAttribute("tabindex")])"""
"""Whether each box has more than it shows, and its place in the order of the Tab key."""


def test_what_scrolls_sideways_is_reached_and_moved_by_key(browser, site_url):
    size = {"width": 390, "height": 780}
    with opened(browser, f"{site_url}/book/serve.html", site_url, viewport=size) as (page, _, _):
        page.wait_for_function(f"({SCROLLERS})().every(([more, tab]) => more === (tab === '0'))")
        assert [more for more, _ in page.evaluate(SCROLLERS)].count(True) > 0
        table = page.locator("article .cell_output > .output[tabindex='0']").first
        table.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.scrollLeft > 0")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.wait_for_function(f"({SCROLLERS})().every(([more, tab]) => !more && tab === null)")


def test_the_search_button_is_called_what_it_shows(browser, site_url):
    with opened(browser, f"{site_url}/book/intro.html", site_url) as (page, _, _sizes):
        button = page.locator("button.search-button-field")
        assert not button.get_attribute("aria-label")
        expect(button).to_have_accessible_name(re.compile("^Search Ctrl"))


def test_the_keyboard_reaches_the_text_and_the_copy_button(browser, site_url):
    with opened(browser, f"{site_url}/book/build.html", site_url) as (page, _, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
        button = page.locator("button.copybtn").first
        button.focus()
        assert button.evaluate("element => element === document.activeElement")


def test_a_solution_is_folded_and_opens_with_the_keyboard(browser, site_url):
    with opened(browser, f"{site_url}/book/build.html", site_url) as (page, _, _):
        solution = page.locator("div.solution.dropdown").first
        button = solution.locator("button").first
        code = solution.locator("div.cell").first
        assert not code.is_visible()
        button.focus()
        page.keyboard.press("Enter")
        expect(code).to_be_visible()
