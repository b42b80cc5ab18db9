"""What a submission may take: seconds and memory."""

from __future__ import annotations

import sys
from dataclasses import dataclass

CELL_SECONDS = 60


@dataclass(frozen=True)
class Limits:
    """What one submission may take: seconds a cell, seconds in all, GiB of memory.

    Each runs in closed rooms unless `sandbox` is False.
    """

    cell_seconds: int = CELL_SECONDS
    student_seconds: int = 600
    memory_gib: float = 6.0
    sandbox: bool = True


def limit_memory(gib: float) -> None:
    """Let this process and those that it starts allocate so much, where the system can.

    An allocation beyond it is a MemoryError in the cell that asked for it.
    """
    if sys.platform == "win32":
        return
    import resource

    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
