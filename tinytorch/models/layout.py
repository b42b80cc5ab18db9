"""Where the weights of a model lie in memory, which decides how fast one token is decoded.

A decoding step does two floating-point operations for each weight that it reads, so it takes as
long as reading all weights takes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from tinytorch.core import GPT, ModelConfig, weight_shapes
from tinytorch.core.layers import Linear
from tinytorch.core.ops import notify_observers

TWO_THREADS_FROM = 460_800
"""Matrix elements from which OpenBLAS multiplies by a vector with more than one thread.

``115200 * GEMM_MULTITHREAD_THRESHOLD`` in its ``interface/gemv.c``.
"""


def split_weights(flat: np.ndarray, config: ModelConfig) -> dict[str, np.ndarray]:
    """Cut one array into views of all weights of a model.

    They follow each other as a forward pass reads them. The longer side of each linear weight is
    contiguous: with one token to multiply, BLAS then reads memory in the longest runs. The
    token embedding keeps its rows contiguous, since rows are looked up.

    Parameters
    ----------
    flat : ndarray of shape (N,), float32
    config : ModelConfig

    Returns
    -------
    dict of str to ndarray
        With the names and shapes of `tinytorch.core.weight_shapes`.
    """
    weights = {}
    starts = _starts(config)
    for name, shape in weight_shapes(config).items():
        array = flat[starts[name] : starts[name] + math.prod(shape)]
        weights[name] = array.reshape(shape, order=storage_order(name, shape))
    return weights


def storage_order(name: str, shape: tuple[int, ...]) -> str:
    """Return NumPy's letter for how a weight is stored: "F" by columns, "C" by rows."""
    longer_columns = len(shape) == 2 and shape[0] > shape[1]
    return "F" if longer_columns and "proj" in name else "C"


@dataclass(frozen=True)
class ReadAheadLinear(Linear):
    """A linear layer too small for two threads, which multiplies what lies behind it as well.

    One thread reaches half of the memory bandwidth. Here both read; the products with the rows
    behind are thrown away (and not counted), but those rows are the next layer's, and now in the
    processor's cache.

    Parameters
    ----------
    ahead : ndarray of shape (R, in_dim), float32
        Begins with the rows of `weight`.
    """

    ahead: np.ndarray

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        """Map (N, in_dim) to (N, out_dim), without the bias; read ahead if N is 1."""
        if len(rows) > 1:
            return super().multiply(rows)
        notify_observers(rows, self.weight.T, self.kind)
        return np.matmul(rows, self.ahead.T)[:, : len(self.weight)]


def read_ahead(model: GPT, flat: np.ndarray) -> None:
    """Make the attention outputs of `model` read ahead, where one thread would multiply them.

    Parameters
    ----------
    model : GPT
        Built with the weights that `split_weights` cut out of `flat`.
    flat : ndarray of shape (N,), float32
    """
    starts = _starts(model.config)
    for layer, block in enumerate(model.blocks):
        linear = block.attention.out_proj
        in_dim = linear.weight.shape[1]
        num_rows = -(-TWO_THREADS_FROM // in_dim)
        start = starts[f"blocks.{layer}.attention.out_proj.weight"]
        ahead = flat[start : start + num_rows * in_dim]
        by_row = linear.weight.flags.c_contiguous
        if by_row and len(linear.weight) < num_rows and len(ahead) == num_rows * in_dim:
            block.attention.out_proj = ReadAheadLinear(
                linear.weight, linear.bias, linear.kind, ahead.reshape(num_rows, in_dim)
            )


def _starts(config: ModelConfig) -> dict[str, int]:
    """Where each weight starts in an array that holds them all."""
    shapes = weight_shapes(config)
    sizes = itertools.accumulate((math.prod(shape) for shape in shapes.values()), initial=0)
    return dict(zip(shapes, sizes, strict=False))
