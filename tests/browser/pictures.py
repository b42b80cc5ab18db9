"""The README's pictures, taken from the built site: ``python -m tests.browser.pictures``."""

import io
import sys

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS, SITE
from tests.browser.installed import find_chromium

FOLDER = SITE.parents[1] / ".github" / "pictures"
SCHEMES = ("light", "dark")
FIGURES = {
    "player": ("intro", "article .tt-widget"),
    "memory": ("memory", "article .tt-widget"),
}
"""For each picture, the page it is on and its first element of a kind."""

QUALITY = 80


def picture(browser: Browser, page_name: str, selector: str, scheme: str) -> Image.Image:
    """Return a figure as it looks when its page has been opened."""
    page = browser.new_page(
        viewport={"width": 1280, "height": 1000},
        color_scheme=scheme,
        device_scale_factor=2,
        reduced_motion="reduce",
    )
    page.goto(f"file://{SITE}/book/{page_name}.html", wait_until="load")
    shot = page.locator(selector).first.screenshot()
    page.close()
    return Image.open(io.BytesIO(shot))


def main() -> None:
    """Write each picture, light and dark."""
    if not SITE.exists():
        sys.exit(f"error: {SITE} is missing; run `make book` first")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name, (page, selector) in FIGURES.items():
            for scheme in SCHEMES:
                file = FOLDER / f"{name}-{scheme}.webp"
                picture(browser, page, selector, scheme).save(file, quality=QUALITY, method=6)
                print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
