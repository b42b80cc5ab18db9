"""The page of snippets: its figures live, and what is copied from it runs elsewhere."""

import re

import pytest
from embed import FOLDER
from playwright.sync_api import expect

from tests.browser.conftest import SITE
from tests.browser.drivers.only import SHADOW
from tests.browser.embed.courses import (
    NAMES,
    PAGE,
    READABLE,
    course,
    figure,
    page_of,
    wait_until_shown,
    widget,
)
from tests.browser.pages import opened, overflow, violations
from tests.browser.races import WITHIN, ask_for, button, load_model, texts
from tests.browser.server import serve

pytestmark = SHADOW

CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"], "reduced_motion": "reduce"}


def test_the_websites_instructors_find_it(browser, site_url):
    with opened(browser, f"{site_url}/book/instructor.html", site_url) as (page, problems, _):
        page.get_by_role("link", name="copy a snippet").click()
        page.wait_for_url(re.compile(rf"{site_url}/{FOLDER}/\d[^/]*/"))
        expect(widget(page, "GenerationPlayer")).to_be_visible()
        assert problems == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_all_figures_live_on_their_page(browser, embed_url, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with opened(browser, embed_url, embed_url, **options) as (page, problems, sizes):
        wait_until_shown(page, len(NAMES))
        assert violations(page) == []
        assert overflow(page) <= 0
        assert sum(sizes) <= 130_000
        assert problems == []


def test_copied_snippets_show_their_figures_elsewhere(browser, embed_url, tmp_path):
    copied = []
    with opened(browser, embed_url, embed_url, **CLIPBOARD) as (page, problems, _):
        for name in NAMES:
            snippet = page.locator(".snippet", has=page.locator(f"[data-figure={name}]"))
            snippet.get_by_role("button", name="Copy the snippet").click()
            expect(snippet.get_by_role("button", name="Copied")).to_be_visible()
            copied.append(page.evaluate("navigator.clipboard.readText()"))
        assert problems == []
    assert all(f'src="{embed_url}tt-figure.js"' in snippet for snippet in copied)
    assert all('integrity="sha384-' in snippet for snippet in copied)
    html = PAGE.format(head="", body="".join(copied))
    with course(browser, tmp_path, html, [embed_url]) as (page, found):
        wait_until_shown(page, len(NAMES))
        assert [e.get_attribute("name") for e in page.locator("tt-figure").all()] == [*NAMES]
        assert found == []


def test_a_snippet_takes_along_the_view_that_is_shown(browser, embed_url, tmp_path):
    with opened(browser, embed_url, embed_url, **CLIPBOARD) as (page, _, _):
        view = widget(page, "CacheMemoryExplorer")
        view.get_by_label("Beside it").select_option("")
        view.get_by_label("Sequences", exact=True).first.fill("3")
        view.get_by_label("Sequences", exact=True).first.press("Enter")
        snippet = page.locator(".snippet", has=page.locator("[data-figure=CacheMemoryExplorer]"))
        snippet.get_by_role("button").click()
        copied = snippet.locator("code").inner_text()
        assert 'view="compare=&amp;batch_size=3"' in copied
    with course(browser, tmp_path, PAGE.format(head="", body=copied), [embed_url]) as (page, found):
        view = widget(page, "CacheMemoryExplorer")
        expect(view.get_by_label("Sequences", exact=True).first).to_have_value("3")
        expect(view.get_by_label("Beside it")).to_have_value("")
        assert found == []


def test_where_nothing_can_be_copied_the_snippet_is_selected(browser, embed_url):
    with opened(browser, embed_url, embed_url) as (page, _, _):
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        page.get_by_role("button", name="Copy the snippet: MyST Markdown").click()
        expect(page.locator("#status")).to_contain_text("selected")
        assert page.evaluate("String(getSelection())").startswith("```{anywidget} http")


def test_a_link_to_a_figure_of_the_page_shows_it(browser, embed_url):
    url = f"{embed_url}#ServerExplorer&step=9"
    with opened(browser, url, embed_url) as (page, problems, _):
        view = widget(page, "ServerExplorer")
        expect(view).to_be_in_viewport()
        expect(view.get_by_label("Pass", exact=True)).to_have_value("9")
        assert problems == []


def test_without_the_model_a_recording_is_shown_and_said_to_be_one(browser, embed_url, tmp_path):
    html = page_of(embed_url, figure("LiveRace"))
    with course(browser, tmp_path, html, [embed_url]) as (page, problems):
        view = widget(page, "LiveRace")
        expect(view).to_contain_text("A recording is shown: this page does not offer the model.")
        expect(view).to_contain_text("Recorded on the machine that built this figure")
        expect(button(view, "Start the race")).to_be_hidden()
        assert problems == []


def test_with_the_models_address_readers_race_it_in_another_page(browser, embed_url, tmp_path):
    with serve(SITE, READABLE) as model_host:
        manifest = f"{model_host}/_static/model/manifest.json"
        html = page_of(embed_url, figure("LiveRace", model=manifest))
        hosts = [embed_url, model_host]
        host, ours = model_host, embed_url.rstrip("/")
        policy = (
            f"default-src 'none'; script-src {ours} {host} 'wasm-unsafe-eval'; "
            f"connect-src {ours} {host}; worker-src blob:; img-src data:"
        )
        headers = {"Content-Security-Policy": policy}
        with course(browser, tmp_path, html, hosts, headers=headers) as (page, problems):
            view = widget(page, "LiveRace")
            expect(view).to_contain_text(f"from {model_host.removeprefix('http://')}")
            load_model(view)
            ask_for(view, "The cat sat on", 3)
            button(view, "Start the race").click()
            expect(view.locator(".tt-verdict")).to_contain_text("token", timeout=WITHIN)
            expect(button(view, "Replay the recording")).to_be_visible(timeout=WITHIN)
            without, with_cache = texts(view)
            assert without == with_cache
            assert without.startswith("The cat sat on")
            page.locator("tt-figure").evaluate("figure => figure.remove()")
            assert problems == []
