"""How a worker gets its share of a model's weights: as a place in a file, or as numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinytorch.core import ModelConfig, weight_shapes


@dataclass(frozen=True)
class MappedArray:
    """Where an array lies in a file. Workers that map the same file share its memory.

    Attributes
    ----------
    path : str
    offset : int
        First byte.
    shape : tuple of int
    dtype : str
    order : {"C", "F"}
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: str
    order: str

    def open(self) -> np.ndarray:
        """Map the array, read-only: pages are read when they are first used."""
        mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)
        return np.asarray(mapped)


def locate(array: np.ndarray) -> MappedArray | None:
    """Find the file that an array is mapped from, or None if it lies in memory only."""
    base = array
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    if base is None or base.filename is None or not contiguous:
        return None
    distance = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return MappedArray(
        os.fspath(base.filename),
        base.offset + distance,
        array.shape,
        array.dtype.str,
        "C" if array.flags.c_contiguous else "F",
    )


def share_of_weights(
    weights: Mapping[str, np.ndarray], layers: slice, share_files: bool
) -> dict[str, np.ndarray | MappedArray]:
    """Choose the weights of some blocks, as they are to be sent.

    Parameters
    ----------
    weights : mapping of str to ndarray
        By the names of `tinytorch.core.weight_shapes`.
    layers : slice
        The blocks.
    share_files : bool
        Whether a place in a file may stand for an array that is mapped from it.
    """
    share = {}
    for name, array in weights.items():
        if name.startswith("blocks.") and layers.start <= int(name.split(".")[1]) < layers.stop:
            share[name] = (locate(array) if share_files else None) or array
    return share


def weights_of(model: object, config: ModelConfig) -> dict[str, np.ndarray]:
    """Collect the arrays of a model's blocks by their names, without a copy."""
    weights = {}
    for name in weight_shapes(config):
        place, _, kind = name.rpartition(".")
        if place.startswith("blocks."):
            _, number, *path = place.split(".")
            part = model.blocks[int(number)]
            for attribute in path:
                part = getattr(part, attribute)
            weights[name] = getattr(part, kind)
    return weights
