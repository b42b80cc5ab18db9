"""reveal.js, fetched from npm the first time: no part of it is in the repository."""

from __future__ import annotations

from pathlib import Path

from lecture.source import LectureError
from tests.javascript.node import SHARE, MissingToolError, unpacked

VERSION = "6.0.2"
FILES = ("dist/reveal.js", "dist/reveal.css", "dist/plugin/notes.js", "LICENSE")


def fetch_reveal() -> Path:
    """Return a folder with the files of reveal.js that the deck loads, and its licence.

    Raises
    ------
    LectureError
        If they are not there yet, and cannot be fetched.
    """
    folder = SHARE / f"reveal.js-{VERSION}"
    if folder.is_dir():
        return folder
    try:
        with unpacked(f"reveal.js@{VERSION}", SHARE) as package:
            chosen = package / "chosen"
            chosen.mkdir()
            for name in FILES:
                (package / name).rename(chosen / Path(name).name)
            chosen.rename(folder)
    except MissingToolError as missing:
        raise LectureError(f"the slides need reveal.js {VERSION}: {missing}") from missing
    return folder
