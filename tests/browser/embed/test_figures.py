"""Figures in somebody else's page: they live there, and neither page nor figure harms the other."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.drivers.only import SHADOW
from tests.browser.embed.courses import (
    NAMES,
    course,
    figure,
    page_of,
    script,
    wait_until_shown,
    widget,
)
from tests.browser.pages import overflow, violations
from tests.browser.server import serve
from tests.browser.test_widgets import contrast

pytestmark = SHADOW

ALL = "".join(f"<h2>{name}</h2>{figure(name)}" for name in NAMES)

HOSTILE = """<style>
* { float: left; color: red !important; font-family: fantasy !important; letter-spacing: 3px;
    text-transform: uppercase; box-sizing: content-box; direction: rtl; visibility: visible }
html { font-size: 3px; background: #111; line-height: 4; text-align: right; cursor: wait }
:root, tt-figure { --tt-ink: red; --kept: 3px; --pst-color-text-base: red; --tt-rem: 99px;
    --pst-color-background: red; --jp-ui-font-family: fantasy; --chart-1: red }
button, select, input { display: none } svg { width: 3px } p { position: fixed } div { margin: 9px }
.tt-w, .tt-embed, .tt-row { display: none !important } main { width: 700px; display: block }
</style>"""
CALM_STYLE = "<style>body { margin: 0 } main { width: 700px; display: block }</style>"

DRAWN = """figure => [...figure.shadowRoot.querySelectorAll("*")].map((e) => {
  const { width, height } = e.getBoundingClientRect();
  const style = getComputedStyle(e);
  const kinds = ["display", "color", "backgroundColor", "fontFamily", "fontSize", "letterSpacing",
    "textTransform", "stroke", "fill", "direction", "textAlign", "cursor", "position", "margin"];
  return [e.tagName, Math.round(width), Math.round(height), ...kinds.map((kind) => style[kind])];
})"""
"""How large each part of a figure is, and how it looks."""


GLOBALS = "Object.getOwnPropertyNames(window)"
DECOYS = """<section class="tt-w"><p class="tt-note tt-words">Our own.</p>
<button class="tt-play">Ours</button>
<div class="tt-row tt-embed"><table><tr><th>a</th><td>b</td></tr></table></div>
<svg class="tt-band" width="9" height="9"><rect class="tt-cell tt-kept" width="9" height="9"/></svg>
</section>"""
LOOKS = """() => {
  const found = [document.documentElement, document.body, document.querySelector("main"),
    ...document.querySelectorAll("section, section *")];
  const look = (e) => [...getComputedStyle(e)].map((key) => [key, getComputedStyle(e)[key]]);
  return found.flatMap((e) => look(e).map(([key, value]) => `${e.tagName} ${key}: ${value}`));
}"""


def test_all_figures_live_on_another_site_and_leave_the_page_as_it_was(
    browser, tmp_path, embed_url, at
):
    body = f"{DECOYS}<div style='height: 40000px'>{ALL}</div>"
    without = page_of(embed_url, body).replace(script(embed_url), "")
    with course(browser, tmp_path, without, []) as (page, _):
        names, looks = page.evaluate(GLOBALS), page.evaluate(LOOKS)
    with at(body) as (page, problems):
        wait_until_shown(page, len(NAMES))
        assert page.evaluate(GLOBALS) == names
        assert set(page.evaluate(LOOKS)) ^ set(looks) == set()
        assert page.locator("head > *").count() == 4
        assert page.evaluate("document.adoptedStyleSheets.length") == 0
        assert problems == []


def test_figures_are_accessible_in_another_page_on_a_phone(at):
    with at(ALL, viewport={"width": 390, "height": 800}) as (page, problems):
        wait_until_shown(page, len(NAMES))
        assert violations(page, "tt-figure") == []
        assert overflow(page) <= 0
        assert problems == []


KEYS = {
    "GenerationPlayer": (".tt-play", "ArrowRight"),
    "OperationExplorer": ("svg[role=slider]", "Home"),
    "CacheMemoryExplorer": ("svg[role=slider]", "Home"),
    "AttentionStepper": (".tt-play", "ArrowRight"),
    "CacheLab": ("[type=radio]:checked", "ArrowDown"),
    "LiveRace": ("summary", "Enter"),
    "ServerExplorer": (".tt-play", "ArrowRight"),
}


def test_keys_work_in_each_figure_and_stay_there(at):
    with at(ALL) as (page, problems):
        page.evaluate("{ window.keys = []; addEventListener('keydown', (e) => keys.push(e.key)) }")
        wait_until_shown(page, len(NAMES))
        for name in NAMES:
            selector, key = KEYS[name]
            view = widget(page, name)
            before = view.inner_text()
            view.locator(selector).first.press(key)
            expect(view).not_to_have_text(before, use_inner_text=True)
        assert page.evaluate("keys") == [], "JupyterLab and slides act on what reaches the page"
        assert problems == []


def test_tab_goes_through_a_figure_and_on(at):
    body = f'<a href="#a">Before</a>{figure("OperationExplorer")}<a href="#b">After</a>'
    with at(body) as (page, problems):
        wait_until_shown(page, 1)
        page.get_by_text("Before").focus()
        inside = []
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "After":
                break
            inside.append(page.evaluate("document.activeElement.shadowRoot.activeElement.tagName"))
        else:
            pytest.fail("Tab stays in the figure")
        assert {"SELECT", "INPUT", "BUTTON"} <= set(inside)
        assert problems == []


def drawn(page: Page) -> dict[str, list]:
    """Return how each figure looks, once all that comes a moment later is there."""
    wait_until_shown(page, len(NAMES))
    page.wait_for_function("() => new Promise((done) => requestAnimationFrame(() => done(true)))")
    return {name: page.locator(f"tt-figure[name={name}]").evaluate(DRAWN) for name in NAMES}


def test_a_hostile_page_changes_nothing_in_a_figure(at):
    with at(ALL, CALM_STYLE) as (page, _):
        expected = drawn(page)
    with at(ALL, HOSTILE) as (page, problems):
        found = drawn(page)
        assert page.locator("h2").first.evaluate("e => getComputedStyle(e).float") == "left"
        assert problems == []
    for name in NAMES:
        different = [
            pair
            for pair in zip(found[name], expected[name], strict=True)
            if len({*map(str, pair)}) > 1
        ]
        assert different == [], name


PLACES = {"display: flex": 320, "display: grid": 320, "float: left; width: 300px": 300}


def test_a_figure_is_as_wide_as_its_place(at):
    player = figure("GenerationPlayer")
    places = "".join(f'<div style="{place}">{player}</div>' for place in PLACES)
    with at(f'<div style="width: 320px">{places}</div>') as (page, problems):
        wait_until_shown(page, len(PLACES))
        for element, width in zip(page.locator("tt-figure").all(), PLACES.values(), strict=True):
            assert element.locator(".tt-w").bounding_box()["width"] == width
            button = element.locator(".tt-play")
            assert button.evaluate("e => getComputedStyle(e).minHeight") == "44px", "as on a phone"
            assert element.evaluate("e => e.scrollWidth <= e.clientWidth")
        assert problems == []


def test_a_reader_with_large_text_gets_a_larger_figure(at):
    body = figure("OperationExplorer")
    with at(body, "<style>html { font-size: 3px }</style>") as (page, _):
        wait_until_shown(page, 1)
        size = "e => getComputedStyle(e).fontSize"
        assert widget(page, "OperationExplorer").evaluate(size) == "14.4px"  # 0.9 of a medium text


def colours(page: Page) -> list[str]:
    """Return ink, paper and the colour of the first curve."""
    view = widget(page, "OperationExplorer")
    style = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    curve = "e => getComputedStyle(e).stroke"
    return [*view.evaluate(style), view.locator("polyline").first.evaluate(curve)]


def test_the_theme_is_the_attributes_or_the_readers(at):
    found = {}
    for scheme in ("light", "dark"):
        with at(figure("OperationExplorer"), color_scheme=scheme) as (page, problems):
            wait_until_shown(page, 1)
            found[scheme] = colours(page)
            for theme in ("dark", "light", "auto"):
                page.locator("tt-figure").evaluate(f"e => e.setAttribute('theme', '{theme}')")
                found[scheme, theme] = colours(page)
            assert problems == []
    for theme in ("light", "dark"):
        assert found[theme, "auto"] == found["light", theme] == found["dark", theme] == found[theme]
        ink, paper, curve = found[theme]
        assert contrast(ink, paper) >= 7
        assert contrast(curve, paper) >= 3
    assert all(one != other for one, other in zip(found["light"], found["dark"], strict=True))


COUNTED = "Memory.getDOMCounters"


def test_a_figure_that_is_removed_frees_everything_and_one_that_comes_back_lives(at):
    with at('<div id="place"></div>') as (page, problems):
        devtools = page.context.new_cdp_session(page)

        def count() -> tuple[int, int]:
            for _ in range(3):
                devtools.send("HeapProfiler.collectGarbage")
            found = devtools.send(COUNTED)
            return found["nodes"], found["jsEventListeners"]

        def come_and_go() -> None:
            page.evaluate("html => { document.getElementById('place').innerHTML = html }", ALL)
            wait_until_shown(page, len(NAMES))
            page.evaluate("document.getElementById('place').replaceChildren()")
            page.wait_for_timeout(700)  # what is said a moment later

        come_and_go()
        before = count()
        for _ in range(3):
            come_and_go()
        nodes, listeners = count()
        assert nodes <= before[0] + 100, "seven figures have thousands"
        assert listeners <= before[1] + 5
        page.evaluate(
            """html => {
            const place = document.getElementById("place");
            place.innerHTML = html;
            window.figure = place.firstChild;
        }""",
            figure("GenerationPlayer", view="step=3"),
        )
        step = widget(page, "GenerationPlayer").get_by_label("Step", exact=True)
        expect(step).to_have_value("3")
        step.press("End")
        page.evaluate("{ figure.remove(); document.body.append(figure) }")
        expect(step).to_have_value("3")
        step.press("ArrowRight")
        expect(step).to_have_value("4")
        assert problems == []


def test_a_figure_that_leaves_while_it_loads_leaves_no_error(at):
    with at('<div id="place"></div>') as (page, problems):
        page.evaluate(
            """async html => {
            const place = document.getElementById("place");
            for (let wait = 0; wait < 12; wait += 1) {
              place.innerHTML = html;
              await new Promise((done) => setTimeout(done, wait));
              place.replaceChildren();
            }
            place.innerHTML = html;
        }""",
            figure("OperationExplorer"),
        )
        wait_until_shown(page, 1)
        assert [problem for problem in problems if "ERR_ABORTED" not in problem] == []


def test_two_figures_of_a_kind_are_apart(at):
    first = figure("GenerationPlayer", id="one", view="step=2")
    second = figure("GenerationPlayer", id="two", view="step=5&amp;cumulative=false")
    with at(first + second, fragment="#two&step=7") as (page, problems):
        wait_until_shown(page, 2)
        one, two = (
            page.locator(f"#{name}").get_by_label("Step", exact=True) for name in ("one", "two")
        )
        expect(one).to_have_value("2")
        expect(two).to_have_value("7")
        one.press("ArrowRight")
        expect(one).to_have_value("3")
        expect(two).to_have_value("7")
        page.evaluate("location.hash = 'one&step=9'")
        expect(one).to_have_value("9")
        page.locator("#two").get_by_role("button", name="Reset").click()
        expect(two).to_have_value("5")
        add = page.locator("#two").get_by_label("add up the steps")
        expect(add).not_to_be_checked()
        assert problems == []


def test_a_view_is_written_as_in_a_link_and_links_lead_to_the_page(at):
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    element = figure("OperationExplorer", view="model=GPT-2+XL&amp;new_tokens=31")
    with at(element, **options) as (page, problems):
        view = widget(page, "OperationExplorer")
        expect(view.get_by_label("Model", exact=True)).to_have_value("GPT-2 XL")
        expect(view.get_by_label("New tokens").first).to_have_value("31")
        view.get_by_label("logarithmic").check()
        view.get_by_role("button", name="Copy link to this view").click()
        expect(view.get_by_role("button", name="Link copied")).to_be_visible()
        link = page.evaluate("navigator.clipboard.readText()")
        assert link == f"{page.url}#OperationExplorer&log_scale=true"
        shown = page.locator("tt-figure").evaluate("figure => figure.shownView")
        assert shown == "model=GPT-2+XL&new_tokens=31&log_scale=true"
        page.locator("tt-figure").evaluate("figure => figure.setAttribute('view', 'new_tokens=9')")
        expect(view.get_by_label("New tokens").first).to_have_value("9")
        expect(view.get_by_label("Model", exact=True)).not_to_have_value("GPT-2 XL")
        assert problems == []


def test_a_strict_policy_of_the_page_is_enough(at, embed_url):
    host = embed_url.rstrip("/")
    policy = f"default-src 'none'; script-src {host}; connect-src {host}; img-src data:"
    with at(ALL, headers={"Content-Security-Policy": policy}) as (page, problems):
        wait_until_shown(page, len(NAMES))
        bar = widget(page, "CacheMemoryExplorer").locator(".tt-bar .tt-c3").first
        assert bar.bounding_box()["width"] > 5, "widths are set without a style attribute in HTML"
        assert problems == []


def test_nothing_is_fetched_before_a_reader_comes_near(browser, tmp_path, embed_url):
    html = page_of(embed_url, f"<div style='height: 5000px'></div>{figure('CacheLab', 'Soon.')}")
    (tmp_path / "course.html").write_text(html, encoding="utf-8")
    with serve(tmp_path) as own:
        page = browser.new_page()
        asked = []
        page.on("request", lambda request: asked.append((request.url, request.headers)))
        page.goto(f"{own}/course.html", wait_until="networkidle")
        files = [url.split("/")[-1] for url, _ in asked]
        assert files == ["course.html", "tt-figure.js"]
        page.get_by_text("Soon.").scroll_into_view_if_needed()
        expect(widget(page, "CacheLab")).to_be_visible()
        files = sorted(url.split("/")[-1] for url, _ in asked[2:])
        assert files == ["CacheLab.json", "tt-figure.css"]
        for _, headers in asked[2:]:
            assert "cookie" not in headers
            assert not headers.get("referer")
        page.close()


def test_the_script_is_a_widget_for_hosts_that_render(at, embed_url):
    with at('<div id="place"></div>') as (page, problems):
        page.evaluate(
            """async ([script, values]) => {
            const { default: widget } = await import(script);
            const model = { get: (key) => values[key] };
            window.close = widget.render({ model, el: document.getElementById("place") });
        }""",
            [
                f"{embed_url}tt-figure.js",
                {"name": "CacheLab", "src": embed_url, "view": "switch=misses-itself"},
            ],
        )
        expect(widget(page, "CacheLab").locator(".tt-chosen")).to_contain_text("misses itself")
        page.evaluate("window.close()")
        expect(page.locator("tt-figure")).to_have_count(0)
        assert problems == []
