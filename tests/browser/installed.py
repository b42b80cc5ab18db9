"""Find what the tests need of Debian, or install it: ``python -m tests.browser.installed``.

With the word ``paper``, that is what `make paper` needs.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.browser.axe import install_axe

CHROMIUM_NAMES = (
    "chromium-headless-shell",  # no window: without the toolbar of each it takes a third less time
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
DEBIAN = {
    "chromium-headless-shell": lambda: find_chromium(),
    "firefox-esr": lambda: shutil.which("firefox-esr"),
    "webkit2gtk-driver": lambda: find_minibrowser() and shutil.which("WebKitWebDriver"),
    "bubblewrap": lambda: shutil.which("bwrap"),
    "xvfb": lambda: shutil.which("Xvfb"),
}
"""Debian's packages, and what tells that one is there."""

PAPER = {
    "chromium-headless-shell": lambda: find_chromium(),
    "epubcheck": lambda: shutil.which("epubcheck"),
    "fonts-dejavu": lambda: has_font("DejaVu Sans Mono"),
    "fonts-texgyre": lambda: has_font("TeX Gyre Pagella"),
    "fonts-texgyre-math": lambda: has_font("TeX Gyre Pagella Math"),
}
"""The same for a PDF and an EPUB. Without a font, Chromium takes another one."""


def find_chromium() -> str | None:
    """Return ``$CHROMIUM``, a browser on the PATH, or the one that Playwright downloaded."""
    if os.environ.get("CHROMIUM"):
        return os.environ["CHROMIUM"]
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find_minibrowser() -> str | None:
    """Return the browser that comes with WebKitGTK; it is not on the PATH."""
    paths = sorted(Path("/usr/lib").glob("*/webkit2gtk-*/MiniBrowser"))
    return str(paths[-1]) if paths else None


def has_font(family: str) -> bool:
    """Whether fontconfig, which Chromium brings along, knows a font of just this name."""
    if shutil.which("fc-list") is None:
        return False
    run = subprocess.run(
        ["fc-list", f":family={family}"], capture_output=True, text=True, check=True
    )
    return bool(run.stdout.strip())


def install(packages: dict[str, Callable[[], object]]) -> None:
    """Install Debian's packages where that is possible, else let Playwright download Chromium."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        missing = [package for package, is_there in packages.items() if not is_there()]
        if missing:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(["apt-get", "install", "-y", "-qq", *missing], check=True)
    elif find_chromium() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    packages = PAPER if sys.argv[1:] == ["paper"] else DEBIAN
    install(packages)
    if packages is DEBIAN:
        install_axe()
    for package, is_there in packages.items():
        print(f"{package}: {'there' if is_there() else 'not there'}")
