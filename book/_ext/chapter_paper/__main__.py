"""Write the chapter as PDF and EPUB, check both, and offer them: ``python -m chapter_paper``."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path

from chapter_repository import ROOT, find_repository, site_url
from contents import documents_of
from playwright.sync_api import Browser, sync_playwright

from chapter_paper import FILES, FOLDER, epub, epub_check, offer, pdf, pdf_check
from chapter_paper.book import Book, gather
from chapter_paper.site import PaperError
from tests.browser.installed import find_chromium

FLAGS = ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"]
SOLUTION = re.compile(r"^```\{solution(?:-start)?\}", re.MULTILINE)


def count_solutions(root: Path) -> int:
    """Count the solutions in the sources of the pages."""
    return sum(
        len(SOLUTION.findall((root / f"{name}.md").read_text(encoding="utf-8")))
        for name, _ in documents_of(root / "_toc.yml")
    )


def write(book: Book, browser: Browser, folder: Path) -> tuple[Path, Path]:
    """Write PDF and EPUB into a folder; return both files."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "paper.html"
    up = os.path.relpath(book.site, folder)
    page.write_text(pdf.document(book, up), encoding="utf-8")
    files = folder / FILES["PDF"], folder / FILES["EPUB"]
    files[0].write_bytes(pdf.finished(pdf.print_book(browser, page), book))
    epub.write_epub(book, files[1], epub.cover(browser, book, folder))
    return files


def main(root: Path = ROOT) -> None:
    """Write and check both files, then put them into the website."""
    began = time.monotonic()
    site = root / "_build/html"
    book = gather(root, site, site_url(find_repository(root)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        files = write(book, browser, root / "_build/paper")
        browser.close()
    found = pdf_check.faults(files[0].read_bytes(), book, count_solutions(root))
    found += epub_check.faults(files[1], book)
    if found:
        raise PaperError("\n".join(found))
    print(epub_check.judged(files[1]))
    (site / FOLDER).mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, site / FOLDER)
        print(f"{file.relative_to(root)}: {file.stat().st_size / 1e6:.1f} MB")
    if not offer(site, book.pages[0].document):
        raise PaperError("the landing page has no place for the links to the files")
    print(f"written, checked and linked in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except PaperError as error:
        sys.exit(f"error: {error}")
