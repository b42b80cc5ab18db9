"""The model on its way into the live race: asked for, cancelled, kept, missing, lost."""

import re

import pytest

from tests.browser.conftest import SITE
from tests.browser.drivers import expect
from tests.browser.drivers.only import KEEPS, WORKERS
from tests.browser.figures import reached, shown
from tests.browser.pages import opened, violations
from tests.browser.races import (
    CALM,
    NAME,
    PROMPT,
    WIDGET,
    WITHIN,
    ask_for,
    button,
    load_model,
    texts,
    verdict,
    workers_left,
)


@KEEPS
def test_after_a_reload_nothing_runs_and_the_model_is_there_until_it_is_removed(browser, site_url):
    with shown(browser, site_url, NAME, **CALM) as (page, widget):
        load_model(widget)
        button(widget, "Start the race").click()
        expect(verdict(widget)).to_contain_text("Equal so far", timeout=WITHIN)
        page.reload()
        expect(verdict(widget)).to_contain_text("Both texts are equal", timeout=WITHIN)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        button(widget, "Start the model").click()
        expect(button(widget, "Start the race")).to_be_visible(timeout=WITHIN)
        assert [url for url in asked if url.endswith(".bin")] == []
        button(widget, "Remove from this browser").click()
        expect(widget.get_by_text("Removed from this browser")).to_be_visible()
        page.reload()
        expect(button(widget, "Load the model")).to_be_visible()


def test_loading_says_how_far_it_is_and_can_be_cancelled(browser, site_url):
    url = f"{site_url}/book/intro.html"
    with opened(browser, url, site_url, **CALM) as (page, _, _sizes):
        page.route(re.compile(r"3-of-5\.bin"), lambda route: None)  # never arrives
        widget = reached(page, NAME)
        button(widget, "Load the model").press("Enter")
        expect(widget.get_by_text(re.compile(r"[1-9]\d of 98 MB"))).to_be_visible()
        assert violations(page, WIDGET) == []
        expect(button(widget, "Cancel")).to_be_focused()
        page.keyboard.press("Enter")
        expect(button(widget, re.compile("Load the model|Start the model"))).to_be_focused()


@WORKERS
def test_neither_a_cancelled_load_nor_a_reload_leaves_a_worker(browser, site_url):
    with shown(browser, site_url, NAME, **CALM) as (page, widget):
        never = re.compile(r"3-of-5\.bin")
        page.route(never, lambda route: None)
        button(widget, "Load the model").click()
        button(widget, "Cancel").click()
        expect(button(widget, re.compile("Load the model|Start the model"))).to_be_visible()
        assert workers_left(page) == 0
        page.unroute(never)
        button(widget, re.compile("Load the model|Start the model")).click()
        expect(button(widget, "Start the race")).to_be_visible(timeout=WITHIN)
        page.reload()
        expect(verdict(widget)).to_contain_text("Both texts are equal", timeout=WITHIN)
        assert workers_left(page) == 0


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (r"4-of-5\.bin", "Piece 4 of 5 of the model is not on this site (status 404)."),
        (r"engine\.js", "The engine could not be fetched: the connection broke."),
    ],
    ids=["a piece", "the engine"],
)
def test_what_is_missing_is_said_and_the_recording_stays(browser, site_url, pattern, sentence):
    url = f"{site_url}/book/intro.html"
    with opened(browser, url, site_url, **CALM) as (page, _, _sizes):
        lost = re.compile(pattern)
        page.route(lost, lambda route: route.fulfill(status=404, body="not here"))
        widget = reached(page, NAME)
        before = texts(widget)
        button(widget, "Load the model").click()
        expect(widget.get_by_role("alert")).to_have_text(sentence, timeout=WITHIN)
        assert texts(widget) == before
        assert violations(page, WIDGET) == []
        page.unroute(lost)
        button(widget, "Try again").click()
        expect(button(widget, "Start the race")).to_be_visible(timeout=WITHIN)


def test_a_worker_that_is_lost_is_said_and_what_it_wrote_is_not_taken_for_whole(browser, site_url):
    remember = """window.Worker = class extends Worker {
        constructor(...args) { super(...args); window.lastWorker = this; }
    };"""
    url = f"{site_url}/book/intro.html"
    with opened(browser, url, site_url, **CALM) as (page, _, _sizes):
        page.evaluate(f"() => {{ {remember} }}")
        widget = reached(page, NAME)
        load_model(widget)
        button(widget, "Start the race").click()
        expect(verdict(widget)).to_contain_text("Equal so far", timeout=WITHIN)
        page.evaluate("lastWorker.terminate()")
        expect(widget.get_by_role("alert")).to_contain_text("The engine was stopped by the browser")
        expect(verdict(widget)).to_contain_text("Stopped. Equal so far", timeout=WITHIN)
        expect(button(widget, "Try again")).to_be_visible()
        expect(button(widget, "Start the race")).to_be_hidden()


def test_on_a_page_from_a_file_the_reader_chooses_the_pieces(browser, tmp_path):
    url = f"file://{SITE}/book/intro.html"
    with opened(browser, url, "file://", **CALM) as (page, problems, _):
        widget = reached(page, NAME)
        chosen = widget.get_by_label(re.compile("^Choose the model, 98 MB"))
        (tmp_path / "wrong.bin").write_bytes(b"wrong")
        chosen.set_input_files(tmp_path / "wrong.bin")
        wrong = "This is not SmolLM2-135M-Instruct"
        expect(widget.get_by_role("alert")).to_contain_text(wrong, timeout=WITHIN)
        chosen.set_input_files(sorted((SITE / "_static/model").glob("*.bin")))
        expect(button(widget, "Start the race")).to_be_visible(timeout=WITHIN)
        ask_for(widget, PROMPT, 3)
        button(widget, "Start the race").click()
        expect(verdict(widget)).to_contain_text("Both texts are equal: 3", timeout=WITHIN)
        assert problems == []
