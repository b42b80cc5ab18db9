"""Submissions of every kind: right, wrong in seven ways, harmful, and no submission at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from coursework.course import instructor_notebook, student_notebook
from coursework.room import RoomError, check_room

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


def _why_no_room() -> str:
    try:
        check_room()
    except RoomError as error:
        return str(error)
    return ""


NO_ROOM = _why_no_room()
if NO_ROOM and os.environ.get("CI"):
    raise RuntimeError(f"these tests are not left out in CI: {NO_ROOM}")
needs_room = pytest.mark.skipif(bool(NO_ROOM), reason=NO_ROOM)


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


def _without(*gone: str) -> Notebook:
    notebook = solved()
    notebook.cells = [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in gone
    ]
    return notebook


LEAVES_FILES = """
import os
open("left.bin", "wb").truncate(300_000_000)
os.mkfifo("pipe")
os.makedirs("folder/deeper")
os.symlink("/etc", "folder/link")
"""
OVERWRITES = """
from pathlib import Path
here = Path().resolve()
own = here.parents[2] / "submitted" / here.parent.name / here.name / "module15.ipynb"
own.write_text("[]")
"""
SHOWS_HTML = """
from IPython.display import HTML, SVG, Javascript, display
for kind in (HTML, Javascript, SVG):
    display(kind("<svg><script>window.ran = 1</script></svg>"))
"""
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
    "missing-cells": lambda: _without(
        "test_cache_update", "test_padding", "attend_rows", "written_why", "enable_cache"
    ),
    "edited-tests": _edited_tests,
    "exits": lambda: changed("profile_naive", "import os\nos._exit(1)"),
    "raises-50-mb": lambda: changed("profile_naive", 'raise ValueError("x" * 50_000_000)'),
    "meddles": lambda: added(LEAVES_FILES, OVERWRITES, SHOWS_HTML),
}


def added(*sources: str) -> Notebook:
    """Return a solution with cells of the student's own at its end."""
    notebook = solved()
    notebook.cells += map(nbformat.v4.new_code_cell, sources)
    return notebook


NOISE = (
    "import logging, sys, warnings\n"
    "warnings.simplefilter('always')\n"
    "logging.getLogger().setLevel('INFO')\n"
)
IN_UPDATE = "        stop = self.seq_pos + key.shape[2]\n"


def _noisy() -> Notebook:
    notebook = solved()
    cell = cell_of(notebook, "kv_cache")
    says = (
        "        warnings.warn('update')\n        logging.warning('update')\n"
        "        print('update', file=sys.stderr)\n"
    )
    assert IN_UPDATE in cell.source
    cell.source = NOISE + cell.source.replace(IN_UPDATE, IN_UPDATE + says)
    return notebook


HONEST: dict[str, Callable[[], Notebook]] = {
    "warns-and-logs": _noisy,
    "lost-cells": lambda: _without(
        "setup", "cache_helpers", "test_cache_allocate", "test_enable_prefill", "test_same_text"
    ),
}
"""Right, and not quite as it was released: no point is lost."""


def _file(content: bytes) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        place.mkdir()
        (place / "module15.ipynb").write_bytes(content)

    return make


def _json(**changes: object) -> Callable[[Path], None]:
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    return _file(json.dumps(notebook | changes).encode())


def _large(place: Path) -> None:
    _file(b"")(place)
    os.truncate(place / "module15.ipynb", 300_000_000)


def _special(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def make_inside(place: Path) -> None:
        place.mkdir()
        make(place / "module15.ipynb")

    return make_inside


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "garbage": (_file(b"this is no notebook"), "not JSON"),
    "empty": (_file(b""), "the file is empty"),
    "no-text": (_file(b"\xff\xfe\x00"), "no text in UTF-8"),
    "deep": (_file(b"[" * 50_000), "nested deeper than 50 levels"),
    "large": (_large, "more than 10 MB"),
    "future": (_json(nbformat=99), "nbformat is 99: expected 4"),
    "cells": (_json(cells={"a": 1}), "`cells` is an object: expected a list"),
    "list-as-id": (
        _json(
            cells=[{"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade_id": []}}}]
        ),
        "its grade_id is a list",
    ),
    "pipe": (_special(os.mkfifo), "is a named pipe"),
    "folder": (_special(os.mkdir), "is a folder"),
    "link": (
        _special(lambda file: file.symlink_to("../reference/module15.ipynb")),
        "a symbolic link",
    ),
    "zero": (_special(lambda file: file.symlink_to("/dev/zero")), "a symbolic link"),
    "nobody": (os.mkdir, "found no notebook, expected nobody/module15.ipynb"),
    "two\nlines": (_file(b""), "is no student's id"),
    "m\u00fcller": (_file(b""), "is no student's id"),
    "=1+1": (_file(b""), "is no student's id"),
    "\x1b[31mred": (_file(b""), "is no student's id"),
}
"""What is no submission: how to make it in a place, and what the grader says of it."""


def save(notebook: Notebook, folder: Path, student: str) -> Path:
    """Write a submission where the grader looks for it."""
    file = folder / student / "module15.ipynb"
    file.parent.mkdir(parents=True)
    nbformat.write(notebook, file)
    return file
