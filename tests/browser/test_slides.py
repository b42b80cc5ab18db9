"""The deck of the lecture, built from the built site."""

import re

import pytest
from playwright.sync_api import expect

from lecture.__main__ import publish
from lecture.deck import Deck, write_deck
from lecture.pages import Book
from lecture.reveal import FILES, VERSION, fetch_reveal
from lecture.source import SOURCE, LectureError, Reference, read_slides
from tests.browser.conftest import SITE
from tests.browser.drivers.only import FRAMES, PAPER
from tests.browser.pages import opened
from tests.browser.server import serve

SLIDES = read_slides(SOURCE.read_text(encoding="utf-8"))
WINDOW = {"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce"}
FIGURES = [
    (index, reference.label)
    for index, slide in enumerate(SLIDES)
    for reference in slide.references()
    if reference.kind == "live"
]
LARGEST = 5 * 2**20
LOADED = 30_000
"""Milliseconds that a busy machine may take to lay out a whole deck."""

FRAME = "section.present iframe"
AT = "Reveal.getIndices().h"

OVERFLOWING = """() => [...document.querySelectorAll("section.present :is(.slide, .slide *)")]
  .filter((e) => e.clientHeight && !e.closest("svg, math, .picture"))
  .filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1)
  .map((e) => `${e.tagName}.${e.className}`)"""
"""What of a slide is larger than its place."""

OUTSIDE = """() => [...document.querySelectorAll("section.present .slide *")]
  .filter((e) => !e.closest("svg, math, .picture, .tt-unseen"))
  .map((e) => [e, e.getBoundingClientRect()])
  .filter(([, r]) => r.width && (r.left < 0 || r.top < 0 || r.right > 1281 || r.bottom > 721))
  .map(([e, r]) => `${e.tagName}.${e.className} ${r.right} ${r.bottom}`)"""


@pytest.fixture(scope="module")
def reveal():
    return fetch_reveal()


@pytest.fixture(scope="module")
def book():
    return Book(SITE)


@pytest.fixture(scope="module")
def deck(reveal, book, tmp_path_factory):
    target = tmp_path_factory.mktemp("lecture") / "slides"
    write_deck(SLIDES, book, reveal, target)
    return target


@pytest.fixture(scope="module")
def deck_url(deck):
    with serve(deck) as url:
        yield url


def test_reveal_is_what_is_pinned_with_its_licence(reveal):
    assert reveal.name.endswith(VERSION)
    assert sorted(file.name for file in reveal.iterdir()) == sorted(
        name.rpartition("/")[2] for name in FILES
    )
    assert "Permission is hereby granted, free of charge" in (reveal / "LICENSE").read_text()


def test_the_deck_is_small(deck):
    assert sum(file.stat().st_size for file in deck.rglob("*") if file.is_file()) < LARGEST


@FRAMES
def test_every_slide_fits_and_nothing_goes_wrong(browser, deck_url):
    with opened(browser, f"{deck_url}/index.html", deck_url, **WINDOW) as (page, problems, _):
        assert page.evaluate("Reveal.getTotalSlides()") == len(SLIDES)
        for index, slide in enumerate(SLIDES):
            page.wait_for_function(f"{AT} === {index}")
            present = page.locator("section.present")
            assert present.locator("h2").inner_text().strip(), slide.title
            if frames := present.locator("iframe").all():
                expect(page.frame_locator(FRAME).locator(".tt-w")).to_be_visible()
                expect(frames[0]).to_have_attribute("style", re.compile("scale"))
            assert page.evaluate(OVERFLOWING) == [], slide.title
            assert page.evaluate(OUTSIDE) == [], slide.title
            page.keyboard.press("ArrowRight")
        assert problems == []


@FRAMES
def test_notes_say_how_long_each_slide_takes(browser, deck, deck_url):
    with opened(browser, f"{deck_url}/index.html", deck_url, **WINDOW) as (page, problems, _):
        with page.expect_popup() as popup:
            page.keyboard.press("s")
        speaker = popup.value
        notes = speaker.locator(".speaker-controls-notes .value")
        expect(notes).to_contain_text("1 minute.", timeout=LOADED)  # it loads the deck twice more
        page.keyboard.press("ArrowRight")
        expect(notes).to_contain_text("2 minutes.", timeout=LOADED)
        timings = page.locator("section[data-timing]").evaluate_all(
            "sections => sections.map((section) => Number(section.dataset.timing))"
        )
        assert sum(timings) == 75 * 60
        assert problems == []


CONTROL = ".tt-w :is(input[type=range], input[type=radio]:checked):visible"
FOCUSED = {"redundancy-stepper": ".tt-w"}
"""What takes the keys: of most figures the first slider or choice."""


SEEN = """() => [...document.querySelectorAll(".tt-w > :not(.tt-unseen)")]
  .map((e) => e.outerHTML).join("")"""
"""A figure without what it tells screen readers a moment later."""


@FRAMES
def test_a_figure_keeps_its_keys_and_gives_them_back(browser, deck):
    url = f"file://{deck}/index.html"
    with opened(browser, url, "file://", **WINDOW) as (page, problems, _):
        for index, label in FIGURES:
            page.evaluate("(index) => Reveal.slide(index)", index)
            figure = page.locator(FRAME).element_handle().content_frame()
            figure.locator(FOCUSED.get(label, CONTROL)).first.focus()
            before = figure.evaluate(SEEN)
            page.keyboard.press("ArrowRight")
            figure.wait_for_function(f"(before) => ({SEEN})() !== before", arg=before)
            assert page.evaluate(AT) == index

            page.keyboard.press("Escape")
            page.wait_for_function("document.activeElement === document.body")
            after = figure.evaluate(SEEN)
            page.keyboard.press("b")
            page.wait_for_function("Reveal.isPaused()")
            page.keyboard.press("b")
            page.wait_for_function("!Reveal.isPaused()")
            assert figure.evaluate(SEEN) == after, label
            page.keyboard.press("ArrowRight")
            page.wait_for_function(f"{AT} === {index + 1}")
        assert problems == []


@FRAMES
def test_a_remote_control_moves_on_out_of_a_figure(browser, deck):
    (index,) = [index for index, label in FIGURES if label == "redundancy-stepper"]
    with opened(browser, f"file://{deck}/index.html", "file://", **WINDOW) as (page, problems, _):
        page.evaluate("(index) => Reveal.slide(index)", index)
        page.frame_locator(FRAME).locator(".tt-w").focus()
        page.keyboard.press("PageDown")
        page.wait_for_function(f"{AT} === {index + 1}")
        assert problems == []


@PAPER
def test_paper_has_a_page_for_each_slide_and_drawings_of_figures(browser, deck, deck_url):
    url = f"{deck_url}/index.html?print-pdf"
    with opened(browser, url, deck_url, **WINDOW) as (page, problems, _):
        expect(page.locator(".pdf-page")).to_have_count(len(SLIDES), timeout=LOADED)
        expect(page.locator(".live .picture")).to_have_count(len(FIGURES))
        for picture in page.locator(".live .picture").all():
            expect(picture).to_be_visible()
            cut = "e => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1"
            assert not picture.evaluate(cut)
        assert page.locator("iframe:visible").count() == 0
        last = f"{len(SLIDES)}-{len(SLIDES) + 1}"  # and no page behind it
        pdf = page.pdf(prefer_css_page_size=True, print_background=True, page_ranges=last)
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
        assert problems == []


def test_each_question_has_four_answers_and_one_is_right(book):
    references = [
        reference
        for slide in SLIDES
        for reference in slide.references()
        if reference.kind == "question"
    ]
    for reference in references:
        question = book.question(reference)
        assert [answer.letter for answer in question.answers] == list("ABCD")
        assert sum(answer.is_right for answer in question.answers) == 1, reference
        assert len({answer.text for answer in question.answers}) == 4
        assert all(len(answer.reason.split()) >= 8 for answer in question.answers)
        assert question.stem.endswith(("?", "."))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (Reference("drawing", "measure.md", "nowhere"), "no element with this label"),
        (Reference("table", "measure.md", "measure-loop"), "no table behind this label"),
        (Reference("drawing", "nowhere.md", "a"), "run `make book` first"),
        (Reference("value", "measure.md", "measure-loop", "(xyz)"), "matches the pattern"),
    ],
)
def test_what_the_book_does_not_have_ends_the_build_and_is_named(book, reference, said):
    (words, alone) = (f"words {reference}", str(reference))
    body = words if reference.kind == "value" else alone
    deck = Deck(read_slides(f"## A\n\n{body}\n\nNotes, 1 minute: b\n"), book)
    with pytest.raises(LectureError, match=re.escape(said)) as error:
        deck.html()
    assert str(reference) in str(error.value)


def test_a_published_site_links_to_its_deck(deck, tmp_path):
    page = tmp_path / "book" / "lecture.html"
    page.parent.mkdir()
    html = (SITE / "book" / "lecture.html").read_text(encoding="utf-8")
    assert "slides/index.html" not in html
    page.write_text(html, encoding="utf-8")
    for _ in range(2):
        publish(deck, tmp_path)
        assert page.read_text(encoding="utf-8").count('href="../slides/index.html"') == 1
    assert (tmp_path / "slides" / "index.html").is_file()
    page.write_text("<p>changed</p>", encoding="utf-8")
    with pytest.raises(LectureError, match="tt-deck"):
        publish(deck, tmp_path)
