"""One picture a page of how it looks everywhere: ``python -m tests.browser.look [PAGE ...]``."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS, SITE
from tests.browser.installed import find_chromium
from tests.browser.pages import show_all_figures

FOLDER = SITE.parent / "look"
VIEWS = (
    {"width": 1280},
    {"width": 1280, "scheme": "dark"},
    {"width": 820},
    {"width": 390},
    {"width": 390, "scheme": "dark"},
    {"width": 794, "media": "print"},
)
"""A window's width in pixels; paper is A4 at 96 dots an inch."""

SCALE = 0.5
GAP = 24
LONGEST = 16_000
"""Pixels of a page that Chromium can draw at once; a longer page is drawn in parts."""


def shot(
    browser: Browser, path: Path, width: int, scheme: str = "light", media: str = "screen"
) -> Image.Image:
    """Return a page as a reader sees it who scrolls down to its end."""
    size = {"width": width, "height": 900}
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(f"file://{path}", wait_until="load")
    show_all_figures(page)
    page.emulate_media(media=media)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size(size | {"height": min(height, LONGEST)})
    page.wait_for_timeout(500)
    image = Image.new("RGB", (width, height))
    for top in range(0, height, LONGEST):
        scrolled = page.evaluate("(top) => { scrollTo(0, top); return scrollY; }", top)
        image.paste(Image.open(io.BytesIO(page.screenshot())), (0, round(scrolled)))
    page.close()
    return image.resize([round(side * SCALE) for side in image.size], Image.Resampling.LANCZOS)


def contact_sheet(images: list[Image.Image]) -> Image.Image:
    """Put pictures beside each other."""
    width = sum(image.width + GAP for image in images) + GAP
    sheet = Image.new("RGB", (width, max(image.height for image in images) + 2 * GAP), "#777")
    left = GAP
    for image in images:
        sheet.paste(image, (left, GAP))
        left += image.width + GAP
    return sheet


def main(names: list[str]) -> None:
    """Write a sheet for each page, or for those named."""
    pages = [SITE / f"book/{name}.html" for name in names] or sorted(SITE.glob("book/*.html"))
    missing = [str(page) for page in pages if not page.exists()]
    if missing or not pages:
        sys.exit(f"error: not built: {', '.join(missing) or SITE}; run `make book` first")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for page in pages:
            sheet = contact_sheet([shot(browser, page, **view) for view in VIEWS])
            sheet.save(FOLDER / f"{page.stem}.png")
            print(FOLDER / f"{page.stem}.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
