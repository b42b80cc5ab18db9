"""Read a notebook as it was handed in, check it, and make it ready to be graded.

Everything is checked on plain data, before nbformat or nbgrader sees it. What is graded is built
anew from the checked parts: the student's text, and the released cells around it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from coursework.escaping import printable
from coursework.own_notebook import CHANGED, grade_id, released_notebook, restore

MOST_BYTES = 10_000_000
MOST_VALUES = 2_000_000
MOST_NESTING = 50
MOST_CELLS = 1_000
MOST_OUTPUTS = 10_000
MOST_SOURCE = 500_000
"""Characters of all cells together; the released notebook has 20,000."""

PICTURES = ("image/png", "image/jpeg", "image/gif")
NEW_CELL = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
CLEARED = "clear the outputs, save, and hand it in again"


class RefusedError(Exception):
    """A file cannot be graded; the message is the reason, a sentence for student and grader."""


@dataclass(frozen=True)
class Received:
    """A notebook that can be graded.

    Attributes
    ----------
    notebook : NotebookNode
        With every locked cell as it was released, and no outputs.
    missing_cells : tuple of str
        The grade_ids that the student's file lacked, in the released order.
    digest : str
        SHA-256 of the file.
    """

    notebook: NotebookNode
    missing_cells: tuple[str, ...]
    digest: str


def receive(data: bytes) -> Received:
    """Check a file's content and make it ready to be graded.

    Raises
    ------
    RefusedError
    """
    notebook = checked_notebook(parse(data))
    present = {grade_id(cell) for cell in notebook.cells}
    wanted = (grade_id(cell) for cell in released_notebook().cells)
    missing = tuple(name for name in wanted if name and name not in present)
    ready = restore(notebook)
    for cell in ready.cells:
        cell.metadata.pop(CHANGED, None)
    return Received(ready, missing, digest_of(data))


def read_bytes(file: Path | str, folder: int | None = None, owner: int | None = None) -> bytes:
    """Read an ordinary file of bounded size, and nothing else: no link, no pipe, no device.

    Parameters
    ----------
    file : Path or str
    folder : int, optional
        The open folder that holds the file.
    owner : int, optional
        The number of the user to whom the file must belong.

    Raises
    ------
    RefusedError
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(file, flags, dir_fd=folder)
    except OSError as error:
        raise RefusedError(f"the file cannot be opened: {error.strerror}") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or owner not in (None, about.st_uid):
        os.close(handle)
        is_file = stat.S_ISREG(about.st_mode)
        raise RefusedError("it belongs to somebody else" if is_file else "it is no ordinary file")
    with os.fdopen(handle, "rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise RefusedError(f"the file has more than {MOST_BYTES // 1_000_000} MB: {CLEARED}")
    return data


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(data).hexdigest()


def parse(data: bytes) -> Any:
    """Return the JSON values of a file, if they are few and flat enough.

    Raises
    ------
    RefusedError
    """
    if not data.strip():
        raise RefusedError("the file is empty")
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
        raise RefusedError(f"the file holds more than {MOST_VALUES:,} values: {CLEARED}")
    too_deep = RefusedError(f"its JSON is nested deeper than {MOST_NESTING} levels")
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RefusedError("it is no text in UTF-8, as a notebook is") from None
    except RecursionError:
        raise too_deep from None
    except ValueError as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RefusedError(f"it is no notebook: not JSON{line}") from None
    if _nesting(values) > MOST_NESTING:
        raise too_deep
    return values


def _nesting(values: Any) -> int:
    """Return how many lists and objects lie in each other at most."""
    depth, level = 0, [values]
    while level:
        inner = [v for v in level if isinstance(v, dict | list)]
        if not inner or depth > MOST_NESTING:
            break
        depth += 1
        level = [w for v in inner for w in (v.values() if isinstance(v, dict) else v)]
    return depth


def checked_notebook(values: Any) -> NotebookNode:
    """Return a new notebook with the cells that plain values describe, without outputs.

    Raises
    ------
    RefusedError
        If a part has another type than nbformat 4 gives it, or there is too much of it.
    """
    notebook = _typed(values, dict, "the notebook")
    version = notebook.get("nbformat")
    if version != 4:
        raise RefusedError(f"its nbformat is {_show(version)}: expected 4, as Jupyter saves it")
    _typed(notebook.get("metadata", {}), dict, "the notebook's metadata")
    cells = _typed(notebook.get("cells"), list, "`cells`")
    if len(cells) > MOST_CELLS:
        raise RefusedError(f"it has {len(cells):,} cells: expected at most {MOST_CELLS:,}")
    built = [_cell(cell, f"cell {number}") for number, cell in enumerate(cells, start=1)]
    length = sum(len(cell.source) for cell in built)
    if length > MOST_SOURCE:
        raise RefusedError(
            f"its cells hold {length:,} characters: expected at most {MOST_SOURCE:,}"
        )
    outputs = sum(len(cell.get("outputs", [])) for cell in cells)
    if outputs > MOST_OUTPUTS:
        raise RefusedError(
            f"it has {outputs:,} outputs, at most {MOST_OUTPUTS:,} are read: {CLEARED}"
        )
    return new_notebook(cells=built)


def _cell(cell: Any, where: str) -> NotebookNode:
    """Build a cell from plain values: its text, its kind, and the name nbgrader gave it."""
    cell = _typed(cell, dict, where)
    kind = cell.get("cell_type")
    if not isinstance(kind, str) or kind not in NEW_CELL:
        raise RefusedError(
            f"{where}: its cell_type is {_show(kind)}: expected code, markdown or raw"
        )
    _typed(cell.get("id", ""), str, f"{where}: its id")
    _typed(cell.get("outputs", []), list, f"{where}: `outputs`")
    metadata = _typed(cell.get("metadata", {}), dict, f"{where}: its metadata")
    role = _typed(metadata.get("nbgrader", {}), dict, f"{where}: its nbgrader metadata")
    name = role.get("grade_id")
    name = _typed("" if name is None else name, str, f"{where}: its grade_id")
    built = NEW_CELL[kind](_text(cell.get("source", ""), f"{where}: its source"))
    if name:
        built.metadata["nbgrader"] = {"grade_id": name}
    pictures = _pictures(cell.get("attachments"))
    if pictures and kind == "markdown":
        built["attachments"] = pictures
    return built


def _text(source: Any, what: str) -> str:
    """Return a source, which nbformat lets be a text or a list of lines."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    text = _typed(source, str, what)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RefusedError(f"{what} holds half a character (a lone surrogate)") from None
    return text


def _pictures(attachments: Any) -> dict[str, dict[str, str]]:
    """Return the pictures that were pasted into a written answer, and nothing else."""
    if not isinstance(attachments, dict):
        return {}
    pictures = {
        name: {mime: bundle[mime] for mime in PICTURES if isinstance(bundle.get(mime), str)}
        for name, bundle in attachments.items()
        if isinstance(bundle, dict)
    }
    return {name: bundle for name, bundle in pictures.items() if bundle}


def _typed(value: Any, kind: type, what: str) -> Any:
    """Return a value of this type.

    Raises
    ------
    RefusedError
    """
    if not isinstance(value, kind):
        names = {dict: "an object", list: "a list", str: "text"}
        raise RefusedError(f"{what} is {_show(value)}: expected {names[kind]}")
    return value


def _show(value: Any) -> str:
    """Return a few words for a value."""
    if value is None:
        return "missing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return printable(json.dumps(value), 40)
