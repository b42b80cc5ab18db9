"""The widgets on the built site: no kernel, no other host, served and from a file."""

import gzip
import re

import pytest

from tests.browser.conftest import SITE
from tests.browser.drivers import expect
from tests.browser.drivers.only import CLIPBOARD, NO_SCRIPT, PAPER
from tests.browser.figures import WIDGETS, shown
from tests.browser.pages import overflow, violations
from tinytorch.widgets import WIDGETS as WIDGET_CLASSES
from tinytorch.widgets.bundle import view_script

KILO = 1000
ENGINE_FIGURES = ("LiveRace", "CacheLab")
MODULES = {widget.__name__: widget.module for widget in WIDGET_CLASSES}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_replaces_its_drawn_figure(browser, site_url, name, from_file):
    with shown(browser, site_url, name, from_file=from_file) as (page, widget):
        expect(widget).to_be_visible()
        expect(page.locator(f"[data-afm={name}] .tt-fallback")).to_be_hidden()


@PAPER
@pytest.mark.parametrize("name", WIDGETS)
def test_paper_shows_the_drawn_figure(browser, site_url, name, from_file):
    with shown(browser, site_url, name, from_file=from_file) as (page, widget):
        page.emulate_media(media="print")
        expect(widget).to_be_hidden()
        expect(page.locator(f"[data-afm={name}] .tt-fallback svg")).to_be_visible()


@pytest.fixture
def unread(browser, site_url):
    """A page whose reader has just come, and the figure far below."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{site_url}/book/memory.html", wait_until="networkidle")
    yield page, page.locator("[data-afm=CacheMemoryExplorer]")
    page.close()


def test_a_figure_is_shown_when_a_reader_comes_near(unread):
    _, figure = unread
    expect(figure.locator(".tt-w")).to_have_count(0)
    expect(figure.locator(".tt-fallback")).to_be_visible()
    figure.scroll_into_view_if_needed()
    expect(figure.locator(".tt-w")).to_be_visible()
    expect(figure.locator(".tt-fallback")).to_be_hidden()


def test_a_figure_is_there_for_the_keyboard_before_it_is_near(unread):
    page, figure = unread
    above = page.locator("article a:visible").first
    above.focus()
    expect(figure.locator(".tt-w")).to_have_count(0)
    for _ in range(60):
        page.keyboard.press("Tab")
        if figure.evaluate("element => element.contains(document.activeElement)"):
            break
    else:
        pytest.fail("Tab went past the figure")


def test_a_link_to_a_figure_shows_it(unread):
    page, figure = unread
    page.evaluate("location.hash = 'CacheMemoryExplorer&batch_size=2'")
    expect(figure.get_by_role("spinbutton", name="Sequences")).to_have_value("2")


@NO_SCRIPT
@pytest.mark.parametrize("name", WIDGETS)
def test_without_javascript_the_drawn_figure_is_shown(browser, site_url, name):
    with shown(browser, site_url, name, java_script_enabled=False) as (page, widget):
        expect(widget).to_have_count(0)
        expect(page.locator(f"[data-afm={name}] svg[role=img]")).to_be_visible()


VIEWS = {
    "GenerationPlayer": ("#GenerationPlayer&step=7&cumulative=false", "Step", "7"),
    "OperationExplorer": ("#OperationExplorer&model=GPT-2+XL&new_tokens=31", "Model", "GPT-2 XL"),
    "CacheMemoryExplorer": ("#CacheMemoryExplorer&compare=&batch_size=2", "Beside it", ""),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_link_opens_its_view_and_reset_leaves_it(browser, site_url, name, from_file):
    fragment, label, value = VIEWS[name]
    options = {"from_file": from_file, "fragment": fragment}
    with shown(browser, site_url, name, **options) as (page, widget):
        control = widget.get_by_label(label, exact=True)
        expect(control).to_have_value(value)
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        widget.get_by_role("button", name="Copy link to this view").click()
        link = widget.get_by_label("Link to this view").input_value()
        assert link.split("#")[1] == fragment[1:]
        widget.get_by_role("button", name="Reset").click()
        expect(control).not_to_have_value(value)


@CLIPBOARD
def test_a_link_is_copied(browser, site_url):
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    with shown(browser, site_url, "OperationExplorer", **options) as (page, widget):
        widget.get_by_label("logarithmic").check()
        widget.get_by_role("button", name="Copy link to this view").click()
        expect(widget.get_by_role("button", name="Link copied")).to_be_visible()
        link = page.evaluate("navigator.clipboard.readText()")
        assert link == f"{site_url}/book/speed.html#OperationExplorer&log_scale=true"


@pytest.mark.parametrize("name", WIDGETS)
def test_the_data_is_a_table_on_request(browser, site_url, name):
    options = {"viewport": {"width": 360, "height": 740}, "reduced_motion": "reduce"}
    with shown(browser, site_url, name, color_scheme="dark", **options) as (page, widget):
        assert widget.locator("details table").count() == 0
        widget.get_by_text("Data as a table").click()
        rows = widget.locator("details tbody tr")
        expect(rows.first).to_be_visible()
        assert rows.count() >= 14
        assert overflow(page) <= 0
        assert violations(page, f"[data-afm={name}]") == []


@pytest.mark.parametrize("name", WIDGETS)
def test_colours_follow_the_theme_while_open(browser, site_url, name):
    with shown(browser, site_url, name, color_scheme="light") as (page, widget):
        widget.scroll_into_view_if_needed()
        line = widget.locator("polyline, .tt-cell, .tt-bars rect, .tt-loss, .tt-stretch").first
        colours = "({ fill, stroke, backgroundImage }) => [fill, stroke, backgroundImage]"
        before = line.evaluate(f"element => ({colours})(getComputedStyle(element))")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        after = line.evaluate(f"element => ({colours})(getComputedStyle(element))")
        assert after != before
        ink = widget.evaluate("element => getComputedStyle(element).color")
        paper = widget.evaluate("element => getComputedStyle(element).backgroundColor")
        assert contrast(ink, paper) >= 7


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two CSS colours, as WCAG 2.2 defines it."""
    luminances = []
    for colour in (one, other):
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminances.append(sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    low, high = sorted(luminances)
    return (high + 0.05) / (low + 0.05)


def test_what_changed_is_announced(browser, site_url):
    with shown(browser, site_url, "CacheMemoryExplorer") as (_, widget):
        widget.get_by_label("Model", exact=True).select_option("GPT-2 small")
        expect(widget.get_by_role("status")).to_contain_text("GPT-2 small: cache")


def test_everything_can_be_reached_by_tab(browser, site_url):
    with shown(browser, site_url, "OperationExplorer") as (page, widget):
        visible = "button:visible, select:visible, input:visible, summary:visible, svg[tabindex]"
        controls = widget.locator(visible)
        radios = widget.locator("[type=radio]").count()
        widget.locator("[type=radio]:checked").focus()
        reached = 1
        while True:
            page.keyboard.press("Tab")
            if not widget.evaluate("element => element.contains(document.activeElement)"):
                break
            ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert ring != "none"
            reached += 1
        assert reached == controls.count() - (radios - 1)


def test_scripts_and_data_are_light():
    static = SITE / "_static"
    views = sorted(static.glob("widgets/*.js"))
    assert len(views) > len(WIDGETS)
    scripts = [static / "widgets.js", *views]
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) <= 75 * KILO
    for page in WIDGETS.values():
        html = (SITE / f"book/{page}.html").read_text(encoding="utf-8")
        bare = re.sub(
            r'<div class="tt-widget".*?</svg></div></div></div>', "", html, flags=re.DOTALL
        )
        assert len(bare) < len(html) - 10 * KILO
        more = len(gzip.compress(html.encode())) - len(gzip.compress(bare.encode()))
        loaded = re.findall(r'src="\.\./_static/(widgets[^"?]*)', html)
        files = [static / name for name in ("widgets.css", *loaded)]
        assert len(files) >= 3
        assert more + sum(len(gzip.compress(file.read_bytes())) for file in files) <= 60 * KILO


def test_the_engine_and_the_figures_on_it_are_small():
    """The figures share the panel that loads the model, so they are measured as one text."""
    script = (SITE / "_static/browser/engine.js").read_bytes()
    figures = "".join(view_script(name, MODULES[name]) for name in ENGINE_FIGURES).encode()
    assert len(gzip.compress(script)) + len(gzip.compress(figures)) <= 41 * KILO


def test_pages_load_the_scripts_of_their_own_figures():
    def scripts(page: str) -> list[str]:
        html = (SITE / f"book/{page}.html").read_text(encoding="utf-8")
        return re.findall(r'src="\.\./_static/(widgets[^"?]*)', html)

    assert scripts("glossary") == []
    views = ["widgets/generation_player.js", "widgets/live_race.js"]
    assert scripts("intro") == ["widgets.js", *views]
