"""Races of the model in the page: measured, compared, paused, stopped."""

import re
from collections.abc import Iterator

import pytest

from tests.browser.drivers import Browser, Locator, Page, expect
from tests.browser.drivers.only import WORKERS
from tests.browser.figures import cells, shown
from tests.browser.pages import overflow, violations
from tests.browser.races import (
    CALM,
    NAME,
    PHONE,
    PROMPT,
    WIDGET,
    WITHIN,
    ask_for,
    button,
    counts,
    expected_rows,
    load_model,
    texts,
    verdict,
)
from tinytorch.models import load_smollm2


@pytest.fixture(scope="module")
def loaded(browser: Browser, site_url) -> Iterator[tuple[Page, Locator]]:
    """A page whose model is loaded."""
    with shown(browser, site_url, NAME, **CALM) as (page, widget):
        load_model(widget)
        yield page, widget


@pytest.fixture
def race(loaded) -> Iterator[tuple[Page, Locator]]:
    """The same page, where nothing runs."""
    page, widget = loaded
    yield page, widget
    widget.dispatch_event("keydown", {"key": "Escape"})  # a race may end before Stop is clicked
    expect(button(widget, "Start the race")).to_be_visible()


@pytest.mark.everywhere
def test_a_race_in_the_page_is_measured_counted_and_compared(race):
    _, widget = race
    ask_for(widget, PROMPT, 8)
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_have_text(
        "Both texts are equal: 8 tokens compared, one by one.", timeout=WITHIN
    )
    without, with_cache = texts(widget)
    assert without == with_cache
    assert without.startswith(PROMPT)
    prompt_length = len(load_smollm2()[1].encode(PROMPT))
    title = widget.get_by_text("Your race, in this page, on your machine").inner_text()
    assert f"a prompt of {prompt_length} tokens" in title
    work, kept = expected_rows(prompt_length, 8)
    assert cells(widget, "multiply-adds") == work
    assert cells(widget, "bytes of cache") == kept
    for row in ("first token", "a later token"):
        assert all(float(text.split()[0]) > 0 for text in cells(widget, row)[:2])
    widget.get_by_text("Data as a table").click()
    rows = widget.locator("details tbody tr")
    expect(rows).to_have_count(8)
    assert rows.nth(5).locator("td").all_inner_texts()[1] == "yes"
    expect(widget.get_by_role("status")).to_contain_text("Both texts are equal")
    widget.get_by_text("Data as a table").click()


@WORKERS
def test_a_race_has_one_worker(race):
    page, widget = race
    ask_for(widget, PROMPT, 2)
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_contain_text("Both texts are equal: 2", timeout=WITHIN)
    assert len(page.workers) == 1


def test_with_a_temperature_both_lanes_draw_the_same(race):
    _, widget = race
    ask_for(widget, PROMPT, 6)
    widget.get_by_label(re.compile("^Temperature")).press("End")
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_contain_text("Both texts are equal", timeout=WITHIN)
    widget.get_by_label(re.compile("^Temperature")).press("Home")


@pytest.mark.parametrize("wait_ms", [0, 60, 1500], ids=["at once", "in the prompt", "later"])
def test_a_race_stops_at_any_moment_and_another_begins(race, wait_ms):
    page, widget = race
    widget.get_by_label("Prompts").select_option("a long letter")
    ask_for(widget, widget.get_by_label("Your prompt").input_value(), 50)
    button(widget, "Start the race").click()
    page.wait_for_timeout(wait_ms)
    button(widget, "Stop").click()
    expect(button(widget, "Start the race")).to_be_visible(timeout=500)
    before = counts(widget)
    page.wait_for_timeout(300)
    assert counts(widget) == before
    assert "Both texts are equal: 50" not in verdict(widget).inner_text()
    ask_for(widget, PROMPT, 2)
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_have_text(
        "Both texts are equal: 2 tokens compared, one by one.", timeout=WITHIN
    )


def test_a_paused_race_computes_nothing_and_goes_on_or_stops(race):
    page, widget = race
    ask_for(widget, PROMPT, 40)
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_contain_text("Equal so far", timeout=WITHIN)
    button(widget, "Pause").click()
    before = counts(widget)
    page.wait_for_timeout(1200)
    paused = counts(widget)
    assert sum(paused) <= sum(before) + 1, "but for the token that was under way"
    button(widget, "Continue").click()
    expect(widget.locator(".tt-keeps .tt-head span")).not_to_contain_text(f"{paused[1]} of")
    button(widget, "Pause").click()
    button(widget, "Stop").click()
    expect(verdict(widget)).to_contain_text("Stopped.", timeout=WITHIN)


@pytest.mark.everywhere
def test_the_keyboard_alone_races(race):
    page, widget = race
    ask_for(widget, "One, two,", 3)
    prompt = widget.get_by_label("Your prompt")
    prompt.press("End")
    page.keyboard.type(" three,")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Start the race":
            break
    page.keyboard.press("Enter")
    expect(verdict(widget)).to_contain_text("Both texts are equal: 3", timeout=WITHIN)
    assert texts(widget)[0].startswith("One, two, three,")
    expect(button(widget, "Start the race")).to_be_focused()
    ask_for(widget, PROMPT, 60)
    button(widget, "Start the race").press("Enter")
    expect(button(widget, "Pause")).to_be_focused()
    expect(widget).to_contain_text("Your race, in this page", timeout=WITHIN)
    page.keyboard.press("Escape")
    expect(verdict(widget)).to_contain_text("Stopped", timeout=WITHIN)
    expect(button(widget, "Start the race")).to_be_focused()


def test_a_race_that_is_stopped_before_it_begins_leaves_the_last_one(race):
    _, widget = race
    ask_for(widget, PROMPT, 3)
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_contain_text("Both texts are equal: 3", timeout=WITHIN)
    shown = widget.locator(".tt-words").first.inner_text()
    ask_for(widget, PROMPT, 60)
    widget.evaluate(
        """(figure) => {
            [...figure.querySelectorAll("button")]
                .find((e) => e.textContent === "Start the race").click();
            figure.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
        }"""
    )
    expect(widget.get_by_role("status")).to_have_text("Stopped before it began")
    expect(verdict(widget)).to_have_text("Both texts are equal: 3 tokens compared, one by one.")
    expect(widget.locator(".tt-words").first).to_have_text(shown)
    expect(button(widget, "Start the race")).to_be_visible()


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("", "The prompt is empty: write a few words."),
        (
            "an odd \x04 sign",
            "This cannot be run: the vocabulary has no token for these bytes of the text: 0x04.",
        ),
    ],
)
def test_a_prompt_that_cannot_be_run_is_told(race, prompt, sentence):
    _, widget = race
    before = texts(widget)
    widget.get_by_label("Your prompt").fill(prompt)
    button(widget, "Start the race").click()
    expect(widget.get_by_role("alert")).to_have_text(sentence)
    assert texts(widget) == before
    ask_for(widget, PROMPT, 1)
    button(widget, "Start the race").click()
    expect(widget.get_by_role("alert")).to_have_count(0)


def test_it_is_accessible_and_narrow_once_the_model_is_loaded(race):
    page, widget = race
    page.set_viewport_size(PHONE["viewport"])
    ask_for(widget, PROMPT, 30)
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_contain_text("Equal so far", timeout=WITHIN)
    button(widget, "Pause").click()
    assert overflow(page) <= 0
    assert violations(page, WIDGET) == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert violations(page, WIDGET) == []
    page.set_viewport_size({"width": 1280, "height": 900})
