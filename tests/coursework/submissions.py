"""Submissions of every kind: right, wrong in seven ways, and harmful."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat

from coursework.course import instructor_notebook, student_notebook

Notebook = nbformat.NotebookNode
INTEGRATION = {"test_same_text", "test_second_text", "test_padding"}

BUGS: dict[str, tuple[str, list[tuple[str, str]], set[str]]] = {
    "first-token-lost": (
        "kv_cache",
        [
            (
                "        self.seq_pos += num_tokens\n",
                "        first = self.seq_pos == 0\n"
                "        self.seq_pos += num_tokens\n"
                "        if first:\n"
                "            self.keys[:, :, :, 0] = 0\n"
                "            self.values[:, :, :, 0] = 0\n",
            )
        ],
        {"test_cache_history"} | INTEGRATION,
    ),
    "misses-itself": (
        "kv_cache",
        [
            (
                "        return self.keys[layer_idx, :, :, :stop], "
                "self.values[layer_idx, :, :, :stop]\n\n    def advance",
                "        return self.get(layer_idx)\n\n    def advance",
            )
        ],
        {"test_cache_update"} | INTEGRATION,
    ),
    "position-off-by-one": (
        "positions_of",
        [("seq_pos + np.arange(num_tokens)", "seq_pos + (seq_pos > 0) + np.arange(num_tokens)")],
        {"test_enable_positions"} | INTEGRATION,
    ),
    "no-prefill": (
        "enable_cache",
        [
            (
                "        num_tokens = tokens.shape[1]\n",
                "        num_tokens = tokens.shape[1]\n"
                "        if num_tokens > 1:\n"
                "            disable_cache(model)\n"
                "            logits = plain_forward(tokens, positions, last_only=last_only)\n"
                "            enable_cache(model, cache, num_pads)\n"
                "            return logits\n",
            )
        ],
        {"test_enable_prefill"} | INTEGRATION,
    ),
    "last-layer": (
        "enable_cache",
        [
            ("= attention.project(x, rotation)", "= block.attention.project(x, rotation)"),
            ("return attention.merge", "return block.attention.merge"),
        ],
        {"test_enable_layers"} | INTEGRATION,
    ),
    "reset-keeps-length": (
        "kv_cache",
        [
            (
                '"""Forget every token."""\n        self.seq_pos = 0\n',
                '"""Forget every token."""\n'
                "        self.keys[...] = 0\n"
                "        self.values[...] = 0\n",
            )
        ],
        {"test_cache_reset", "test_second_text"},
    ),
    "padding-positions": (
        "positions_of",
        [
            (
                "np.maximum(columns - np.array(num_pads)[:, None], 0)",
                "np.tile(columns, (len(num_pads), 1))",
            )
        ],
        {"test_padding"},
    ),
}
"""For each bug of the bug zoo: the task it sits in, what it changes, and the tests it must lose."""


def cell_of(notebook: Notebook, grade_id: str) -> Notebook:
    """Return a cell by its id."""
    (cell,) = (
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )
    return cell


def solved() -> Notebook:
    """Return the student's notebook with the reference solution and written answers."""
    notebook, reference = student_notebook(), instructor_notebook()
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        if meta.get("solution"):
            lines = cell_of(reference, meta["grade_id"]).source.splitlines(keepends=True)
            cell.source = "".join(line for line in lines if "SOLUTION" not in line)
    return notebook


def with_bug(name: str) -> Notebook:
    """Return a solution with one of the bugs."""
    notebook = solved()
    grade_id, edits, _ = BUGS[name]
    cell = cell_of(notebook, grade_id)
    for before, after in edits:
        text = cell.source + "\n"
        assert text.count(before) == 1, f"{name}: {before!r} stands {text.count(before)} times"
        cell.source = text.replace(before, after).removesuffix("\n")
    return notebook


def changed(grade_id: str, source: str) -> Notebook:
    """Return a solution with another text in one cell."""
    notebook = solved()
    cell_of(notebook, grade_id).source = source
    return notebook


def _edited_tests() -> Notebook:
    notebook = student_notebook()
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("locked"):
            cell.source = "assert True"
            cell.metadata.nbgrader.points = 1000
    return notebook


def _missing_cells() -> Notebook:
    notebook = solved()
    gone = {"test_cache_update", "test_padding", "attend_rows", "written_why"}
    notebook.cells = [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in gone
    ]
    return notebook


PROFILE = "def profile_naive(model, prompt, num_tokens):\n    {}\n"

HARMFUL: dict[str, Callable[[], Notebook]] = {
    "loops": lambda: changed("profile_naive", PROFILE.format("while True: pass")),
    "loops-on": lambda: changed(
        "profile_naive",
        "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass\n",
    ),
    "allocates": lambda: changed(
        "profile_naive", PROFILE.format("return np.ones(50 * 2**30, dtype=np.uint8)")
    ),
    "syntax-error": lambda: changed("profile_naive", "def profile_naive(model:\n"),
    "prints-100-mb": lambda: changed("profile_naive", 'print("x" * 100_000_000)'),
    "missing-cells": _missing_cells,
    "edited-tests": _edited_tests,
    "exits": lambda: changed("profile_naive", "import os\nos._exit(1)"),
}


def save(notebook: Notebook, folder: Path, student: str) -> Path:
    """Write a submission where the grader looks for it."""
    file = folder / student / "module15.ipynb"
    file.parent.mkdir(parents=True)
    nbformat.write(notebook, file)
    return file
