"""The page with a snippet for each figure, beside the files that the snippets load."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from chapter_repository import ROOT
from chapter_site import START_PAGE

from tinytorch import __version__, widgets

if TYPE_CHECKING:
    from embed import Recording

SOURCE = ROOT / "book/embed"
TITLE = "Figures for your own pages"
ADDRESS = f"https://example.org/embed/{__version__}/"
"""What snippets begin with until the page's script has put its own address there."""

WITH_MODEL = ("CacheLab", "LiveRace")
"""Figures that run the model where the attribute `model` says where it is."""


def title(name: str) -> str:
    """Return the name of a class in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def about(name: str) -> str:
    """Return the first sentence of a figure's documentation."""
    return inspect.getdoc(getattr(widgets, name)).split("\n")[0]


def write_page(folder: Path, recordings: Sequence[Recording], script_integrity: str) -> None:
    """Write ``index.html``, its style and its script."""
    loader = jinja2.FileSystemLoader(SOURCE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    by_name = groupby(sorted(recordings, key=attrgetter("name")), attrgetter("name"))
    groups = {name: list(group) for name, group in by_name}
    names = dict.fromkeys(recording.name for recording in recordings)
    html = environment.get_template("index.html").render(
        page_title=TITLE,
        version=__version__,
        address=ADDRESS,
        integrity=script_integrity,
        with_model=WITH_MODEL,
        figures=[
            {"name": name, "title": title(name), "about": about(name), "recordings": groups[name]}
            for name in names
        ],
    )
    (folder / "index.html").write_text(html + "\n", encoding="utf-8")
    for name in ("page.css", "page.js"):
        shutil.copy(SOURCE / name, folder)


def start_page(address: str) -> str:
    """Return a page that leads on to an address, as the website's own first page does."""
    text = f"Copy a snippet, and a figure of this chapter runs in your page. Version {__version__}."
    return START_PAGE.format(language="en", first=address, title=TITLE, text=text)
