"""The text of the lecture, `slides.md`, read into slides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

SOURCE = Path(__file__).with_name("slides.md")

KINDS = (
    "drawing",
    "live",
    "code",
    "table",
    "formula",
    "numbers",
    "value",
    "question",
    "answer",
)
"""What a reference may take from a page. `value` also needs a pattern."""

REFERENCE = re.compile(r"\{(\w+) ([\w-]+\.md)#([\w-]+)(?: `([^`]+)`)?\}")
NOTES = re.compile(r"Notes, (\d+(?:\.\d+)?) minutes?:(?=\s|$)")


class LectureError(Exception):
    """What is wrong with the lecture, in a sentence that names the place."""


@dataclass(frozen=True)
class Reference:
    """Something of a page: ``{kind page.md#label}``.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    page : str
        A file of the folder ``book``.
    label : str
        A target on it, ``(label)=``, which stands before what is meant.
    pattern : str
        Of a value: a regular expression whose group is the number that is looked for.
    """

    kind: str
    page: str
    label: str
    pattern: str = ""

    def __str__(self) -> str:
        pattern = f" `{self.pattern}`" if self.pattern else ""
        return f"{{{self.kind} {self.page}#{self.label}{pattern}}}"


@dataclass(frozen=True)
class Slide:
    """One slide.

    Attributes
    ----------
    part : str
        The part of the lecture that it belongs to; the first slide has none.
    title : str
    body : str
        Markdown with references.
    notes : str
        What the speaker sees, Markdown with references.
    minutes : Fraction
    line : int
        Where its title stands in the source.
    """

    part: str
    title: str
    body: str
    notes: str
    minutes: Fraction
    line: int

    def references(self) -> list[Reference]:
        """Return all references, in title, body and notes."""
        return find_references("\n".join((self.title, self.body, self.notes)))


def find_references(text: str) -> list[Reference]:
    """Return the references in a text, in their order."""
    return [Reference(*match.groups(default="")) for match in REFERENCE.finditer(text)]


def read_slides(text: str) -> list[Slide]:
    """Read slides: ``# part``, ``## title``, a body, and ``Notes, 2 minutes: …`` at the end.

    What stands before the first heading is for authors.

    Raises
    ------
    LectureError
        If a slide has no notes, or a reference is not understood.
    """
    slides, part = [], ""
    for line, heading, below in _sections(text):
        if heading.startswith("# "):
            part = heading.removeprefix("# ")
            if below:
                raise LectureError(f"slides.md, line {line}: text between a part and its slide")
        else:
            slides.append(_slide(part, heading.removeprefix("## "), below, line))
    return slides


def _sections(text: str) -> list[tuple[int, str, str]]:
    """Return each heading with its line and the text below it."""
    sections: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(("# ", "## ")):
            sections.append((number, line.strip(), []))
        elif sections:
            sections[-1][2].append(line)
    return [(number, heading, "\n".join(below).strip()) for number, heading, below in sections]


def _slide(part: str, title: str, text: str, line: int) -> Slide:
    where = f"slides.md, line {line}, {title!r}"
    starts = [match for match in NOTES.finditer(text) if _begins_line(text, match.start())]
    if len(starts) != 1:
        raise LectureError(
            f"{where}: expected one line that begins with 'Notes, 2 minutes:', got {len(starts)}"
        )
    (start,) = starts
    body, notes = text[: start.start()].strip(), text[start.end() :].strip()
    slide = Slide(part, title, body, notes, Fraction(start[1]), line)
    _check_references(slide, where)
    return slide


def _begins_line(text: str, index: int) -> bool:
    return index == 0 or text[index - 1] == "\n"


def _check_references(slide: Slide, where: str) -> None:
    text = "\n".join((slide.title, slide.body, slide.notes))
    left = re.search(r"\{[^}]*\}?", REFERENCE.sub("", text))
    if left:
        raise LectureError(
            f"{where}: {left[0]} is no reference; expected {{kind page.md#label}}, "
            "or {value page.md#label `pattern`}"
        )
    for reference in slide.references():
        if reference.kind not in KINDS:
            raise LectureError(f"{where}: {reference}: kinds are {', '.join(KINDS)}")
        if (reference.kind == "value") != bool(reference.pattern):
            raise LectureError(f"{where}: {reference}: a value needs a pattern, and no other does")
