"""The arithmetic that every layer shares."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

MatmulObserver = Callable[[str, np.ndarray, np.ndarray], None]

matmul_observers: list[MatmulObserver] = []
"""Called with the kind and the operands of every product that `matmul` computes."""

_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


def matmul(a: np.ndarray, b: np.ndarray, kind: str) -> np.ndarray:
    """Multiply two stacks of matrices, as every layer of the model does.

    Parameters
    ----------
    a : ndarray of shape (..., M, K)
    b : ndarray of shape (..., K, N)
    kind : str
        What the product is for: ``"projections"``, ``"scores"``, ``"weighted_sum"``, ``"mlp"``
        or ``"logits"``. `matmul_observers` are told it.

    Returns
    -------
    ndarray of shape (..., M, N)
    """
    notify_observers(a, b, kind)
    return np.matmul(a, b)


def matmul_by_row(a: np.ndarray, b: np.ndarray, kind: str) -> np.ndarray:
    """Do as `matmul`, but one row of each matrix in `a` at a time.

    To multiply matrices, BLAS first copies both into blocks. For a few rows that takes longer than
    reading `b` once for each, if `b` stays in the processor's cache between them.
    """
    notify_observers(a, b, kind)
    return np.vecmat(a, b[..., None, :, :])


def notify_observers(a: np.ndarray, b: np.ndarray, kind: str) -> None:
    """Tell `matmul_observers` of a product; the arguments are as for `matmul`."""
    for observer in matmul_observers:
        observer(kind, a, b)


def gelu(x: np.ndarray) -> np.ndarray:
    """Gaussian error linear unit, the tanh form that GPT-2 uses.

    Parameters
    ----------
    x : ndarray
        Any shape.

    Returns
    -------
    ndarray
        Same shape and dtype.

    Notes
    -----
    ``0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))``, Hendrycks and Gimpel 2016,
    arXiv:1606.08415, section 2.
    """
    inner = x * x
    inner *= 0.044715
    inner += 1
    inner *= x
    inner *= _SQRT_2_OVER_PI
    np.tanh(inner, out=inner)
    inner += 1
    inner *= x
    inner *= 0.5
    return inner


def silu(x: np.ndarray) -> np.ndarray:
    """Sigmoid linear unit, ``x * sigmoid(x)``.

    Parameters
    ----------
    x : ndarray
        Any shape.

    Returns
    -------
    ndarray
        Same shape and dtype.

    Notes
    -----
    ``sigmoid(x) = (1 + tanh(x / 2)) / 2`` cannot overflow, as ``1 / (1 + exp(-x))`` does.
    """
    half = x * 0.5
    gate = np.tanh(half)
    gate += 1
    gate *= half
    return gate
