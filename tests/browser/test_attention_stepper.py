"""The attention stepper on its page: keyboard, pointer, phone, and Python's numbers."""

import gzip
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SITE
from tests.browser.pages import opened, overflow, violations
from tests.browser.test_widgets import data_of

NAME = "AttentionStepper"
STATES = """(svg) => {
  const counts = {};
  for (const cell of svg.querySelectorAll("[data-at]")) {
    const state = cell.classList[1];
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
}"""
"""How many scores of a band are in each state."""


@contextmanager
def stepper(browser, site_url, fragment="", **options):
    url = f"{site_url}/book/redundancy.html#{NAME}{fragment}"
    with opened(browser, url, site_url, **options) as (page, problems, _):
        widget = page.locator(f"[data-afm={NAME}] .tt-w")
        expect(widget).to_be_visible()
        yield page, widget
        assert problems == []


def bands(widget):
    return [band.evaluate(STATES) for band in widget.locator("svg.tt-band").all()]


def test_each_step_forms_a_square_without_a_cache_and_a_row_with_one(browser, site_url):
    with stepper(browser, site_url, "&step=2&phase=4") as (_, widget):
        trace = data_of(widget)["trace"]
        length, total = trace["prompt_length"] + 2, len(trace["tokens"])
        without, with_cache = bands(widget)
        assert without["tt-now"] == with_cache["tt-now"] == length
        assert without["tt-again"] == length * (length - 1) // 2
        assert without["tt-masked"] == length * (length - 1) // 2
        assert "tt-again" not in with_cache
        assert with_cache["tt-none"] == total**2 - length
        text = widget.inner_text()
        assert f"{length} rows projected, {length**2} scores, {length} used" in text
        assert f"1 row projected, {length} scores, {length} used" in text


def test_the_prefill_computes_the_same_in_both(browser, site_url):
    with stepper(browser, site_url, "&step=0&phase=4") as (_, widget):
        without, with_cache = bands(widget)
        assert without == with_cache


def test_space_goes_through_the_phases_and_on_to_the_next_token(browser, site_url):
    with stepper(browser, site_url, "&step=1&phase=0") as (page, widget):
        widget.focus()
        assert "tt-now" not in bands(widget)[1]
        for phase in ("Write", "Score", "Softmax", "Mix", "Project"):
            page.keyboard.press("Space")
            expect(widget.locator(".tt-words")).to_contain_text(f"{phase}:")
        page.keyboard.press("End")
        last = data_of(widget)["trace"]["tokens"][-1].strip()
        expect(widget.locator(".tt-words")).to_contain_text(f"“{last}”")
        page.keyboard.press("Home")
        expect(widget.locator(".tt-words")).to_contain_text("The prompt.")


def test_the_readout_says_the_numbers_of_the_record(browser, site_url):
    with stepper(browser, site_url, "&step=4&head=1") as (page, widget):
        trace = data_of(widget)["trace"]
        row, head = trace["prompt_length"] + 3, trace["heads"][1]

        def said(at):
            words = trace["tokens"][row].strip(), trace["tokens"][at].strip()
            score, weight = head["scores"][row][at], 100 * head["weights"][row][at]
            pair = "“{}” meets “{}”: q · k / √64".format(*words)
            return f"{pair} = score {score:.2f}, weight {weight:.1f} %."

        readout = widget.locator(".tt-readout")
        most = max(range(row + 1), key=lambda at: head["weights"][row][at])
        expect(readout).to_have_text(said(most))
        widget.focus()
        page.keyboard.press("ArrowUp")
        expect(readout).to_have_text(said(most - 1))
        widget.locator("svg.tt-band").nth(1).locator(f'[data-at="{row} 2"]').hover()
        expect(readout).to_have_text(said(2))
        widget.get_by_text("Data as a table").click()
        cells = widget.locator("details tbody tr").nth(2).locator("td").all_inner_texts()
        assert cells == [f"{head['scores'][row][2]:.2f}", f"{100 * head['weights'][row][2]:.1f} %"]


def test_without_the_mask_all_layers_but_the_first_are_wrong(browser, site_url):
    with stepper(browser, site_url, "&step=3") as (page, widget):
        trace = data_of(widget)["trace"]
        assert not widget.locator(".tt-changes").is_visible()
        widget.get_by_label("take the mask away").check()
        kept = trace["prompt_length"] + 2
        layers = widget.locator(".tt-layer").all_inner_texts()
        assert len(layers) == len(trace["layers"])
        assert f"all {kept} kept keys right" in layers[0]
        for i in range(1, len(layers)):
            worst = 100 * max(trace["changes"][kept - 1][i][:kept])
            assert f"{kept} of {kept} kept keys wrong, by up to {worst:.1f} %" in layers[i]
        assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_the_theme(browser, site_url, scheme):
    options = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    with stepper(browser, site_url, **options) as (page, widget):
        assert overflow(page) <= 0
        band = widget.locator("svg.tt-band").first
        assert band.bounding_box()["width"] <= widget.bounding_box()["width"]
        assert violations(page) == []


def test_its_data_are_light():
    html = (SITE / "book/redundancy.html").read_text(encoding="utf-8")
    data = html.split(f'data-afm="{NAME}"', 1)[1].split("</script>", 1)[0]
    assert len(data) > 10_000
    assert len(gzip.compress(data.encode())) <= 60_000
