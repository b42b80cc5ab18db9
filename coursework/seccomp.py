"""The system calls that code in the closed room may not make, as a seccomp filter.

The room's namespaces hide files, processes and the network. What is left is the kernel itself, and
memory that belongs to no process, which nobody could count: both are asked for by the calls below.
"""

from __future__ import annotations

import errno
import platform
import struct

CLONE_NEWUSER = 0x10000000
FAMILIES = (1, 2, 10, 16)
"""Sockets of one machine and of the empty network (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)."""

CALLS = {
    # name: (x86_64, aarch64)
    "add_key": (248, 217),
    "bpf": (321, 280),
    "fsopen": (430, 430),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "ptrace": (101, 117),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
CLONE, CLONE3, SOCKET = (56, 220), (435, 435), (41, 198)
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
X32_CALLS = 0x40000000
"""Calls from this number on are those of the x32 interface, which have other numbers."""

# Instructions and actions of linux/bpf_common.h and linux/seccomp.h.
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
CALL_AT, ARCHITECTURE_AT, ARGUMENT_AT = 0, 4, 16


def is_known() -> bool:
    """Whether a filter can be made for this machine."""
    return platform.machine() in ARCHITECTURES


def seccomp_filter() -> bytes:
    """Return the filter for this machine, as bubblewrap's ``--seccomp`` reads it.

    Raises
    ------
    KeyError
        If the machine is not known.
    """
    column, architecture = ARCHITECTURES[platform.machine()]
    program = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(JUMP_EQUAL, architecture, yes=1),
        _step(RETURN, KILL),
        _step(LOAD, CALL_AT),
        _step(JUMP_AT_LEAST, X32_CALLS, no=1),
        _step(RETURN, REFUSE | errno.EPERM),
    ]
    for numbers in CALLS.values():
        program += [
            _step(JUMP_EQUAL, numbers[column], no=1),
            _step(RETURN, REFUSE | errno.EPERM),
        ]
    program += [
        # Its flags are in memory, where a filter cannot look; without it, libc uses clone.
        _step(JUMP_EQUAL, CLONE3[column], no=1),
        _step(RETURN, REFUSE | errno.ENOSYS),
        _step(JUMP_EQUAL, CLONE[column], no=3),
        _step(LOAD, ARGUMENT_AT),
        _step(JUMP_BITS, CLONE_NEWUSER, no=len(FAMILIES) + 4),
        _step(RETURN, REFUSE | errno.EPERM),
        _step(JUMP_EQUAL, SOCKET[column], no=len(FAMILIES) + 2),
        _step(LOAD, ARGUMENT_AT),
    ]
    program += [
        _step(JUMP_EQUAL, family, yes=len(FAMILIES) - index)
        for index, family in enumerate(FAMILIES)
    ]
    return b"".join([*program, _step(RETURN, REFUSE | errno.EPERM), _step(RETURN, ALLOW)])


def _step(code: int, operand: int, yes: int = 0, no: int = 0) -> bytes:
    """Return one instruction; a jump skips `yes` or `no` instructions."""
    return struct.pack("=HBBI", code, yes, no, operand)
