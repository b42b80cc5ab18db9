"""The text of the lecture: what is read from it, and what it says of itself."""

import re
from itertools import groupby
from pathlib import Path

import pytest

from lecture.deck import Deck, slug
from lecture.source import SOURCE, LectureError, Reference, read_slides

BOOK = Path(__file__).parents[2] / "book"
SLIDES = read_slides(SOURCE.read_text(encoding="utf-8"))
WELCOME = "Welcome"
"""What the lesson plan calls the first slide, which belongs to no part."""

SMALL = """\
A preface for authors, with {anything}.

## First

Words.

Notes, 1 minute: Say `hello`.

# A part

## Second {value a.md#a-size `(\\d+) MiB`}

{drawing a.md#a-curve} {code b.md#b-cell}

Notes, 1.5 minutes: More.
"""


def test_slides_are_read_with_part_notes_minutes_and_references():
    first, second = read_slides(SMALL)
    assert (first.part, first.title, first.body) == ("", "First", "Words.")
    assert (first.notes, first.minutes, first.line) == ("Say `hello`.", 1, 3)
    assert (second.part, float(second.minutes)) == ("A part", 1.5)
    assert second.references() == [
        Reference("value", "a.md", "a-size", r"(\d+) MiB"),
        Reference("drawing", "a.md", "a-curve"),
        Reference("code", "b.md", "b-cell"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## A\n\nNo notes.\n", "line 1, 'A': expected one line that begins with 'Notes, 2 min"),
        ("## A\n\nNotes, 1 minute: b\n\nNotes, 1 minute: c\n", "got 2"),
        ("## A\n\nNotes, a minute: b\n", "got 0"),
        ("## A\n\n{drawing a#b}\n\nNotes, 1 minute: c\n", "{drawing a#b} is no reference"),
        ("## A\n\n{picture a.md#b}\n\nNotes, 1 minute: c\n", "kinds are drawing, live"),
        ("## A\n\nNotes, 1 minute: {value a.md#b}\n", "a value needs a pattern"),
        ("## A\n\n{code a.md#b `c`}\n\nNotes, 1 minute: d\n", "and no other does"),
        ("# A\n\nwords\n\n## B\n\nNotes, 1 minute: c\n", "line 1: text between a part and"),
    ],
)
def test_what_is_not_understood_is_named(text, said):
    with pytest.raises(LectureError, match=r"slides\.md, line 1") as error:
        read_slides(text)
    assert said in str(error.value)


class NoBook:
    """Has nothing that a slide could take."""


def test_two_slides_of_one_title_are_refused():
    twice = read_slides("## A b\n\nNotes, 1 minute: c\n\n## A, b!\n\nNotes, 1 minute: d\n")
    with pytest.raises(LectureError, match="a-b"):
        Deck(twice, NoBook()).html()


def test_the_lecture_has_about_forty_slides_and_takes_75_minutes():
    assert 36 <= len(SLIDES) <= 44
    assert sum(slide.minutes for slide in SLIDES) == 75
    assert all(slide.minutes <= 3 for slide in SLIDES)
    assert all(len(slide.notes.split()) >= 5 for slide in SLIDES)
    assert len({slug(slide.title) for slide in SLIDES}) == len(SLIDES)


def test_every_reference_is_a_label_on_its_page():
    for slide in SLIDES:
        for reference in slide.references():
            page = (BOOK / reference.page).read_text(encoding="utf-8")
            assert page.count(f"\n({reference.label})=\n") == 1, f"{slide.title}: {reference}"


def test_the_parts_tell_the_story_in_the_order_of_the_pages():
    pages = [reference.page for slide in SLIDES for reference in slide.references()]
    toc = (BOOK.parent / "_toc.yml").read_text(encoding="utf-8")
    order = [f"{name}.md" for name in re.findall(r"book/(\w+)", toc)]
    story = [page for page in dict.fromkeys(pages) if page != "lecture.md"]
    assert story == sorted(story, key=order.index)
    assert len(story) >= 10


def test_each_question_is_asked_and_then_answered():
    asked = [
        (reference.kind, reference.label)
        for slide in SLIDES
        for reference in slide.references()
        if reference.kind in ("question", "answer")
    ]
    labels = [label for kind, label in asked if kind == "question"]
    assert len(set(labels)) == 5
    assert asked == [(kind, label) for label in labels for kind in ("question", "answer")]


def test_the_lesson_plan_of_the_page_is_that_of_the_slides():
    rows, number = [], 1
    for part, group in groupby(SLIDES, key=lambda slide: slide.part):
        slides = list(group)
        last = number + len(slides) - 1
        span = f"{number} to {last}" if last > number else str(number)
        minutes = float(sum(slide.minutes for slide in slides))
        rows.append((part or WELCOME, span, f"{minutes:g}"))
        number = last + 1
    text = (BOOK / "lecture.md").read_text(encoding="utf-8")
    _, _, plan = text.partition("## The plan")
    found = re.findall(r"^\| ([^|]+) \| (\d[^|]*) \| ([\d.]+) \| [^|]+ \|$", plan, re.MULTILINE)
    assert found == rows
