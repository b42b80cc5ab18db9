"""Read a written EPUB again, and let Debian's epubcheck judge it."""

from __future__ import annotations

import posixpath
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from chapter_paper.book import Book
from chapter_paper.site import SVG, PaperError

XHTML = "{http://www.w3.org/1999/xhtml}"
MATHML = "{http://www.w3.org/1998/Math/MathML}"
OPF = "{http://www.idpf.org/2007/opf}"
FOLDER = "EPUB"


def faults(file: Path, book: Book) -> list[str]:
    """Return what is wrong with the EPUB of a book."""
    with zipfile.ZipFile(file) as archive:
        first = archive.infolist()[0]
        found = []
        if (first.filename, first.compress_type) != ("mimetype", zipfile.ZIP_STORED):
            found.append(f"begins with {first.filename}, not with a stored mimetype")
        package = ElementTree.fromstring(archive.read(f"{FOLDER}/package.opf"))
        texts = {
            posixpath.basename(name): ElementTree.fromstring(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".xhtml")
        }
    return [
        *found,
        *wrong_spine(package, book),
        *wrong_pictures(texts),
        *wrong_formulas(texts, book),
        *wrong_links(texts),
    ]


def wrong_spine(package: ElementTree.Element, book: Book) -> Iterator[str]:
    """Compare the order of the files with that of the pages."""
    files = {item.get("id"): item.get("href") for item in package.iter(f"{OPF}item")}
    spine = [files[reference.get("idref")] for reference in package.iter(f"{OPF}itemref")]
    expected = ["title.xhtml", "nav.xhtml", *(f"{page.name}.xhtml" for page in book.pages)]
    if spine != expected:
        yield f"the order is {spine}, the pages' is {expected}"


def wrong_pictures(texts: dict[str, ElementTree.Element]) -> Iterator[str]:
    """Look for pictures that say nothing to those who do not see them."""
    for name, root in texts.items():
        for image in root.iter(f"{XHTML}img"):
            if image.get("alt") is None:
                yield f"{name}: no alternative text for {image.get('src')}"
        for drawing in root.iter(f"{{{SVG}}}svg"):
            if not drawing.get("aria-label") or not drawing.findtext(f"{{{SVG}}}title"):
                yield f"{name}: a drawing without words"


def wrong_formulas(texts: dict[str, ElementTree.Element], book: Book) -> Iterator[str]:
    """Count the formulas of each page, and look for elements that are none of MathML's."""
    for page in book.pages:
        formulas = list(texts[f"{page.name}.xhtml"].iter(f"{MATHML}math"))
        expected = len(page.body.find_all("math"))
        if len(formulas) != expected:
            yield f"{page.name}: {len(formulas)} formulas in MathML, expected {expected}"
        foreign = {e.tag for math in formulas for e in math.iter() if MATHML not in e.tag}
        if foreign:
            yield f"{page.name}: formulas hold {sorted(foreign)}"


def wrong_links(texts: dict[str, ElementTree.Element]) -> Iterator[str]:
    """Look up each link's target."""
    ids = {name: {e.get("id") for e in root.iter()} for name, root in texts.items()}
    for name, root in texts.items():
        for link in root.iter(f"{XHTML}a"):
            parts = urlsplit(link.get("href", ""))
            file = parts.path or name
            if parts.scheme in ("http", "https", "mailto"):
                continue
            if file not in ids or (parts.fragment and unquote(parts.fragment) not in ids[file]):
                yield f"{name}: a link leads to {link.get('href')}, which is not there"


def judged(file: Path) -> str:
    """Return what epubcheck says of a file without errors and warnings.

    Raises
    ------
    PaperError
        If it finds any, or is not installed.
    """
    program = shutil.which("epubcheck")
    if program is None:
        raise PaperError("epubcheck is not installed: apt install epubcheck")
    # Debian's is a Java archive, which runs by itself only where the kernel has been told how.
    command = ["java", "-jar", program] if zipfile.is_zipfile(program) else [program]
    command += ["--failonwarnings", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (run.stdout + run.stderr).strip()
    if run.returncode:
        raise PaperError(f"epubcheck finds faults in {file.name}:\n{said}")
    return " ".join(said.split())
