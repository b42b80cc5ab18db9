"""Find what the tests need of Debian, or install it: ``python -m tests.browser.installed``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.browser.axe import install_axe

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DEBIAN = {
    "chromium": lambda: find_chromium(),
    "firefox-esr": lambda: shutil.which("firefox-esr"),
    "webkit2gtk-driver": lambda: find_minibrowser() and shutil.which("WebKitWebDriver"),
    "bubblewrap": lambda: shutil.which("bwrap"),
    "xvfb": lambda: shutil.which("Xvfb"),
}
"""Debian's packages, and what tells that one is there."""


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


def install() -> None:
    """Install Debian's packages where that is possible, else let Playwright download Chromium."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        missing = [package for package, is_there in DEBIAN.items() if not is_there()]
        if missing:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(["apt-get", "install", "-y", "-qq", *missing], check=True)
    elif find_chromium() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    install()
    install_axe()
    for package, is_there in DEBIAN.items():
        print(f"{package}: {'there' if is_there() else 'not there'}")
