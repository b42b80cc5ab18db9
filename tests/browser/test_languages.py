"""The figures in German, and what right to left does to them."""

import re

import pytest

from tests.browser.drivers import expect
from tests.browser.pages import overflow, violations
from tests.browser.single import single
from tests.widgets.runs import small_run
from tinytorch.widgets import AnswerField, CacheMemoryExplorer, OperationExplorer, ServerExplorer
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.generation_player import GenerationPlayer

PHONE = {"width": 390, "height": 780}
FIGURES = {
    "player": lambda: GenerationPlayer(small_run(6), step=2),
    "operations": OperationExplorer,
    "memory": CacheMemoryExplorer,
    "server": ServerExplorer,
    "answer": lambda: AnswerField("Wie viele?", 384.5, unit="MiB"),
}
HOLES = re.compile(r"undefined|NaN|\{\w+\}")


@pytest.fixture
def german(monkeypatch):
    monkeypatch.setattr(ChapterWidget, "language", "de")


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
            "3.845": "Das Zehnfache der Antwort.",
            "400": "Nahe dran: 4,03 % zu groß.",
            "viele": "Hier fehlt eine Zahl, etwa 1.234 oder 36,6.",
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
