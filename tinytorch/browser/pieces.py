"""A model's file in pieces that any static host takes, and the manifest that lists them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

PIECE_SIZE = 24 * 10**6
"""Some hosts refuse files of more than 25 MB."""

MANIFEST = "manifest.json"


def write_pieces(
    source: Path, folder: Path, *, licence: str, origin: str, piece_size: int = PIECE_SIZE
) -> dict:
    """Write a file in pieces; those that are there already, byte for byte, stay as they are.

    Parameters
    ----------
    source : Path
        The model's file.
    folder : Path
        Made if it is missing. Pieces of another file are removed.
    licence : str
        The model's licence, as SPDX names it.
    origin : str
        Who made the model, and where the file is from.
    piece_size : int, default 24,000,000
        The most bytes of one piece.

    Returns
    -------
    dict
        What was written to ``manifest.json``: `name`, `size` and `sha256` of the file, `licence`,
        `source`, and `pieces`, each with `name`, `size` and `sha256`, in their order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = -(-source.stat().st_size // piece_size)
    whole, pieces = hashlib.sha256(), []
    with source.open("rb") as file:
        for number in range(1, count + 1):
            data = file.read(piece_size)
            whole.update(data)
            name = f"{source.stem}.{number}-of-{count}.bin"
            write_if_changed(folder / name, data)
            pieces.append(
                {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            )
    manifest = {
        "name": source.name,
        "size": source.stat().st_size,
        "sha256": whole.hexdigest(),
        "licence": licence,
        "source": origin,
        "pieces": pieces,
    }
    write_if_changed(folder / MANIFEST, json.dumps(manifest, indent=2).encode())
    for leftover in {*folder.glob("*-of-*.bin")} - {folder / piece["name"] for piece in pieces}:
        leftover.unlink()
    return manifest


def write_if_changed(path: Path, data: bytes) -> None:
    """Write a file, unless it holds this already."""
    if not path.exists() or path.stat().st_size != len(data) or path.read_bytes() != data:
        path.write_bytes(data)
