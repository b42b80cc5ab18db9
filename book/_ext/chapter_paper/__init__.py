"""The whole chapter as a PDF and as an EPUB: ``make paper``.

As an extension of Sphinx, this package offers both files on the landing page where they are there.
``python -m chapter_paper`` writes them, from the pages of the built website: the modules `site` and
`content` read a page and leave what paper can show, `appendices` moves solutions and folded
functions to the end, `links` leads inside the book, `pdf` and `epub` write, and `pdf_check` and
`epub_check` read what was written.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

FOLDER = "_static/paper"
FILES = {"PDF": "kv-caching.pdf", "EPUB": "kv-caching.epub"}
PLACE = re.compile(r'(<div class="tt-paper">).*?(</div>)', re.DOTALL)
"""The element of the landing page that holds the offer. It is empty without files."""

LAST = 950
"""After the extensions that write the site's files and mend its pages."""


def offer(site: Path, root: str) -> bool:
    """Link both files on the landing page if they are there, else take the links away.

    Parameters
    ----------
    site : Path
        The folder of the built website.
    root : str
        The landing page, as Sphinx names it: "book/intro".

    Returns
    -------
    bool
        Whether the landing page has such an element, so that the offer could be made.
    """
    page = site / f"{root}.html"
    files = {kind: site / FOLDER / name for kind, name in FILES.items()}
    links = ""
    if all(file.exists() for file in files.values()):
        up = "../" * root.count("/")
        named = [
            f'<a href="{up}{FOLDER}/{file.name}">{kind}</a> ({file.stat().st_size / 1e6:.1f} MB)'
            for kind, file in files.items()
        ]
        links = (
            f"<p>To read on paper or on an e-reader: the whole chapter as {' or '.join(named)}.</p>"
        )
    html = page.read_text(encoding="utf-8")
    offered, count = PLACE.subn(lambda place: f"{place[1]}{links}{place[2]}", html)
    if offered != html:
        page.write_text(offered, encoding="utf-8")
    return count == 1


def offer_when_built(app: Sphinx, exception: Exception | None) -> None:
    """Renew the offer: a page that is built again has lost it."""
    if exception is None and app.builder.name == "html":
        offer(Path(app.outdir), app.config.root_doc)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.connect("build-finished", offer_when_built, priority=LAST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
