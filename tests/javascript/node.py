"""Find Node.js, or install it from PyPI, and fetch the packages of package-lock.json with npm."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OLDEST = 20
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PACKAGES = ("package.json", "package-lock.json", ".npmrc")
SHARE = Path(sys.prefix) / "share"
"""Packages lie with the environment: Sphinx would take a README in `node_modules` for a page."""

SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""How to unpack: nothing outside the folder. The first releases of Python 3.11 lack the choice."""


class MissingToolError(Exception):
    """Something could not be found, nor fetched; the message says what."""


def _is_new(node: str) -> bool:
    """Whether a Node.js runs here and is new enough."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return int(said.stdout.strip().removeprefix("v").partition(".")[0]) >= OLDEST


def _find() -> Path | None:
    """Return the folder of a Node.js with npm: on the PATH, or in this Python's environment."""
    for path in (None, str(Path(sys.executable).parent)):
        node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
        if node and npm and _is_new(node):
            return Path(node).parent
    return None


@cache
def node_folder() -> Path:
    """Return the folder of Node.js and npm, which are installed from PyPI if there are none.

    Raises
    ------
    MissingToolError
        If there is no Node.js that is new enough, and PyPI gives none.
    """
    if found := _find():
        return found
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "-r", REQUIREMENTS], check=False).returncode == 0 and (
        found := _find()
    ):
        return found
    raise MissingToolError(
        f"no Node.js {OLDEST} or newer with npm is on the PATH, and pip cannot install "
        f"{REQUIREMENTS.read_text().split()[-1]}: is PyPI within reach?"
    )


def environment() -> dict[str, str]:
    """Return the environment in which programs find Node.js."""
    return os.environ | {"PATH": f"{node_folder()}{os.pathsep}{os.environ['PATH']}"}


def npm(*arguments: str, folder: Path) -> None:
    """Run npm in a folder, without its output.

    Raises
    ------
    MissingToolError
        If there is no npm, or it fails.
    """
    found = shutil.which("npm", path=str(node_folder()))
    done = subprocess.run(
        [found, *arguments, "--silent"],
        cwd=folder,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise MissingToolError(
            f"npm {' '.join(arguments)} failed with {done.returncode}: is npm's registry within "
            f"reach?{said and f' It says: {said}'}"
        )


@contextmanager
def unpacked(package: str, beside: Path) -> Iterator[Path]:
    """Fetch a package of npm; yield the folder with its files, which goes away afterwards.

    Parameters
    ----------
    package : str
        With its version: ``"axe-core@4.14.1"``.
    beside : Path
        A folder on the same disk, so that what is kept can be moved there whole.

    Raises
    ------
    MissingToolError
        If it cannot be fetched.
    """
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside) as partial:
        npm("pack", package, folder=Path(partial))
        with tarfile.open(next(Path(partial).glob("*.tgz"))) as archive:
            archive.extractall(partial, **SAFELY)
        yield Path(partial) / "package"


@cache
def programs() -> Path:
    """Return the folder of the programs that package-lock.json pins, fetched the first time.

    Raises
    ------
    MissingToolError
        If they cannot be fetched.
    """
    lock = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in PACKAGES))
    folder = SHARE / f"javascript-{lock.hexdigest()[:12]}"
    if not folder.exists():
        SHARE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=SHARE) as beginning:
            new = Path(beginning) / "packages"
            new.mkdir()
            for name in PACKAGES:
                shutil.copy(ROOT / name, new)
            npm("ci", folder=new)
            try:
                new.rename(folder)  # whole, or not there
            except OSError:
                if not folder.exists():  # else another process was quicker
                    raise
    return folder / "node_modules/.bin"
