"""The deck: slides as one page of reveal.js, and a page for each live figure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from html import escape
from pathlib import Path

from bs4 import Tag
from markdown_it import MarkdownIt
from pygments.formatters import HtmlFormatter

from lecture.pages import Answer, Book
from lecture.source import REFERENCE, LectureError, Reference, Slide, find_references
from tinytorch.widgets import WIDGETS
from tinytorch.widgets.bundle import host_script, styles, view_script

HERE = Path(__file__).parent
TITLE = "KV caching, measured: a lecture"
CODE_STYLE = "a11y-high-contrast-light"
OWN_FILES = ("deck.css", "deck.js", "figure.css", "figure.js")
MODULES = {widget.__name__: widget.module for widget in WIDGETS}

PAGE = """\
<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light" />
<title>{title}</title>
{styles}
</head>
<body>
{body}
{scripts}
</body>
</html>
"""


class Deck:
    """Slides rendered from a book.

    Parameters
    ----------
    slides : list of Slide
    book : Book

    Attributes
    ----------
    figures : dict of str to Tag
        The live figures that slides show, by their labels, once the slides are rendered.
    """

    def __init__(self, slides: list[Slide], book: Book):
        self.slides = slides
        self.book = book
        self.figures: dict[str, Tag] = {}
        self.markdown = MarkdownIt("commonmark")

    def html(self) -> str:
        """Return the page with all slides.

        Raises
        ------
        LectureError
            If two slides have the same address.
        """
        sections = [self._section(slide) for slide in self.slides]
        names = [slug(slide.title) for slide in self.slides]
        if twice := {name for name in names if names.count(name) > 1}:
            raise LectureError(f"slides.md: titles must differ; equal are {sorted(twice)}")
        slides = "\n".join(sections)
        return PAGE.format(
            title=TITLE,
            styles=links("reveal/reveal.css", "book.css", "code.css", "deck.css"),
            body=f'<div class="reveal"><div class="slides">\n{slides}\n</div></div>',
            scripts=scripts("reveal/reveal.js", "reveal/notes.js", "deck.js"),
        )

    def figure_html(self, label: str) -> str:
        """Return the page of a live figure, with the scripts that the site shows it with."""
        element = self.figures[label]
        name = element["data-afm"]
        view = f"{MODULES[name]}.js"
        return PAGE.format(
            title=escape(name),
            styles=links("../book.css", "widgets.css", "../figure.css"),
            body=str(element),
            scripts=scripts("widgets.js", view, "../figure.js"),
        )

    def _section(self, slide: Slide) -> str:
        minutes = f"{float(slide.minutes):g} minute{'s' * (slide.minutes != 1)}"
        notes = self.markdown.render(f"**{minutes}.** {self._with_values(slide.notes)}")
        part = f'<p class="part">{escape(slide.part)}</p>' if slide.part else ""
        title = self.markdown.renderInline(self._with_values(slide.title))
        return (
            f'<section id="{slug(slide.title)}" data-timing="{int(60 * slide.minutes)}">'
            f'<div class="slide{"" if slide.part else " first"}">'
            f"<header>{part}<h2>{title}</h2></header>\n"
            f'<div class="body">{self._body(slide.body)}</div></div>\n'
            f'<aside class="notes">{notes}</aside></section>'
        )

    def _body(self, text: str) -> str:
        """Render blocks: a line of references becomes a row, anything else is Markdown."""
        blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
        return "\n".join(map(self._block, blocks))

    def _block(self, block: str) -> str:
        references = find_references(block)
        alone = not REFERENCE.sub("", block).strip()
        if alone and all(reference.kind != "value" for reference in references):
            parts = "".join(map(self._part, references))
            kinds = " ".join(dict.fromkeys(reference.kind for reference in references))
            return f'<div class="row {kinds}">{parts}</div>'
        return self.markdown.render(self._with_values(block))

    def _part(self, reference: Reference) -> str:
        renderers: dict[str, Callable[[Reference], str]] = {
            "live": self._live,
            "question": self._question,
            "answer": self._answer,
        }
        render = renderers.get(reference.kind) or getattr(self.book, reference.kind)
        return f'<div class="part-of-row">{render(reference)}</div>'

    def _with_values(self, text: str) -> str:
        def look_up(match: re.Match) -> str:
            (reference,) = find_references(match[0])
            if reference.kind != "value":
                raise LectureError(f"{reference}: within a line only values are taken")
            return self.book.value(reference)

        return REFERENCE.sub(look_up, text)

    def _live(self, reference: Reference) -> str:
        """Show a figure in a frame of its own, above its picture, which is for paper."""
        figure = self.book.live(reference)
        self.figures[reference.label] = figure
        picture = figure.select_one(".tt-fallback")
        name = escape(figure["data-afm"])
        return (
            f'<div class="live"><div class="picture">{picture.decode_contents()}</div>'
            f'<iframe data-src="figures/{reference.label}.html" title="{name}"></iframe></div>'
        )

    def _question(self, reference: Reference) -> str:
        question = self.book.question(reference)
        return self._asked(reference, [_answer(answer) for answer in question.answers])

    def _answer(self, reference: Reference) -> str:
        question = self.book.question(reference)
        return self._asked(reference, [_answer(answer, told=True) for answer in question.answers])

    def _asked(self, reference: Reference, answers: list[str]) -> str:
        stem = escape(self.book.question(reference).stem)
        return f'<p class="stem">{stem}</p><ol class="answers">{"".join(answers)}</ol>'


def _answer(answer: Answer, *, told: bool = False) -> str:
    mark = ' class="right"' if told and answer.is_right else ""
    reason = f'<span class="reason">{escape(answer.reason)}</span>' if told else ""
    return (
        f'<li{mark}><span class="letter">{escape(answer.letter)}</span>'
        f'<span class="text">{escape(answer.text)}</span>{reason}</li>'
    )


def slug(title: str) -> str:
    """Return the name of a slide in the deck's addresses."""
    words = re.findall(r"[a-z0-9]+", REFERENCE.sub("", title).lower())
    return "-".join(words)


def links(*sheets: str) -> str:
    """Return elements that load style sheets."""
    return "\n".join(f'<link rel="stylesheet" href="{sheet}" />' for sheet in sheets)


def scripts(*files: str) -> str:
    """Return elements that load scripts, in their order; modules would not load from a file."""
    return "\n".join(f'<script src="{file}"></script>' for file in files)


def write_deck(slides: list[Slide], book: Book, reveal: Path, target: Path) -> Deck:
    """Write the deck into a folder that any server, or none, can show.

    Parameters
    ----------
    slides : list of Slide
    book : Book
    reveal : Path
        The folder with the files of reveal.js.
    target : Path
        What was there is replaced.

    Returns
    -------
    Deck
    """
    deck = Deck(slides, book)
    html = deck.html()
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(reveal, target / "reveal")
    (target / "index.html").write_text(html, encoding="utf-8")
    code = HtmlFormatter(style=CODE_STYLE).get_style_defs(".highlight")
    (target / "code.css").write_text(code + "\n", encoding="utf-8")
    shutil.copy(HERE.parent / "book" / "_static" / "book.css", target)
    for name in OWN_FILES:
        shutil.copy(HERE / name, target)
    write_figures(deck, target / "figures")
    return deck


def write_figures(deck: Deck, folder: Path) -> None:
    """Write the page of each live figure, and the site's scripts and style for them."""
    folder.mkdir()
    (folder / "widgets.js").write_text(host_script(), encoding="utf-8")
    (folder / "widgets.css").write_text(styles(), encoding="utf-8")
    for label, element in deck.figures.items():
        name = element["data-afm"]
        view = view_script(name, MODULES[name])
        (folder / f"{MODULES[name]}.js").write_text(view, encoding="utf-8")
        (folder / f"{label}.html").write_text(deck.figure_html(label), encoding="utf-8")
