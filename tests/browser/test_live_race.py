"""The live race as readers find it: a recorded race, and a form for one of their own."""

import re

import pytest

from tests.browser.drivers import expect
from tests.browser.drivers.only import FINGER, WORKERS
from tests.browser.figures import cells, data_of, shown
from tests.browser.pages import overflow
from tests.browser.races import (
    CALM,
    NAME,
    PHONE,
    button,
    counts,
    expected_rows,
    texts,
    verdict,
)
from tinytorch.widgets.bundle import host_script


def test_the_first_view_is_a_recorded_race_with_the_numbers_of_the_formulas(
    browser, site_url, from_file
):
    with shown(browser, site_url, NAME, from_file=from_file) as (page, widget):
        race = data_of(widget)["race"]
        without, with_cache = race["lanes"]
        assert without["ids"] == with_cache["ids"]
        new = len(with_cache["ids"])
        assert widget.get_by_text("Recorded on the machine that built this page").is_visible()
        assert verdict(widget).inner_text() == (
            f"Both texts are equal: {new} tokens compared, one by one."
        )
        work, kept = expected_rows(race["prompt_length"], new)
        assert cells(widget, "multiply-adds") == work
        assert cells(widget, "bytes of cache") == kept
        saved = sum(without["ms"]) / sum(with_cache["ms"])
        assert widget.locator(".tt-score strong").all_inner_texts()[:2] == [
            f"{saved:.1f}×",
            work[2],
        ]
        assert widget.locator(".tt-bars rect").count() == 2 * new
        assert page.evaluate("typeof tinytorchEngine") == "undefined"


@WORKERS
def test_the_first_view_starts_no_worker(browser, site_url):
    with shown(browser, site_url, NAME) as (page, widget):
        expect(widget.get_by_text("Recorded on the machine that built this page")).to_be_visible()
        assert page.workers == []


def test_the_recording_is_replayed_at_its_pace_and_stops(browser, site_url):
    with shown(browser, site_url, NAME) as (_, widget):
        button(widget, "Replay the recording").click()
        ahead = widget.locator(".tt-keeps .tt-head span")
        expect(ahead).to_have_text(re.compile(r"^([6-9]|\d\d) of"), timeout=30_000)
        button(widget, "Pause").click()
        without, with_cache = counts(widget)
        assert without < with_cache
        expect(verdict(widget)).to_contain_text("Equal so far")
        widget.page.wait_for_timeout(300)
        paused = counts(widget)
        assert sum(paused) <= without + with_cache + 1, "but for the token that was due"
        button(widget, "Continue").click()
        expect(ahead).not_to_have_text(re.compile(f"^{paused[1]} of"))
        button(widget, "Stop").click()
        expect(verdict(widget)).to_contain_text("Stopped. Equal so far")
        expect(button(widget, "Replay the recording")).to_be_visible()


def test_with_reduced_motion_the_recording_is_shown_at_once(browser, site_url):
    with shown(browser, site_url, NAME, **CALM) as (_, widget):
        before = texts(widget)
        button(widget, "Replay the recording").click()
        assert texts(widget) == before
        assert button(widget, "Replay the recording").is_visible()


def test_on_a_site_without_the_model_the_recording_is_all_there_is(browser, site_url):
    with shown(browser, site_url, NAME, **CALM) as (page, widget):
        script = host_script(None)
        page.route(re.compile(r"_static/widgets\.js"), lambda route: route.fulfill(body=script))
        page.reload()
        expect(widget.get_by_text("This website was built without the model")).to_be_visible()
        expect(widget.get_by_label("Your prompt")).to_be_hidden()
        expect(button(widget, "Replay the recording")).to_be_visible()
        expect(verdict(widget)).to_contain_text("Both texts are equal")


def test_a_link_holds_prompt_length_and_temperature(browser, site_url):
    fragment = f"#{NAME}&prompt=Two+cats+%26+a+dog&new_tokens=7&temperature=0.5"
    with shown(browser, site_url, NAME, fragment=fragment, **CALM) as (page, widget):
        prompt = widget.get_by_label("Your prompt")
        expect(prompt).to_have_value("Two cats & a dog")
        expect(widget.get_by_label("New tokens", exact=True)).to_have_value("7")
        expect(widget.get_by_label("Prompts")).to_have_value("")
        assert widget.get_by_label("Temperature 0.5 (drawn)").input_value() == "0.5"
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        button(widget, "Copy link to this view").click()
        assert widget.get_by_label("Link to this view").input_value().endswith(fragment)
        button(widget, "Reset").click()
        expect(prompt).to_have_value(data_of(widget)["race"]["prompt"])


@pytest.mark.parametrize("nonsense", ["new_tokens=x", "new_tokens=1e9", "temperature=-3&prompt="])
def test_a_link_with_nonsense_does_no_harm(browser, site_url, nonsense):
    with shown(browser, site_url, NAME, fragment=f"#{NAME}&{nonsense}", **CALM) as (_, widget):
        length = int(widget.get_by_label("New tokens", exact=True).input_value())
        assert 1 <= length <= 400
        assert widget.get_by_label(re.compile("^Temperature")).input_value() == "0"


@FINGER
def test_controls_are_large_where_fingers_use_them(browser, site_url):
    with shown(browser, site_url, NAME, **CALM, **PHONE) as (page, widget):
        assert overflow(page) <= 0
        for control in widget.locator("button:visible, select:visible, summary:visible").all():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 44, control.inner_text()
