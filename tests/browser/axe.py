"""axe-core, newer than the one that its package for Python carries."""

import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe

from tests.javascript.node import unpacked

VERSION = "4.14.1"
SCRIPT = Path(sys.prefix) / "share" / f"axe-core-{VERSION}.min.js"


def install_axe() -> None:
    """Fetch axe-core with npm, once."""
    if SCRIPT.exists():
        return
    with unpacked(f"axe-core@{VERSION}", SCRIPT.parent) as package:
        (package / "axe.min.js").rename(SCRIPT)


def new_axe() -> Axe:
    """Return the newest axe there is."""
    axe = Axe.from_file(SCRIPT) if SCRIPT.exists() else Axe()
    axe.axe_script += "\nundefined"  # else a driver would send the whole of it back
    return axe
