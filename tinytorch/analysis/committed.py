"""Results of benchmarks that are part of the repository."""

from __future__ import annotations

import json
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def committed_results(name: str) -> dict:
    """Return the results of a benchmark that are committed to the repository.

    Parameters
    ----------
    name : str
        The file's name in ``benchmarks/``: ``"serving_results.json"``.

    Returns
    -------
    dict
        What the benchmark's script has written, with the machine and the date.

    Raises
    ------
    FileNotFoundError
        If there is no such file: an installed package comes without results.
    """
    file = BENCHMARKS / name
    if not file.exists():
        raise FileNotFoundError(f"{file} is part of the repository: run this in a clone of it")
    return json.loads(file.read_text(encoding="utf-8"))
