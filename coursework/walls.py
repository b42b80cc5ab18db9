"""What a closed room looks like from inside: bubblewrap's options, and the limits of a process."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOME, SHOWN = "/home/student", "/opt/room"
HIDDEN_PACKAGES = ("coursework", "tinytorch")
"""Packages of the environment that the room does not show: what it needs of them, it is given."""
MIB = 2**20


@dataclass(frozen=True)
class RoomLimits:
    """What everything in a room may take together, where it says nothing else.

    Attributes
    ----------
    memory_gib : float
        Memory of all processes; also the address space of each.
    processes : int
        Processes and threads. Linux counts them for each room since 5.14.
    cpu_seconds : int
        Of each process.
    folder_mib, file_mib : int
        The folder that can be written to, and each file.
    files : int
        Files and folders in it.
    """

    memory_gib: float = 6.0
    processes: int = 64
    cpu_seconds: int = 600
    folder_mib: int = 64
    file_mib: int = 32
    files: int = 10_000


def walls(shown: Mapping[str, Path], limits: RoomLimits) -> list[str]:
    """Return bubblewrap's options: what is seen inside, and what is not shared with outside."""
    options = ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "room"]
    if os.geteuid() == 0:
        # Root changes to a user of the room's own, so it cannot have a namespace of users.
        options += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        options += ["--unshare-cgroup-try", "--cap-drop", "ALL"]
        options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        options += ["--unshare-all", "--uid", "1000", "--gid", "1000"]
    options += [
        "--ro-bind",
        "/usr",
        "/usr",
        "--ro-bind-try",
        "/etc/ld.so.cache",
        "/etc/ld.so.cache",
    ]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        place = Path("/", name)
        if place.is_symlink():
            options += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            options += ["--ro-bind", str(place), str(place)]
    for place in _python_places():
        # Parents that bubblewrap makes by itself are closed to all but root.
        for parent in reversed(Path(place).parents[:-1]):
            options += ["--dir", str(parent)]
        options += ["--ro-bind", place, place]
    for package in _hidden():
        options += ["--tmpfs", package, "--remount-ro", package]
    options += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    options += ["--dir", "/home"]
    for place in (HOME, "/dev/shm"):
        size = str(limits.folder_mib * MIB)
        options += ["--perms", "0777", "--size", size, "--tmpfs", place]
    options += ["--symlink", HOME[1:], "/tmp", "--dir", "/opt", "--dir", SHOWN]
    for name, source in shown.items():
        place = Path(SHOWN, name)
        options += ["--dir", str(place.parent), "--ro-bind", str(source.resolve()), str(place)]
    for name, value in environment(HOME, SHOWN).items():
        options += ["--setenv", name, value]
    return [*options, "--chdir", HOME, "--remount-ro", "/"]


def bounds(limits: RoomLimits) -> list[str]:
    """Return the commands that give up root's rights, and bound what each process may take."""
    commands = []
    if os.geteuid() == 0:
        # Nobody else has this number, so the limit on processes counts the room's alone.
        user = str(2**30 + secrets.randbelow(2**30))
        commands += ["/usr/bin/setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        commands += ["--inh-caps=-all", "--no-new-privs"]
    return [
        *commands,
        "/usr/bin/prlimit",
        f"--as={int(limits.memory_gib * 2**30)}",
        f"--fsize={limits.file_mib * MIB}",
        f"--cpu={limits.cpu_seconds}",
        f"--nproc={limits.processes}",
        "--nofile=256",
        "--core=0",
        "--",
    ]


def python() -> str:
    """Return the Python of this environment, by a path that a room has too."""
    return f"{os.path.realpath(sys.prefix)}/bin/python"


def _python_places() -> list[str]:
    """Return the folders of Python and its environment, outside /usr, outer ones only."""
    places = {os.path.realpath(place) for place in (sys.base_prefix, sys.prefix)}
    return sorted(place for place in places if not _is_below(place, {"/usr"} | places - {place}))


def covered_python() -> str | None:
    """Return the folder of Python that a room hides, since it has a folder of its own there."""
    own = {"/tmp", HOME, "/dev/shm"}
    return next((place for place in _python_places() if _is_below(place, own)), None)


def _is_below(place: str, others: set[str]) -> bool:
    return any(place == other or place.startswith(f"{other}/") for other in others)


def _packages() -> list[str]:
    """Return where the environment's packages lie."""
    seen = {"/usr", *_python_places()}
    paths = dict.fromkeys(os.path.realpath(place) for place in sys.path if place)
    return [p for p in paths if p.endswith("-packages") and _is_below(p, seen)]


def _hidden() -> list[str]:
    """Return where the course's own packages are installed, in any folder that is shown."""
    roots = [Path(place) for place in ("/usr", "/usr/local", *_python_places())]
    return [
        os.path.realpath(place)
        for root in roots
        for name in HIDDEN_PACKAGES
        for place in root.glob(f"lib*/python*/*-packages/{name}")
        if place.is_dir()
    ]


def environment(home: str, library: str) -> dict[str, str]:
    """Return all the variables that a command sees."""
    return {
        "PATH": f"{os.path.realpath(sys.prefix)}/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([library, *_packages()]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
