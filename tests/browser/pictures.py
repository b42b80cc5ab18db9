"""The README's pictures, taken from the built site: ``python -m tests.browser.pictures``."""

import io
import sys

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS, SITE
from tests.browser.installed import find_chromium
from tests.browser.pages import show_all_figures

FOLDER = SITE.parents[1] / ".github" / "pictures"
SCHEMES = ("light", "dark")
FIGURES = {
    "player": (
        "intro.html#GenerationPlayer&step=42",
        "[data-afm=GenerationPlayer] .tt-w",
        ".tt-transport",
    ),
    "memory": ("memory.html", "[data-afm=CacheMemoryExplorer] .tt-w", ".tt-legend"),
}
"""For each picture the view it shows, the figure, and where in the figure it ends."""

MARGIN = 12
QUALITY = 80


def picture(browser: Browser, view: str, figure: str, end: str, scheme: str) -> Image.Image:
    """Return the upper part of a figure in one of its views."""
    page = browser.new_page(
        viewport={"width": 1280, "height": 1000},
        color_scheme=scheme,
        device_scale_factor=2,
        reduced_motion="reduce",
    )
    page.goto(f"file://{SITE}/book/{view}", wait_until="load")
    show_all_figures(page)
    element = page.locator(figure).first
    box, last = element.bounding_box(), element.locator(end).first.bounding_box()
    clip = box | {"height": last["y"] + last["height"] - box["y"] + MARGIN}
    clip["y"] += page.evaluate("scrollY")
    shot = page.screenshot(full_page=True, clip=clip)
    page.close()
    return Image.open(io.BytesIO(shot))


def main() -> None:
    """Write each picture, light and dark."""
    if not SITE.exists():
        sys.exit(f"error: {SITE} is missing; run `make book` first")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name, view in FIGURES.items():
            for scheme in SCHEMES:
                file = FOLDER / f"{name}-{scheme}.webp"
                picture(browser, *view, scheme).save(file, quality=QUALITY, method=6)
                print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
