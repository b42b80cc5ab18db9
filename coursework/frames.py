"""Plain data over a pipe: a length, then an ``.npz`` archive in which nothing is pickled.

One entry is a tree of plain values as JSON, the others are the arrays that the tree names. Both
sides check all of it: what comes out of the closed room was written by code that nobody has read.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from typing import Any

import numpy as np

MOST_BYTES = 64 * 2**20
MOST_ARRAYS, MOST_TREE_BYTES, MOST_DEPTH = 1_000, 16 * 2**20, 8
LENGTH = struct.Struct("<Q")
TREE, ARRAY = "tree", "array"
KINDS = "biuf"
"""Kinds of dtypes that a frame may hold: truth values, integers and floating-point numbers."""


class FrameError(Exception):
    """What should be sent, or was received, is not plain data; the message says what it is."""


def pack(value: object) -> bytes:
    """Write a value as a frame.

    Parameters
    ----------
    value : None, bool, int, float, str, ndarray, or a list, tuple or dict of such
        Of exactly these types; NumPy's own numbers become Python's, tuples become lists.

    Raises
    ------
    FrameError
        If something in it has another type, or there is too much of it.
    """
    arrays: list[np.ndarray] = []
    tree = json.dumps(_plain(value, arrays, MOST_DEPTH)).encode()
    named = {f"{ARRAY}{index}": array for index, array in enumerate(arrays)}
    if sum(array.nbytes for array in arrays) + len(tree) > MOST_BYTES:
        raise FrameError(f"more than {MOST_BYTES:,} bytes")
    body = io.BytesIO()
    np.savez(body, **{TREE: np.frombuffer(tree, np.uint8)}, **named)
    return LENGTH.pack(body.getbuffer().nbytes) + body.getvalue()


def unpack(body: bytes) -> Any:
    """Read a frame without its length.

    Raises
    ------
    FrameError
        If it is anything but what `pack` writes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(body))
            arrays = {e.filename.removesuffix(".npy"): _array(archive.read(e)) for e in entries}
        tree = arrays.pop(TREE)
        if tree.dtype != np.uint8 or tree.nbytes > MOST_TREE_BYTES:
            raise FrameError("the tree of values is too large, or no text")
        return _filled(json.loads(tree.tobytes()), arrays)
    except FrameError:
        raise
    except Exception as error:  # of zipfile, NumPy and json, in ways that none of them lists
        raise FrameError(f"not a frame: {error}") from None


def _plain(value: object, arrays: list[np.ndarray], depth: int) -> object:
    if depth == 0:
        raise FrameError(f"values nested more than {MOST_DEPTH} deep")
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return value.item()
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind in (list, tuple):
        return [_plain(item, arrays, depth - 1) for item in value]
    if kind is dict and all(type(key) is str for key in value):
        return {key: _plain(item, arrays, depth - 1) for key, item in value.items()}
    if kind is np.ndarray and value.dtype.kind in KINDS:
        arrays.append(value)
        return {ARRAY: len(arrays) - 1}
    raise FrameError(f"a {kind.__name__} is neither a number, a text, an array nor a list of them")


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > MOST_ARRAYS:
        raise FrameError(f"{len(entries):,} arrays")
    if len({entry.filename for entry in entries}) < len(entries):
        raise FrameError("two arrays of one name")
    for entry in entries:
        if not re.fullmatch(rf"({TREE}|{ARRAY}\d{{1,4}})\.npy", entry.filename, re.ASCII):
            raise FrameError("an array of another name")
        if entry.compress_type != zipfile.ZIP_STORED or not 0 <= entry.file_size <= size:
            raise FrameError("a compressed archive")
    if sum(entry.file_size for entry in entries) > size:
        raise FrameError("entries that share their bytes")


def _array(data: bytes) -> np.ndarray:
    """Read an array, and allocate nothing because of what its header says."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise FrameError("an array of another format")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.kind not in KINDS or dtype.fields or dtype.subdtype:
        raise FrameError(f"an array of {dtype.name}")
    if any(type(size) is not int or size < 0 for size in shape):
        raise FrameError("an array with a size that is none")
    rest = data[stream.tell() :]
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize != len(rest):
        raise FrameError("an array that is not as long as it says")
    flat = np.frombuffer(rest, dtype)
    return flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)


def _filled(tree: Any, arrays: dict[str, np.ndarray], depth: int = MOST_DEPTH + 1) -> Any:
    if depth == 0:
        raise FrameError(f"values nested more than {MOST_DEPTH} deep")
    if isinstance(tree, list):
        return [_filled(item, arrays, depth - 1) for item in tree]
    if isinstance(tree, dict):
        if tree.keys() == {ARRAY}:
            return arrays[f"{ARRAY}{int(tree[ARRAY])}"]
        return {key: _filled(item, arrays, depth - 1) for key, item in tree.items()}
    return tree
