"""Grade one submission in a process of its own: ``python -m coursework.worker``."""

from __future__ import annotations

import sys
from pathlib import Path

from coursework.course import ASSIGNMENT, open_api
from coursework.limits import limit_memory


def grade(root: Path, student: str, cell_seconds: int) -> str:
    """Run the student's notebook, note the marks, write feedback; return what went wrong."""
    api = open_api(root, cell_seconds)
    for step in (api.autograde, api.generate_feedback):
        result = step(ASSIGNMENT, student)
        if not result["success"]:
            return result.get("log") or result.get("error") or "nbgrader failed"
    return ""


if __name__ == "__main__":
    folder, name, seconds, gib = sys.argv[1:]
    limit_memory(float(gib))
    sys.exit(grade(Path(folder), name, int(seconds)) or 0)
