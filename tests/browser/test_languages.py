"""The landing page and figures in German, and what right to left does to them."""

import re

import pytest

from tests.book.conftest import ROOT, run_sphinx
from tests.browser.drivers import expect
from tests.browser.pages import opened, overflow, violations
from tests.browser.server import serve
from tests.browser.single import single
from tests.widgets.runs import small_run
from tinytorch.widgets import AnswerField, CacheMemoryExplorer, OperationExplorer, ServerExplorer
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.generation_player import GenerationPlayer
from tinytorch.widgets.language import Language

SITE = ROOT / "_build/html-de"
PHONE = {"width": 390, "height": 780}
FIGURES = {
    "player": lambda: GenerationPlayer(small_run(6), step=2),
    "operations": OperationExplorer,
    "memory": CacheMemoryExplorer,
    "server": ServerExplorer,
    "answer": lambda: AnswerField("Wie viele?", 384.5, unit="MiB"),
}
GERMAN = Language("de")
HOLES = re.compile(r"undefined|NaN|\{\w+\}")


@pytest.fixture(scope="module")
def german_url():
    """The site that `make book LANGUAGE=de` builds; what the pages' cells gave is there already."""
    run = run_sphinx(ROOT, "html", "_build/html-de", "-D", "language=de")
    assert run.returncode == 0, run.stderr
    with serve(SITE) as url:
        yield url


@pytest.fixture
def german(monkeypatch):
    monkeypatch.setattr(ChapterWidget, "language", "de")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_landing_page_speaks_german(browser, german_url, scheme):
    url = f"{german_url}/book/intro.html"
    options = {"viewport": PHONE, "color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, url, german_url, **options) as (page, problems, _):
        assert page.evaluate("document.documentElement.lang") == "de"
        expect(page.locator("article h1")).to_contain_text("KV-Caching, gemessen")
        expect(page.locator(".tt-numbers")).to_contain_text("weniger Arbeit")
        expect(page.locator(".tt-numbers strong").first).to_have_text(re.compile(r"^\d+,\d×$"))
        player = page.locator("[data-afm=GenerationPlayer] .tt-w")
        expect(player.get_by_role("button", name="Alles zeigen")).to_be_visible()
        expect(player.locator(".tt-words")).to_contain_text("Token mit Cache")
        article = page.locator("article").inner_text()
        for english in ("Without a cache", "What you see", "minutes.", "less work"):
            assert english not in article
        assert overflow(page) <= 0
        assert violations(page) == []
        assert problems == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_speaks_german_without_holes(browser, german, name):
    with single(browser, FIGURES[name](), viewport=PHONE) as (page, view):
        for details in view.locator("summary").all():
            details.click()
        said = page.evaluate(
            """() => [...document.querySelectorAll(".tt-w, .tt-w *")].flatMap((element) =>
                [...element.attributes].map(({ value }) => value).concat(element.textContent))"""
        )
        assert [text for text in said if HOLES.search(text)] == []
        assert "without" not in view.inner_text()
        assert violations(page, ".tt-w") == []
        assert overflow(page) <= 0


def test_numbers_are_read_and_written_as_the_language_has_them(browser, german):
    with single(browser, FIGURES["answer"]()) as (_, view):
        field = view.get_by_role("textbox")
        for typed, said in {
            "384,5": "Richtig: 385 MiB.",
            "384.5": "Richtig: 385 MiB.",
            "3.845": GERMAN.phrases["answer"]["factors"]["10"],
            "400": GERMAN.phrase("answer.close_above", percent="4,03"),
            "viele": GERMAN.phrase("answer.no_number"),
        }.items():
            field.fill(typed)
            view.get_by_role("button", name="Prüfen").click()
            expect(view.get_by_role("status")).to_have_text(said)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_from_right_to_left_keeps_its_drawings(browser, name):
    with single(browser, FIGURES[name](), viewport=PHONE) as (page, view):
        drawings = "() => [...document.querySelectorAll('.tt-w svg')].map((e) => e.innerHTML)"
        before = page.evaluate(drawings)
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert overflow(page) <= 0
        assert page.evaluate(drawings) == before
        for heading in view.locator("tbody th").all():
            assert heading.evaluate("(e) => getComputedStyle(e).textAlign") == "start"
        for drawing in view.locator("svg").all():
            assert drawing.evaluate("(e) => getComputedStyle(e).direction") == "ltr"
        assert violations(page, ".tt-w") == []
