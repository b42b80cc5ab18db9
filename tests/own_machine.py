"""A view of the machine in which a test can make accounts. It needs root, on Linux.

`own_machine` returns a command that runs a module of the tests in namespaces of its own; `prepare`,
called there first, gives it a copy of ``/etc``, an empty ``/tmp`` and homes, all of it in memory.
Accounts, files, servers and other processes are gone when the module ends, however it ends. The
network is a loopback of its own: nothing reaches another machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SPACE = Path("/srv")
"""An empty folder of every Linux, where the memory is mounted."""

SIZE = "2g"
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc")


@cache
def why_not() -> str:
    """Return why there can be no such view here, or the empty text."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it takes root on Linux to make accounts"
    missing = [
        name
        for name in ("unshare", "setpriv", "ip", "useradd", "chpasswd")
        if not shutil.which(name)
    ]
    if missing:
        return f"{', '.join(missing)} not installed"
    tried = subprocess.run(
        ["unshare", *NAMESPACES, "true"], capture_output=True, text=True, check=False
    )
    return tried.stderr.strip() if tried.returncode else ""


def own_machine(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``python -m MODULE`` in namespaces of its own."""
    ends_with_us = ["setpriv", "--pdeathsig", "KILL"]
    return [*ends_with_us, "unshare", *NAMESPACES, sys.executable, "-m", module, *arguments]


def prepare(*places: Path) -> None:
    """Hide this machine's accounts and files in ``/tmp``, and show Python to everybody.

    Parameters
    ----------
    places : Path
        What accounts must be able to read besides Python, its environment and this repository,
        which may lie in folders that are closed to them, as root's home is.
    """
    mount_memory(SPACE)
    subprocess.run(["cp", "-a", "/etc", SPACE], check=True)
    _bind(SPACE / "etc", Path("/etc"))
    shown = {os.path.realpath(p) for p in (ROOT, sys.base_prefix, sys.prefix, *places)}
    covers = _outermost({Path("/tmp"), *(c for p in shown for c in _closed(Path(p)))})
    hidden = [Path(p) for p in sorted(shown) if any(Path(p).is_relative_to(c) for c in covers)]
    for number, place in enumerate(hidden):
        _bind(place, SPACE / f"shown/{number}")
    for cover in covers:
        mount_memory(cover, mode="1777" if cover == Path("/tmp") else "755")
    for number, place in enumerate(hidden):
        _bind(SPACE / f"shown/{number}", place)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def mount_memory(place: Path, mode: str = "755") -> None:
    """Lay an empty folder in memory over a folder of the machine, as it is seen from here."""
    options = f"mode={mode},size={SIZE}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)


def _bind(source: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", source, place], check=True)


def _closed(place: Path) -> list[Path]:
    """Return the outermost folder above a place that is closed to others, if there is one."""
    return [p for p in reversed(place.parents) if not p.stat().st_mode & 0o001][:1]


def _outermost(places: Iterable[Path]) -> list[Path]:
    places = sorted(places)
    return [
        p for p in places if not any(p != other and p.is_relative_to(other) for other in places)
    ]


@dataclass(frozen=True)
class Account:
    """A user of the machine who is not root."""

    name: str
    uid: int
    gid: int
    home: Path

    def environment(self) -> dict[str, str]:
        """Return the variables that a login would give, and one thread for NumPy."""
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def run(self, *command: str | Path, folder: Path | None = None, **options):
        """Run a command as this user; return what `subprocess.run` does, with its output."""
        defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "check": False}
        return subprocess.run(
            command,
            cwd=folder or self.home,
            env=self.environment() | options.pop("env", {}),
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            text=True,
            **defaults | options,
        )


def add_account(name: str, password: str = "") -> Account:
    """Make an account with a home of its own that is closed to others."""
    homes = SPACE / "home"
    homes.mkdir(exist_ok=True)
    home = homes / name
    options = ["--create-home", "--home-dir", home, "--no-log-init", "--shell", "/bin/bash"]
    subprocess.run(["useradd", *options, "-K", "HOME_MODE=0700", name], check=True)
    if password:
        subprocess.run(["chpasswd"], input=f"{name}:{password}", text=True, check=True)
    about = home.stat()
    return Account(name, about.st_uid, about.st_gid, home)
