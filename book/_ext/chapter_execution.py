"""Execute pages again when the code that they import has changed.

jupyter-cache compares the cells of a page only. Here the folder of its cache carries a hash of the
package and of the pinned dependencies, so another package means an empty cache.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).parents[2]
PACKAGE = ("tinytorch/**/*.py", "tinytorch/widgets/languages/en.json", "constraints.txt")


def package_hash(root: Path = ROOT) -> str:
    """Hash the names and contents of what a page's result depends on, and Python's version."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(file for pattern in PACKAGE for file in root.glob(pattern)):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def choose_cache(app: Sphinx, config: Config) -> None:
    """Point myst-nb at the cache for this package, and drop those for others."""
    caches = Path(app.outdir).parent / "execution"
    cache = caches / package_hash()
    for other in caches.glob("*"):
        if other != cache:
            shutil.rmtree(other)
    cache.mkdir(parents=True, exist_ok=True)
    # Sphinx reads all pages again when this setting changes.
    config.nb_execution_cache_path = str(cache)


def setup(app: Sphinx) -> dict[str, bool]:
    """Choose the cache before myst-nb opens it."""
    app.connect("config-inited", choose_cache, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
