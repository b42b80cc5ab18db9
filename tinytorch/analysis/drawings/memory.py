"""What a cache's size is made of, who shares its heads, and what it leaves on a device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinytorch.analysis.drawings.canvas import WIDTH, Drawing

UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))


def in_units(num_bytes: float) -> str:
    """Write bytes in the largest unit of 1,024 that they fill."""
    size, unit = next((size, unit) for size, unit in UNITS if num_bytes >= size or size == 1)
    return f"{num_bytes / size:,.4g} {unit}"


def wall(models: Mapping[str, Mapping[str, int]]) -> Drawing:
    """Draw sizes of caches as rows of segments, a factor each, in which a doubling has one width.

    Parameters
    ----------
    models : mapping of str to mapping of str to int
        For each model its factors, in one order; their product is the cache in bytes.

    Returns
    -------
    Drawing
    """
    products = {name: math.prod(factors.values()) for name, factors in models.items()}
    scale = (WIDTH - 2) / max(math.log2(product) for product in products.values())
    row = 74
    drawing = Drawing(
        row * len(models) + 22,
        "Rows of segments, as wide as the logarithm of their factors. "
        + " ".join(
            f"{name}: {' × '.join(f'{n:,} {what}' for what, n in factors.items())} = "
            f"{in_units(products[name])}."
            for name, factors in models.items()
        ),
    )
    for i, (name, factors) in enumerate(models.items()):
        y = row * i
        drawing.text(0, y + 10, name, anchor="start", bold=True)
        drawing.text(WIDTH, y + 10, in_units(products[name]), anchor="end", bold=True)
        x = 0.0
        for k, (what, factor) in enumerate(factors.items()):
            width = math.log2(factor) * scale
            drawing.box(x, y + 22, width, 26, f"series-{k % 4 + 1}", text=f"{factor:,}", size=12)
            anchor = "start" if k == 0 else "end" if k + 1 == len(factors) else "middle"
            at = {"start": x, "middle": x + width / 2, "end": x + width}[anchor]
            drawing.text(at, y + 58, what, anchor=anchor, size=12)
            x += width
    bottom = row * len(models) + 10
    drawing.line((0, bottom), (scale, bottom), width=3)
    drawing.text(scale + 8, bottom, "this much is twice the memory", anchor="start", size=12)
    return drawing


@dataclass(frozen=True)
class HeadPlan:
    """How the heads of a layer share keys and values.

    Attributes
    ----------
    name : str
    num_queries, num_shared : int
        Query heads, and key/value heads; 0 if a latent vector stands for all of them.
    note : str
        What a token takes.
    """

    name: str
    num_queries: int
    num_shared: int
    note: str


def shared_heads(plans: Sequence[HeadPlan]) -> Drawing:
    """Draw which query heads read which keys and values.

    Parameters
    ----------
    plans : sequence of HeadPlan

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If the query heads of a plan cannot be divided among its key/value heads.
    """
    for plan in plans:
        if plan.num_shared and plan.num_queries % plan.num_shared:
            raise ValueError(
                f"{plan.name}: {plan.num_queries} query heads cannot share "
                f"{plan.num_shared} equally"
            )
    columns, cell_width, cell_height = 2, WIDTH / 2, 128
    rows = math.ceil(len(plans) / columns)
    drawing = Drawing(
        cell_height * rows + 18,
        " ".join(f"{plan.name}: {_sharing(plan)}; {plan.note}." for plan in plans),
    )
    for i, plan in enumerate(plans):
        left, top = cell_width * (i % columns), cell_height * (i // columns)
        drawing.text(left, top + 10, plan.name, anchor="start", bold=True)
        size = min(20.0, (cell_width - 24) / plan.num_queries)
        kept_y, query_y = top + 70, top + 26
        if plan.num_shared:
            group = plan.num_queries // plan.num_shared
            centres = [left + size * group * (j + 0.5) for j in range(plan.num_shared)]
            for x in centres:
                drawing.box(x - (size - 3) / 2, kept_y, size - 3, 18, "kept")
        else:
            centres = [left + size * plan.num_queries / 2 - 12]
            drawing.box(left, kept_y, size * plan.num_queries - 30, 18, "kept")
            drawing.box(left + size * plan.num_queries - 24, kept_y, size - 3, 18, "kept")
        for q in range(plan.num_queries):
            x = left + size * (q + 0.5)
            drawing.box(x - (size - 3) / 2, query_y, size - 3, 18, "series-1")
            target = centres[q * len(centres) // plan.num_queries]
            drawing.line((x, query_y + 20), (target, kept_y - 2), width=0.8)
        drawing.text(left, top + 102, plan.note, anchor="start", size=12)
    drawing.key(
        cell_height * rows + 6, ("series-1", "query heads"), ("kept", "kept: keys and values")
    )
    return drawing


def _sharing(plan: HeadPlan) -> str:
    if not plan.num_shared:
        return f"{plan.num_queries} query heads, one latent vector and one rotary key for all"
    each = plan.num_queries // plan.num_shared
    return f"{plan.num_queries} query heads, {plan.num_shared} kept, each for {each}"


def device(models: Mapping[str, tuple[int, int]], capacity: int, name: str) -> Drawing:
    """Draw what weights and whole caches take of a device's memory.

    Parameters
    ----------
    models : mapping of str to (int, int)
        For each model the bytes of its weights, and of one sequence's cache.
    capacity : int
        Bytes of the device.
    name : str
        Of the device.

    Returns
    -------
    Drawing
    """
    row, scale = 58, WIDTH / capacity
    fitting = {
        model: max(capacity - weights, 0) // sequence
        for model, (weights, sequence) in models.items()
    }
    drawing = Drawing(
        row * len(models) + 44,
        f"{name}, {in_units(capacity)}. "
        + " ".join(
            f"{model}: weights {in_units(weights)}, then {fitting[model]} caches of "
            f"{in_units(sequence)}."
            for model, (weights, sequence) in models.items()
        ),
    )
    for i, (model, (weights, sequence)) in enumerate(models.items()):
        y = row * i
        drawing.text(0, y + 10, model, anchor="start", bold=True)
        count = f"{fitting[model]} sequences"
        drawing.text(WIDTH, y + 10, count, anchor="end", bold=True)
        drawing.box(0, y + 22, WIDTH, 26, "free")
        drawing.box(0, y + 22, weights * scale, 26, "series-3")
        for k in range(fitting[model]):
            x = (weights + k * sequence) * scale
            drawing.box(x, y + 22, sequence * scale, 26, "series-4", stroke_width=0.5)
    y = row * len(models) + 8
    drawing.text(WIDTH, y, f"{name} = {in_units(capacity)}", anchor="end", size=12)
    drawing.key(y + 22, ("series-3", "weights"), ("series-4", "a sequence"), ("free", "unused"))
    return drawing
