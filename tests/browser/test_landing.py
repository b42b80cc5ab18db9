"""The landing page's first screen, its doors and its cards."""

import re
from pathlib import Path

import pytest
import yaml

from tests.browser.drivers import expect
from tests.browser.figures import data_of
from tests.browser.pages import opened

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
PARTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
CHAPTER = [page["file"] for page in PARTS[0]["chapters"]] + ["book/reflect"]
"""The pages that have a card each."""

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 780}


def landing(browser, site_url, **options):
    url = f"{site_url}/book/intro.html"
    return opened(browser, url, site_url, reduced_motion="reduce", **options)


@pytest.mark.parametrize(("size", "bottom"), [(WIDE, 800), (PHONE, 780)], ids=["wide", "phone"])
def test_the_first_screen_holds_sentence_numbers_lanes_and_play(browser, site_url, size, bottom):
    with landing(browser, site_url, viewport=size) as (page, problems, _):
        for part in (".tt-lead", ".tt-numbers", ".tt-w .tt-lanes", ".tt-w .tt-play"):
            element = page.locator(part).first
            expect(element).to_be_visible()
            box = element.bounding_box()
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= bottom, part
        assert problems == []


def test_the_three_numbers_are_those_of_the_first_recording(browser, site_url):
    with landing(browser, site_url) as (page, _, _sizes):
        run = data_of(page.locator("[data-afm=GenerationPlayer] .tt-w"))["recordings"][0]
        work = sum(run["operations_without_cache"]) / sum(run["operations_with_cache"])
        time = sum(run["ms_without_cache"]) / sum(run["ms"])
        notes = run["cache_bytes"][-1] / 2**20
        expected = [f"{work:.1f}×", f"{time:.1f}×", f"{notes:.1f} MiB"]
        assert page.locator(".tt-numbers strong").all_inner_texts() == expected
        player = page.locator("[data-afm=GenerationPlayer]")
        player.locator(".tt-play").click()
        score = player.locator(".tt-score strong")
        assert score.nth(0).inner_text() == expected[0]


def test_doors_and_cards_lead_to_pages_and_say_how_long(browser, site_url):
    with landing(browser, site_url) as (page, _, _sizes):
        cards = page.locator(".tt-cards li").all()
        links = [card.locator("a").first.get_attribute("href") for card in cards]
        assert [f"book/{Path(link).stem}" for link in links[3:]] == CHAPTER
        for card, link in zip(cards, links, strict=True):
            target = link.split("#")[0]
            source = (BOOK / target).with_suffix(".md").read_text(encoding="utf-8")
            minutes = re.search(r"(\d+) minutes", card.inner_text())
            if minutes:
                assert f"**Time**: {minutes[1]} minutes" in source, target
        box = cards[0].bounding_box()
        cards[0].click(position={"x": box["width"] - 8, "y": box["height"] - 8})
        page.wait_for_url("**/measure.html")
