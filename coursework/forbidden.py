"""Why a closed room may be forbidden here, and what allows it.

Of these, only the capabilities of a container were tried: not Docker itself, AppArmor or macOS.
"""

from __future__ import annotations

import os
from pathlib import Path

INSTALL = (
    "bubblewrap is not installed: `apt install bubblewrap` on Debian and Ubuntu, "
    "`dnf install bubblewrap` on Fedora"
)
NOT_LINUX = (
    "the closed room needs Linux: on another system run the grader in a virtual machine with "
    "Linux, or in a container that may make rooms"
)
UBUNTU = (
    "Ubuntu's AppArmor keeps ordinary users from making rooms. On Ubuntu 24.04: "
    "`sudo apt install apparmor-profiles`, "
    "`sudo install -m 644 /usr/share/apparmor/extra-profiles/bwrap-userns-restrict "
    "/etc/apparmor.d/`, `sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict`; or, for "
    "every program and until the next start, "
    "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
)
CONTAINER = (
    "A container may make rooms, as its root, when it is started with `--cap-add SYS_ADMIN "
    "--cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
)
NO_NAMESPACES = "The system lets ordinary users make no namespaces: "
NAMESPACES = f"{NO_NAMESPACES}`sudo sysctl user.max_user_namespaces=10000`"
CLONE = f"{NO_NAMESPACES}`sudo sysctl kernel.unprivileged_userns_clone=1`"
SETTINGS = {
    "proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", UBUNTU),
    "proc/sys/user/max_user_namespaces": ("0", NAMESPACES),
    "proc/sys/kernel/unprivileged_userns_clone": ("0", CLONE),
}
"""Settings of Linux, the value that forbids rooms to all but root, and what to do."""

MARKS_OF_CONTAINERS = (".dockerenv", "run/.containerenv")
"""Files that Docker and Podman put into a container."""


def what_allows_it(root: Path = Path("/"), *, is_root: bool | None = None) -> str:
    """Return what to do where bubblewrap cannot make a room.

    Parameters
    ----------
    root : Path
        The folder that holds ``proc`` and ``run``.
    is_root : bool, optional
        Whether root asks, whom the settings of Linux do not concern. Default: who runs this.

    Returns
    -------
    str
        What this system's settings tell, or else all that is known.
    """
    if is_root is None:
        is_root = os.geteuid() == 0
    found = []
    if any((root / name).exists() for name in MARKS_OF_CONTAINERS):
        found.append(CONTAINER)
    if not is_root:
        found += [do for name, (value, do) in SETTINGS.items() if _read(root / name) == value]
    return ". ".join(found or [CONTAINER, UBUNTU])


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
