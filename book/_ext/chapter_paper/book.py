"""The whole book, before it is a PDF or an EPUB."""

from __future__ import annotations

import datetime
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from chapter_paper.appendices import new_folded, new_solutions, take_folded, take_solutions
from chapter_paper.content import prepare
from chapter_paper.links import Website, lead_inside, require_targets
from chapter_paper.site import Page, read_site


@dataclass
class Book:
    """Pages, and what the title page says.

    Attributes
    ----------
    title, language : str
    authors : list of str
    summary, version, licence : str
        As CITATION.cff says.
    date : datetime.datetime
        When its sources were last changed, in UTC.
    website : Website
    site : Path
        The folder of the built website, which holds the images.
    pages : list of Page
        Those of the website in the order of its table of contents, then the appendices.
    """

    title: str
    language: str
    authors: list[str]
    summary: str
    version: str
    licence: str
    date: datetime.datetime
    website: Website
    site: Path
    pages: list[Page]


def gather(root: Path, site: Path, address: str = "") -> Book:
    """Read the built website and leave what a book shows.

    Parameters
    ----------
    root : Path
        The folder with _config.yml, _toc.yml and CITATION.cff.
    site : Path
        The folder of the built website.
    address : str
        Where the website is, with a slash at the end, or nothing.

    Raises
    ------
    PaperError
        If a page is missing or a link inside the book leads nowhere.
    """
    config, citation = (
        yaml.safe_load((root / name).read_text(encoding="utf-8"))
        for name in ("_config.yml", "CITATION.cff")
    )
    website = Website(address)
    pages = read_site(site, root / "_toc.yml")
    for page in pages:
        prepare(page, website.place)
    lead_inside(pages, website)
    folded, solutions = new_folded(), new_solutions()
    for page in pages:
        take_folded(page, folded)
        take_solutions(page, solutions)
    pages += [appendix.page for appendix in (folded, solutions) if appendix.count]
    require_targets(pages)
    return Book(
        title=config["title"],
        language=config["sphinx"]["config"]["language"],
        authors=[author["name"] for author in citation["authors"]],
        summary=" ".join(citation["abstract"].split()),
        version=citation["version"],
        licence=", ".join(citation["license"]),
        date=last_changed(root),
        website=website,
        site=site,
        pages=pages,
    )


def last_changed(root: Path) -> datetime.datetime:
    """Return ``$SOURCE_DATE_EPOCH``, the time of the last commit, or the release's: never now.

    The same sources give the same files.
    """
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        git = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
        try:
            seconds = subprocess.run(git, capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            seconds = ""
    if seconds.strip():
        return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    return datetime.datetime.fromisoformat(f"{citation['date-released']}T00:00:00+00:00")
