"""Build the deck from the built website: ``python -m lecture``, or ``make slides``."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from lecture.deck import write_deck
from lecture.pages import Book
from lecture.reveal import fetch_reveal
from lecture.source import SOURCE, LectureError, read_slides

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"
TARGET = ROOT / "_build" / "slides"

PLACE = re.compile(r'(<div class="tt-deck [^"]*">\s*)<p>.*?</p>', re.DOTALL)
OFFER = '<p><a href="../slides/index.html">Open the deck of this website</a>, or make it:</p>'
"""What stands in the instructors' page where there is a deck, and where it stands."""


def publish(deck: Path, site: Path) -> None:
    """Copy the deck into the website, and let the instructors' page link to it.

    Raises
    ------
    LectureError
        If that page has no place for the link.
    """
    page = site / "book" / "lecture.html"
    html, found = PLACE.subn(rf"\1{OFFER}", page.read_text(encoding="utf-8"))
    if found != 1:
        raise LectureError(
            f"{page}: expected one container 'tt-deck' with a paragraph, got {found}"
        )
    page.write_text(html, encoding="utf-8")
    shutil.copytree(deck, site / "slides", dirs_exist_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Write the deck; say where it is."""
    parser = argparse.ArgumentParser(prog="python -m lecture", description=__doc__)
    parser.add_argument(
        "--publish", action="store_true", help="also make the deck part of the built website"
    )
    options = parser.parse_args(arguments)
    try:
        slides = read_slides(SOURCE.read_text(encoding="utf-8"))
        write_deck(slides, Book(SITE), fetch_reveal(), TARGET)
        if options.publish:
            publish(TARGET, SITE)
    except LectureError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    minutes = float(sum(slide.minutes for slide in slides))
    print(f"{len(slides)} slides, {minutes:g} minutes: file://{TARGET / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
