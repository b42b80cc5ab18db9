"""Write what another website needs to show the figures: ``python book/_ext/embed.py``.

The data are those of the built website, whose pages have run the code that makes them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chapter_repository import ROOT
from contents import documents_of
from embed_page import start_page, write_page
from embed_style import embed_style

from tinytorch import __version__
from tinytorch.widgets import WIDGETS, AnswerField
from tinytorch.widgets.bundle import embed_script
from tinytorch.widgets.language import ENGLISH, Language

FOLDER = "embed"
SCRIPT, STYLE = "tt-figure.js", "tt-figure.css"
FIGURES = {widget.__name__: widget for widget in WIDGETS if widget is not AnswerField}
"""An answer field belongs to its exercise."""

FIGURE = re.compile(
    r'<div class="tt-widget" data-afm="(\w+)"><script type="application/json">(.*?)</script>',
    re.DOTALL,
)


@dataclass(frozen=True)
class Recording:
    """A figure as a page of the website shows it."""

    name: str
    page: str
    file: str
    values: dict

    def json(self) -> str:
        """Return what the element reads: what it is, and the values of its traits."""
        record = {"version": __version__, "name": self.name, "values": self.values}
        return json.dumps(record, separators=(",", ":"))


def reading_order() -> list[str]:
    """Return the pages of the website, without ``.html``."""
    return [document for document, _ in documents_of(ROOT / "_toc.yml")]


def recordings(site: Path, pages: Sequence[str]) -> list[Recording]:
    """Return the figures of a built website; the first of each class has the name of the class."""
    found: dict[str, Recording] = {}
    for page in pages:
        html = site / f"{page}.html"
        if not html.exists():
            continue
        for name, data in FIGURE.findall(html.read_text(encoding="utf-8")):
            is_first = all(recording.name != name for recording in found.values())
            file = f"{name}.json" if is_first else f"{name}-{Path(page).name}.json"
            if name in FIGURES and file not in found:
                found[file] = Recording(name, page, file, json.loads(data))
    return list(found.values())


def integrity(data: bytes) -> str:
    """Return the hash by which a browser knows a file."""
    return f"sha384-{b64encode(hashlib.sha384(data).digest()).decode()}"


def write_embed(
    site: Path, target: Path, pages: Sequence[str], language: Language = ENGLISH
) -> list[Path]:
    """Write the folder, in place of an older one.

    Parameters
    ----------
    site : Path
        A built website.
    target : Path
        Gets a page that leads on, and a folder of the version's name, which holds all the rest.
    pages : sequence of str
        The website's pages in their order, without ``.html``.
    language : Language
        That of the figures.

    Returns
    -------
    list of Path
        The files of the version, or none where the website has no figure.
    """
    shutil.rmtree(target, ignore_errors=True)
    figures = recordings(site, pages)
    if not figures:
        return []
    texts = {STYLE: embed_style()} | {figure.file: figure.json() for figure in figures}
    hashes = {name: integrity(text.encode()) for name, text in texts.items()}
    shown = {figure.name: FIGURES[figure.name].module for figure in figures}
    release = {"version": __version__, "files": hashes}
    texts[SCRIPT] = embed_script(shown, release, language)
    folder = target / __version__
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    shutil.copy(ROOT / "LICENSE", folder)
    write_page(folder, figures, integrity(texts[SCRIPT].encode()))
    (target / "index.html").write_text(start_page(f"{__version__}/"), encoding="utf-8")
    return sorted(folder.iterdir())


def report(files: Sequence[Path]) -> str:
    """Say how large files are, as they lie there and as most hosts send them."""
    sizes = {
        file.name: (file.stat().st_size, len(gzip.compress(file.read_bytes()))) for file in files
    }
    sizes["all"] = tuple(map(sum, zip(*sizes.values(), strict=True)))
    lines = (
        f"{size / 1000:8.1f} kB {sent / 1000:8.1f} kB gzip  {name}"
        for name, (size, sent) in sizes.items()
    )
    return "\n".join(lines)


if __name__ == "__main__":
    site, target = ROOT / "_build/html", ROOT / "_build" / FOLDER
    written = write_embed(site, target, reading_order())
    if not written:
        sys.exit(f"error: no figure in {site}: run `make book` first")
    print(report(written))
    print(f"The folder is {target}. Its page is embed/index.html on any web server.")
