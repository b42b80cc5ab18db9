"""The attention stepper on its page: keyboard, pointer, phone, and Python's numbers."""

import gzip
import re

import pytest

from tests.browser.conftest import SITE
from tests.browser.drivers import expect
from tests.browser.drivers.only import FINGER, TAP
from tests.browser.figures import data_of, fixed, shown
from tests.browser.pages import overflow, violations

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


def stepper(browser, site_url, view="", **options):
    """Open the stepper at a view, when its bands are drawn."""
    fragment = f"#{NAME}{view}"
    return shown(browser, site_url, NAME, until=".tt-cell", fragment=fragment, **options)


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
        million = trace["row_operations"] / 1e6
        assert f"{length * million:,.0f} million multiply-adds without a cache" in text
        kib = (length - 1) * trace["row_bytes"] / 1024
        assert f"{million:,.0f} million with one, which reads {kib:,.0f} KiB of kept" in text
        head = trace["heads"][data_of(widget)["head"]]
        assert f"Heads {3 * head['kv_head']} to {3 * head['kv_head'] + 2} of layer" in text


def test_the_prefill_computes_the_same_in_both(browser, site_url):
    with stepper(browser, site_url, "&step=0&phase=4") as (_, widget):
        without, with_cache = bands(widget)
        assert without == with_cache


@pytest.mark.everywhere
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
    with stepper(browser, site_url, "&step=4&head=1&phase=4") as (page, widget):
        trace = data_of(widget)["trace"]
        row, head = trace["prompt_length"] + 3, trace["heads"][1]

        def said(at):
            words = trace["tokens"][row].strip(), trace["tokens"][at].strip()
            product, score = head["products"][row][at], head["scores"][row][at]
            pair = "“{}” meets “{}”".format(*words)
            weight = f"weight {fixed(100 * head['weights'][row][at], 1)} %"
            return f"{pair}: q · k = {product:.1f}, / √64 = {score:.2f}, {weight}."

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
        score, weight = head["scores"][row][2], 100 * head["weights"][row][2]
        assert cells == [fixed(score, 2), f"{fixed(weight, 1)} %"]


def test_a_score_is_read_only_where_it_is_formed(browser, site_url):
    with stepper(browser, site_url, "&step=4&phase=4") as (page, widget):
        trace = data_of(widget)["trace"]
        row = trace["prompt_length"] + 3
        words = [token.strip() for token in trace["tokens"]]
        readout = widget.locator(".tt-readout")
        without, with_cache = widget.locator("svg.tt-band").all()

        def point(band, at):
            cell = band.locator(f'[data-at="{at}"]')
            cell.scroll_into_view_if_needed()
            box = cell.bounding_box()
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

        pair = f"“{words[3]}” meets “{words[1]}”"
        point(with_cache, "3 1")
        expect(readout).to_have_text(
            f"{pair}: not formed in this step, but in that of “{words[3]}”."
        )
        point(without, "3 1")
        expect(readout).to_contain_text(f"{pair}: q · k = ")
        point(without, "1 3")
        expect(readout).to_contain_text("in its future, masked")
        point(without, f"{row + 1} 0")
        expect(readout).to_contain_text("not in the text yet")
        widget.get_by_label("Phase").select_option("softmax")
        page.mouse.move(0, 0)
        expect(readout).to_contain_text("weight")
        widget.get_by_label("Phase").select_option("score")
        expect(readout).not_to_contain_text("weight")
        widget.get_by_label("Phase").select_option("write")
        expect(readout).to_have_text(f"“{words[row]}” has met no key yet: scores come next.")
        assert widget.locator(".tt-read").count() == 0


def test_it_says_how_much_the_two_runs_differ(browser, site_url):
    with stepper(browser, site_url) as (_, widget):
        trace = data_of(widget)["trace"]
        said = re.search(r"In all (\d+) layers, .* at most (\S+)\.", widget.inner_text())
        assert int(said[1]) == trace["num_layers"]
        assert float(said[2]) == pytest.approx(trace["difference"], rel=0.05)


@FINGER
def test_its_controls_are_large_enough_for_a_finger(browser, site_url):
    options = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    with stepper(browser, site_url, **options) as (_, widget):
        for control in widget.locator("button, select, summary, .tt-check").all():
            if control.is_visible():
                box = control.bounding_box()
                assert min(box["width"], box["height"]) >= 44, control.inner_text()


@TAP
def test_a_tap_stays_read(browser, site_url):
    options = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    with stepper(browser, site_url, "&step=4&phase=4", **options) as (_, widget):
        trace = data_of(widget)["trace"]
        row = trace["prompt_length"] + 3
        widget.locator("svg.tt-band").first.locator(f'[data-at="{row} 0"]').tap()
        pair = "“{}” meets “{}”".format(*(trace["tokens"][i].strip() for i in (row, 0)))
        expect(widget.locator(".tt-readout")).to_contain_text(pair)


def test_without_the_mask_all_layers_but_the_first_are_wrong(browser, site_url):
    with stepper(browser, site_url, "&step=3") as (page, widget):
        trace = data_of(widget)["trace"]
        assert not widget.locator(".tt-changes").is_visible()
        widget.get_by_label("show what changes without the mask").check()
        kept = trace["prompt_length"] + 2
        layers = widget.locator(".tt-layer").all_inner_texts()
        assert len(layers) == len(trace["layers"])
        assert f"all {kept} kept keys right" in layers[0]
        for i in range(1, len(layers)):
            worst = 100 * max(trace["changes"][kept - 1][i][:kept])
            assert f"{kept} of {kept} kept keys wrong, by up to {fixed(worst, 1)} %" in layers[i]
        assert violations(page, "[data-afm=AttentionStepper]") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_the_theme(browser, site_url, scheme):
    options = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    with stepper(browser, site_url, **options) as (page, widget):
        assert overflow(page) <= 0
        band = widget.locator("svg.tt-band").first
        assert band.bounding_box()["width"] <= widget.bounding_box()["width"]
        assert violations(page, "[data-afm=AttentionStepper]") == []


def test_its_data_are_light():
    html = (SITE / "book/redundancy.html").read_text(encoding="utf-8")
    data = html.split(f'data-afm="{NAME}"', 1)[1].split("</script>", 1)[0]
    assert len(data) > 10_000
    assert len(gzip.compress(data.encode())) <= 60_000
