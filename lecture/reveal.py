"""reveal.js, fetched from npm the first time: no part of it is in the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from lecture.source import LectureError

VERSION = "6.0.2"
FILES = ("dist/reveal.js", "dist/reveal.css", "dist/plugin/notes.js", "LICENSE")


def fetch_reveal() -> Path:
    """Return a folder with the files of reveal.js that the deck loads, and its licence.

    Raises
    ------
    LectureError
        If they are not there yet, and neither is npm.
    """
    folder = Path(sys.prefix) / "share" / f"reveal.js-{VERSION}"
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise LectureError(f"the slides need npm, which fetches reveal.js {VERSION}: install npm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
        pack = [npm, "pack", f"reveal.js@{VERSION}", "--silent"]
        subprocess.run(pack, cwd=partial, check=True, stdout=subprocess.DEVNULL)
        fetched = Path(partial) / "fetched"
        fetched.mkdir()
        with tarfile.open(next(Path(partial).glob("*.tgz"))) as archive:
            for name in FILES:
                data = archive.extractfile(f"package/{name}").read()
                (fetched / Path(name).name).write_bytes(data)
        fetched.rename(folder)
    return folder
