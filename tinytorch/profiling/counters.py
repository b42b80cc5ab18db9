"""Count the multiply-adds that a model really does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from tinytorch.core.ops import matmul_observers

KINDS = ("projections", "scores", "weighted_sum", "mlp", "logits")


@dataclass
class OperationCount:
    """Multiply-adds by kind; one multiply-add is two floating-point operations.

    Attributes
    ----------
    by_kind : dict of str to int
        ``projections`` (query, key, value and output), ``scores`` (queries times keys),
        ``weighted_sum`` (attention weights times values), ``mlp`` and ``logits``.
    """

    by_kind: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    @property
    def total(self) -> int:
        """Multiply-adds of all kinds."""
        return sum(self.by_kind.values())


@contextmanager
def count_operations() -> Iterator[OperationCount]:
    """Count the multiply-adds of every matrix product inside a ``with`` block.

    The counts come from the shapes of the operands that NumPy was given, so they hold whatever
    the model did: with a cache or without, masked blocks skipped or not. Element-wise work
    (norms, activations, softmax) is not counted, nor are the products that a `ReadAheadLinear`
    throws away.

    Yields
    ------
    OperationCount
        Filled while the block runs. Blocks may be nested: each counts what happens in it.

    Examples
    --------
    >>> with count_operations() as count:
    ...     model.forward(tokens)
    >>> count.by_kind["scores"], count.total
    """
    count = OperationCount()

    def observe(kind: str, a: np.ndarray, b: np.ndarray) -> None:
        *stack, rows, inner = a.shape
        *other_stack, _, columns = b.shape
        if stack != other_stack:
            stack = np.broadcast_shapes(tuple(stack), tuple(other_stack))
        count.by_kind[kind] += math.prod(stack) * rows * inner * columns

    matmul_observers.append(observe)
    try:
        yield count
    finally:
        matmul_observers.remove(observe)
