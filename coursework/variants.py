"""Each student's own numbers in the written questions: ``python -m coursework.variants CLASS.csv``.

The numbers follow from a seed and the student's id alone, so they can be made again at any time.
Only the text of two questions changes: no graded cell, id or point. What depends on a measurement
(the time that a cache saves) has the same numbers for everybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated

import nbformat
import typer
from nbformat import NotebookNode

from coursework.class_list import Student, read_class_list
from coursework.escaping import spreadsheet_cell
from coursework.own_notebook import grade_id, released_notebook
from coursework.tables import TableError, write_table
from coursework.workspace import NOTEBOOK, write_whole
from tinytorch.analysis import ModelSpec, decode_bytes, get_model, kv_cache_bytes

HEADER = ("student", "name", "question", "text", "answer")
COUNTS = {4: "four", 6: "six", 8: "eight", 12: "twelve", 16: "sixteen"}
BITS = 16


@dataclass(frozen=True)
class Variant:
    """A question with a student's numbers, and its answer for the instructor."""

    text: str
    answer: str


@dataclass(frozen=True)
class Question:
    """A written question whose numbers may change.

    Attributes
    ----------
    as_released : Variant
        With the numbers that the assignment has.
    draw : callable
        Returns a variant, given a `random.Random`.
    """

    as_released: Variant
    draw: Callable[[Random], Variant]


class VariantError(Exception):
    """The questions cannot be changed; the message says why."""


def memory_variant(model: ModelSpec, tokens: int, kv_heads: int) -> Variant:
    """Ask for the memory of a cache, and of one with fewer key/value heads.

    Parameters
    ----------
    model : ModelSpec
        With as many key/value heads as heads.
    tokens : int
    kv_heads : int
        Fewer, a divisor of the model's.
    """
    heads, width = model.num_kv_heads, model.head_dim
    large = kv_cache_bytes(model, tokens, bits_per_element=BITS)
    small = large * kv_heads // heads
    return Variant(
        f"**A server holds {model.name} ({model.num_layers} layers, {heads} key/value heads of "
        f"width {width}) in {BITS} bits. What does the cache of one conversation of {tokens:,} "
        f"tokens take, and what would {kv_heads} key/value heads change?**",
        f"2 x {model.num_layers} x {heads} x {width} x {tokens} x {BITS // 8} bytes = "
        f"{gib(large)}. With {kv_heads} heads: {gib(small)}, so {heads / kv_heads:g} times as many "
        "conversations fit into the same room. (1 point each.)",
    )


def batch_variant(count: int) -> Variant:
    """Ask why several conversations side by side cost less than one after another."""
    word = COUNTS[count]
    model, tokens = get_model("Llama-2-7B"), 512
    one, all_of_them = (
        decode_bytes(model, tokens, batch_size=size, bits_per_weight=BITS, bits_per_element=BITS)
        for size in (1, count)
    )
    return Variant(
        f"**Why does decoding {word} conversations side by side cost less than {word} times the "
        "time of one? What sets the limit?**",
        f"The weights are read once for all {word}, and they are most of the bytes. For example, "
        f"{model.name} in {BITS} bits with {tokens} tokens each reads {gib(one)} in a step for one "
        f"and {gib(all_of_them)} for {word}: {all_of_them / one:.2f} times as much. Each "
        "conversation adds its own cache, which is read every step; when the caches' bytes exceed "
        "those of the weights, or memory is full, the gain ends. (1 point each.)",
    )


def gib(count: int) -> str:
    """Return bytes as GiB or MiB."""
    unit, size = ("GiB", 2**30) if count >= 2**30 else ("MiB", 2**20)
    return f"{count / size:.4g} {unit}"


def draw_memory(rng: Random) -> Variant:
    """Draw a model, a length that it was published for, and fewer heads."""
    model = get_model(rng.choice(["Llama-2-7B", "Llama-2-13B", "GPT-2 medium", "SmolLM2-1.7B"]))
    tokens = rng.choice(
        [n for n in (512, 768, 1024, 1536, 2048, 3072, 4096) if n <= model.max_context]
    )
    heads = model.num_kv_heads
    fewer = [
        kv_heads for kv_heads in (2, 4, 5, 8, 10, 16) if heads % kv_heads == 0 and kv_heads < heads
    ]
    return memory_variant(model, tokens, rng.choice(fewer))


def draw_batch(rng: Random) -> Variant:
    """Draw how many conversations."""
    return batch_variant(rng.choice(list(COUNTS)))


QUESTIONS = {
    "written_memory": Question(memory_variant(get_model("Llama-2-7B"), 4096, 8), draw_memory),
    "written_batch": Question(batch_variant(8), draw_batch),
}


def variants_of(seed: str, student: str) -> dict[str, Variant]:
    """Return a student's variant of each question.

    Parameters
    ----------
    seed : str
    student : str
        The id.

    Returns
    -------
    dict of str to Variant
        By the id of the cell for the answer. The same for the same arguments, on any machine.
    """
    found = {}
    for name, question in QUESTIONS.items():
        key = "\0".join([seed, student, name])
        found[name] = question.draw(Random(hashlib.sha256(key.encode()).digest()))
    return found


def with_variants(release: NotebookNode, variants: dict[str, Variant]) -> NotebookNode:
    """Return the student's notebook with other numbers in its questions.

    Raises
    ------
    VariantError
        If the release does not hold a question as this module knows it.
    """
    notebook = deepcopy(release)
    for name, variant in variants.items():
        known = QUESTIONS[name].as_released.text
        cells = [cell for cell in notebook.cells if cell.source.strip() == known]
        answers = [cell for cell in notebook.cells if grade_id(cell) == name]
        if len(cells) != 1 or len(answers) != 1 or grade_id(cells[0]):
            raise VariantError(f"the assignment no longer holds the question of {name}: {known}")
        cells[0].source = variant.text
    return notebook


def variant_rows(seed: str, students: dict[str, Student]) -> list[list[str]]:
    """Return a row of `HEADER` for each student and question."""
    return [
        [one.student, spreadsheet_cell(one.name), name, variant.text.strip("*"), variant.answer]
        for one in students.values()
        for name, variant in variants_of(seed, one.student).items()
    ]


def main(
    class_list: Annotated[Path, typer.Argument(help="CSV with student, name.")],
    output: Annotated[Path, typer.Argument(help="A folder for the notebooks and the answers.")],
    seed: Annotated[str, typer.Option(help="Any word; keep it, it makes the same again.")],
) -> None:
    """Write a notebook for each student, and a table with each student's answers for you."""
    try:
        students = read_class_list(class_list)
        release = released_notebook()
        for student in students:
            notebook = with_variants(release, variants_of(seed, student))
            write_whole(output / "notebooks" / student / NOTEBOOK, nbformat.writes(notebook) + "\n")
        write_table(output / "answers.csv", [HEADER, *variant_rows(seed, students)])
    except (TableError, VariantError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{len(students)} notebooks to hand out: {output / 'notebooks'}")
    typer.echo(f"answers, for you: {output / 'answers.csv'}")


if __name__ == "__main__":
    typer.run(main)
