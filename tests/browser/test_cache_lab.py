"""The cache lab on its pages: recorded by Python, run by the engine, and both agree."""

import re

import pytest

from tests.browser.drivers import expect
from tests.browser.drivers.only import FINGER, PAPER
from tests.browser.figures import data_of, fixed, shown
from tests.browser.pages import overflow, violations
from tinytorch.widgets.cache_lab import first_difference
from tinytorch.widgets.language import ENGLISH

NAME = "CacheLab"
TITLES = ENGLISH.phrases["lab"]["titles"]
PAGES = {"bugs": 10, "beyond": 7}
"""How many runs each page's figure has."""

LOADED, RUN = 120_000, 300_000  # ms, of a machine that does much else

SAME = "Computed in this page. The same tokens and loss as recorded by Python."


def lab(browser, site_url, page_name, view="", **options):
    """Open a page's lab at a view, when its table is drawn."""
    options |= {"on": page_name, "until": "tbody tr", "fragment": f"#{NAME}{view}"}
    return shown(browser, site_url, NAME, **options)


def rows_of(widget) -> list[list[str]]:
    """Return the figure's table: title, first wrong token, loss and bytes of each run."""
    rows = widget.locator("table").first.locator("tbody tr")
    texts = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    return [[text.strip() for text in row] for row in texts]  # WebKit breaks lines around a label


def first_wrong(runs, name) -> str:
    place = first_difference(runs[name]["ids"], runs["right"]["ids"])
    return "–" if place is None else str(place + 1)


@pytest.mark.parametrize("page_name", PAGES)
def test_the_recorded_view_is_that_of_python(browser, site_url, page_name):
    with lab(browser, site_url, page_name) as (_, widget):
        runs = data_of(widget)["record"]["runs"]
        expected = [
            [TITLES[name], first_wrong(runs, name), fixed(run["loss"], 2)]
            for name, run in runs.items()
        ]
        assert [row[:3] for row in rows_of(widget)] == expected
        assert len(expected) == PAGES[page_name]
        expect(widget).to_contain_text("Recorded by Python when this page was built.")
        expect(widget.get_by_role("button", name="Run all")).to_be_hidden()


def test_the_record_is_what_the_page_about_bugs_shows(browser, site_url):
    with lab(browser, site_url, "bugs") as (page, widget):
        runs = data_of(widget)["record"]["runs"]
        table = page.locator("table", has=page.locator("th", has_text="as without a cache"))
        rows = [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]
    assert len(rows) == 8
    names = ["right", *list(runs)[1:6]]  # bugs 6 and 7 have more than a first text in the lab
    right = runs["right"]
    for name, (_, same, wrong) in zip(names, rows, strict=False):
        place = first_difference(runs[name]["ids"], right["ids"])
        end = len(right["ids"]) if place is None else place
        texts = ["".join(runs[name]["texts"][part]) for part in (slice(end), slice(end, None))]
        assert [" ".join(text.split()) for text in texts] == [
            " ".join(text.split()) for text in (same, wrong)
        ]


def test_the_record_is_what_the_page_about_windows_shows(browser, site_url):
    with lab(browser, site_url, "beyond") as (page, widget):
        runs = data_of(widget)["record"]["runs"]
        text = page.locator("main").inner_text()
    loss = {name: f"{run['loss']:.2f}" for name, run in runs.items()}
    assert f"cost: loss {loss['right']} -> {loss['sinks']}\n" in text
    assert f"without sinks {loss['window']}\n" in text
    for bits in (8, 4):
        for axis in ("token", "channel"):
            row = f"{bits} bits, keys by {axis}"
            assert re.search(rf"{row}\s+{loss[f'int{bits}-{axis}']}\s", text)


def test_the_engine_agrees_with_python_on_every_bug(browser, site_url):
    """The same tokens, the same loss to two decimals, the same bytes."""
    with lab(browser, site_url, "bugs") as (_, widget):
        before = rows_of(widget)
        runs = data_of(widget)["record"]["runs"]
        widget.get_by_role("button", name="Load the model").click()
        run_all = widget.get_by_role("button", name="Run all")
        expect(run_all).to_be_visible(timeout=LOADED)
        run_all.click()
        expect(widget.get_by_role("status")).to_have_text("All switches were run", timeout=RUN)
        assert rows_of(widget) == before
        for name, radio in zip(runs, widget.get_by_role("radio").all(), strict=True):
            radio.check()
            expect(widget).to_contain_text(SAME)
            text = " ".join("".join(runs[name]["texts"]).split())
            lane = widget.locator(".tt-tokens").nth(int(name != "right"))
            assert text in " ".join(lane.inner_text().split())


def test_the_engine_agrees_with_python_on_windows_and_integers(browser, site_url):
    """Windows do to two decimals.

    Rounded entries of a model are chaotic: in Python alone, noise of a millionth changes the loss
    by 0.003 with 8 bits and by 0.05 with 4. test_lab.py compares the rounding itself.
    """
    within = {"window": 0, "sinks": 0, "int8-token": 0.015, "int4-channel": 0.15}
    with lab(browser, site_url, "beyond", "&switch=right") as (_, widget):
        before = rows_of(widget)
        runs = data_of(widget)["record"]["runs"]
        widget.get_by_role("button", name="Load the model").click()
        expect(widget).to_contain_text(SAME, timeout=LOADED + RUN)
        for name, tolerance in within.items():
            widget.get_by_role("radio", name=TITLES[name]).check()
            widget.get_by_role("button", name="Run this switch").click()
            expect(widget).to_contain_text("Computed in this page.", timeout=RUN)
            at = list(runs).index(name)
            (*_, loss, kept), expected = rows_of(widget)[at], before[at]
            assert float(loss) == pytest.approx(float(expected[2]), abs=tolerance)
            assert kept == expected[3]
            if not tolerance:
                expect(widget).to_contain_text(SAME)
        assert before[0] == rows_of(widget)[0]


def test_a_beginning_of_the_readers_own_and_stop(browser, site_url):
    with lab(browser, site_url, "bugs", "&switch=no-prefill") as (_, widget):
        runs = data_of(widget)["record"]["runs"]
        widget.get_by_role("button", name="Load the model").click()
        field = widget.get_by_label("Your own beginning")
        expect(field).to_be_visible(timeout=LOADED)
        words = widget.locator(".tt-words")
        expect(words).to_contain_text("instead of", timeout=RUN)  # it has run the chosen switch
        field.fill("Once upon a time there was a")
        field.press("Tab")
        expect(words).to_have_text("Not run on your beginning yet.")
        assert {row[1] for row in rows_of(widget)} == {"–"}
        widget.get_by_role("button", name="Run this switch").click()
        expect(words).to_contain_text("first wrong one; loss", timeout=RUN)
        expect(widget).to_contain_text("Computed in this page.")
        for lane in widget.locator(".tt-tokens").all():
            expect(lane).to_contain_text("Once upon a time there was a")
        right, wrong = (rows_of(widget)[i] for i in (0, 4))
        assert [float(row[2]) for row in (right, wrong)] == [
            pytest.approx(runs[name]["loss"], abs=0.006) for name in ("right", "no-prefill")
        ]
        widget.get_by_role("button", name="Run all").click()
        expect(words).to_contain_text("Running here: 1 first token lost", timeout=RUN)
        expect(widget.locator("[aria-busy=true] th")).to_have_text("1 first token lost")
        widget.get_by_role("button", name="Stop").click()
        expect(words).not_to_contain_text("Running")
        assert rows_of(widget)[2][2] == "…"  # never a half answer
        field.fill("")
        field.press("Enter")
        expect(words).to_contain_text("instead of")
        expect(widget).to_contain_text("Recorded by Python when this page was built.")


@pytest.mark.everywhere
def test_arrows_choose_a_switch_and_it_is_said(browser, site_url):
    with lab(browser, site_url, "bugs") as (page, widget):
        runs = data_of(widget)["record"]["runs"]
        widget.get_by_role("radio", name="1 first token lost").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(widget.get_by_role("radio", name="3 off by one")).to_be_checked()
        words = widget.locator(".tt-words")
        expect(words).to_contain_text(f"Token {first_wrong(runs, 'off-by-one')} is the first")
        expect(widget.get_by_role("status")).to_have_text(words.inner_text())
        expect(widget.locator("mark")).to_have_count(2)
        expect(widget).to_contain_text(ENGLISH.phrase("lab.about.off-by-one"))
        page.keyboard.press("Home")
        widget.get_by_role("button", name="Reset").click()
        expect(widget.get_by_role("radio", name="1 first token lost")).to_be_checked()


def test_a_link_opens_a_switch_and_the_table_has_both_texts(browser, site_url):
    with lab(browser, site_url, "beyond", "&switch=int4-token") as (page, widget):
        runs = data_of(widget)["record"]["runs"]
        expect(widget.get_by_role("radio", name="int4, scales by token")).to_be_checked()
        widget.get_by_text("Data as a table").click()
        rows = widget.locator("details tbody tr").all()
        cells = [row.locator("td").all_inner_texts() for row in rows]
        assert len(cells) == len(runs["right"]["ids"])
        for i, (right, now) in enumerate(cells):
            assert right.strip("“”").split() == runs["right"]["texts"][i].split()
            assert now.strip("“”").split() == runs["int4-token"]["texts"][i].split()
        page.evaluate("location.hash = '#CacheLab&switch=nothing'")
        expect(widget.get_by_role("radio").first).to_be_checked()


@FINGER
@pytest.mark.parametrize(("page_name", "scheme"), [("bugs", "light"), ("beyond", "dark")])
def test_nothing_keeps_readers_out(browser, site_url, page_name, scheme):
    size = {"width": 390, "height": 844}
    options = {"color_scheme": scheme, "viewport": size, "has_touch": True}
    with lab(browser, site_url, page_name, **options) as (page, widget):
        assert violations(page, f"[data-afm={NAME}]") == []
        assert overflow(page) <= 0
        for radio in widget.locator("tbody .tt-check").all():
            assert radio.bounding_box()["height"] >= 44


@PAPER
def test_paper_shows_both_texts(browser, site_url):
    with lab(browser, site_url, "bugs") as (page, widget):
        page.emulate_media(media="print")
        drawn = page.locator(f"[data-afm={NAME}] .tt-fallback")
        expect(drawn).to_be_visible()
        expect(widget).to_be_hidden()
        runs = data_of(widget)["record"]["runs"]
        expect(drawn).to_contain_text(runs["first-lost"]["texts"][-1])
