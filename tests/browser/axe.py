"""axe-core, newer than the one that its package for Python carries."""

import sys
import tarfile
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe

from tests.javascript.node import npm

VERSION = "4.14.1"
SCRIPT = Path(sys.prefix) / "share" / f"axe-core-{VERSION}.min.js"


def install_axe() -> None:
    """Fetch axe-core with npm, once."""
    if SCRIPT.exists():
        return
    SCRIPT.parent.mkdir(parents=True, exist_ok=True)
    npm("pack", f"axe-core@{VERSION}", folder=SCRIPT.parent)
    archive = SCRIPT.parent / f"axe-core-{VERSION}.tgz"
    with tarfile.open(archive) as files:
        SCRIPT.write_bytes(files.extractfile("package/axe.min.js").read())
    archive.unlink()


def new_axe() -> Axe:
    """Return the newest axe there is."""
    axe = Axe.from_file(SCRIPT) if SCRIPT.exists() else Axe()
    axe.axe_script += "\nundefined"  # else a driver would send the whole of it back
    return axe
