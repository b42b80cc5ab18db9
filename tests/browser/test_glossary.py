"""The meaning of a term on hover and focus, and the link that it stays without a script."""

import pytest

from tests.browser.drivers import expect
from tests.browser.drivers.only import NO_SCRIPT
from tests.browser.pages import opened, overflow


@pytest.mark.everywhere
@pytest.mark.parametrize("width", [390, 1280])
def test_a_term_shows_its_meaning_until_escape(browser, site_url, width):
    url = f"{site_url}/book/redundancy.html"
    size = {"width": width, "height": 800}
    with opened(browser, url, site_url, viewport=size) as (page, problems, _):
        terms = page.locator(".tt-term")
        assert terms.count() >= 5
        for term in terms.all():
            meaning = term.locator("[role=tooltip]")
            expect(meaning).to_be_hidden()
            term.locator("a").focus()
            expect(meaning).to_be_visible()
            link, box = term.locator("a").bounding_box(), meaning.bounding_box()
            assert box["y"] + box["height"] > link["y"] + link["height"]
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            page.keyboard.press("Escape")
            expect(meaning).to_be_hidden()
            term.locator("a").blur()
        last = terms.last
        last.locator("a").hover()
        expect(last.locator("[role=tooltip]")).to_be_visible()
        last.locator("[role=tooltip]").hover()
        expect(last.locator("[role=tooltip]")).to_be_visible()
        assert overflow(page) <= 0
        assert problems == []


@NO_SCRIPT
def test_without_a_script_a_term_is_a_link_that_shows_its_meaning(browser, site_url):
    url = f"{site_url}/book/redundancy.html"
    with opened(browser, url, site_url, java_script_enabled=False) as (page, _, _sizes):
        link = page.locator(".tt-term > a").first
        link.focus()
        expect(page.locator(".tt-term > [role=tooltip]").first).to_be_visible()
        link.click()
        assert "glossary.html#term-" in page.url
