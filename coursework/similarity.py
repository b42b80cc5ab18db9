"""How alike submissions are: ``python -m coursework.similarity SUBMISSIONS``.

A report to read, not a verdict: with one assignment for all, right answers look alike. copydetect
(MIT; winnowing, Schleimer et al. 2003, doi:10.1145/872757.872770) takes names, comments and layout
out of the code and cuts the rest into overlapping pieces. What the release has, counts for nobody.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, groupby, pairwise
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from copydetect.detector import CodeFingerprint
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape
from nbformat import NotebookNode

from coursework.course import student_notebook
from coursework.escaping import printable, spreadsheet_cell
from coursework.own_notebook import grade_id, is_locked
from coursework.submissions import SubmissionError, find_submissions
from coursework.tables import write_table
from coursework.workspace import write_whole

PIECE = 25
"""Characters of a piece of code in which names are one letter, and of a piece of prose."""
BETWEEN = "─"
"""Stands between two cells; a piece that has it is of neither."""
LEAST_PIECES = 40
"""Pieces that a pair must share to be listed: less is a line or two."""
MOST_BYTES = 50_000_000
HEADER = ("student", "other", "code", "code_of_other", "shared_pieces", "prose", "prose_of_other")


@dataclass(frozen=True)
class Work:
    """What a student wrote, as pieces: code, and the answers in words."""

    student: str
    code: CodeFingerprint
    prose: CodeFingerprint


@dataclass(frozen=True)
class Pair:
    """Two submissions, and what they share beyond the release.

    Attributes
    ----------
    first, second : Work
    code, prose : tuple of float
        Which share of the first's pieces the second has too, and the other way round.
    shared_pieces : int
        Pieces of code that both have.
    """

    first: Work
    second: Work
    code: tuple[float, float]
    prose: tuple[float, float]
    shared_pieces: int

    @property
    def highest(self) -> float:
        """The largest of the four shares."""
        return max(*self.code, *self.prose)


class Release:
    """The text that every student was given, to be left out of what they wrote."""

    def __init__(self, notebook: NotebookNode):
        self.locked = {grade_id(cell) for cell in notebook.cells if is_locked(cell)} - {""}
        self.words = {
            grade_id(cell)
            for cell in notebook.cells
            if cell.cell_type == "markdown" and grade_id(cell)
        }
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        self.code = fingerprint(code).hashes
        self.prose = fingerprint(map(plain, prose), is_code=False).hashes

    def work(self, student: str, file: Path) -> Work:
        """Return what a student wrote.

        Raises
        ------
        ValueError
            If the file is not a notebook.
        """
        code, prose = [], []
        for cell in read_cells(file):
            name, source = cell_name(cell), cell_source(cell)
            if not source.strip():
                continue
            if cell.get("cell_type") == "code" and name not in self.locked:
                code.append(source)
            elif name in self.words:
                prose.append(plain(source))
        pieces, words = fingerprint(code), fingerprint(prose, is_code=False)
        pieces.hashes -= self.code
        words.hashes -= self.prose
        return Work(student, pieces, words)


def fingerprint(texts: Iterable[str], is_code: bool = True) -> CodeFingerprint:
    """Return all pieces of each text: a window of one, so that the report is always the same."""
    whole = io.StringIO(f"\n{BETWEEN}\n".join(texts))
    found = CodeFingerprint("code.py", PIECE, 1, filter=is_code, fp=whole)
    found.hash_idx = {int(piece): places for piece, places in found.hash_idx.items()}
    found.hashes = {
        piece
        for piece, places in found.hash_idx.items()
        if BETWEEN not in found.filtered_code[places[0] : places[0] + PIECE]
    }
    return found


def plain(text: str) -> str:
    """Return prose in small letters, with one blank between words."""
    return " ".join(text.casefold().split())


def read_cells(file: Path) -> list[dict]:
    """Return the cells of a notebook, without a word to what else is in it.

    Raises
    ------
    ValueError
        If there are none.
    """
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES // 10**6} MB")
    try:
        cells = json.loads(file.read_bytes())["cells"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("it is not a notebook") from None
    if not isinstance(cells, list):
        raise ValueError("it is not a notebook")
    return [cell for cell in cells if isinstance(cell, dict)]


def cell_name(cell: dict) -> str:
    """Return the grade_id of a cell, or the empty text."""
    found: object = cell
    for key in ("metadata", "nbgrader", "grade_id"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def cell_source(cell: dict) -> str:
    """Return the text of a cell, which a file may hold in lines."""
    source = cell.get("source")
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))


def compare(first: Work, second: Work) -> Pair:
    """Return what two submissions share."""
    code, shared = _shares(first.code, second.code)
    prose, _ = _shares(first.prose, second.prose)
    return Pair(first, second, code, prose, shared)


def _shares(first: CodeFingerprint, second: CodeFingerprint) -> tuple[tuple[float, float], int]:
    shared = len(first.hashes & second.hashes)
    if shared < LEAST_PIECES:
        return (0.0, 0.0), shared
    return (shared / len(first.hashes), shared / len(second.hashes)), shared


def rank(works: list[Work]) -> list[Pair]:
    """Return all pairs, the most alike first."""
    pairs = [compare(first, second) for first, second in combinations(works, 2)]
    return sorted(pairs, key=lambda pair: (-pair.highest, -pair.shared_pieces))


def side_by_side(first: CodeFingerprint, second: CodeFingerprint) -> tuple[Markup, Markup]:
    """Return two texts as HTML, escaped, with what they share in ``<mark>``."""
    shared = first.hashes & second.hashes
    return marked(first, shared), marked(second, shared)


def marked(text: CodeFingerprint, shared: set[int]) -> Markup:
    """Return a text as HTML, escaped, with these pieces in ``<mark>``."""
    inside = [False] * (len(text.filtered_code) + 1)
    for piece in shared:
        for place in text.hash_idx[piece]:
            inside[place : place + PIECE] = [True] * PIECE
    parts, begin, where = [], 0, original_places(text)
    for is_shared, places in groupby(range(len(inside)), key=inside.__getitem__):
        end = where[max(places) + 1]
        part = escape(text.raw_code[begin:end])
        parts.append(Markup("<mark>{}</mark>").format(part) if is_shared else part)
        begin = end
    return Markup("").join(parts)


def original_places(text: CodeFingerprint) -> list[int]:
    """Return where each character that copydetect kept stands in the text, then the text's end.

    copydetect notes how much it has left out before a place, but for the names of classes, where
    what it notes (0.5.0) is the length of the name. Those are passed over.
    """
    left_out, most = [], 0
    notes = [(int(place), int(count)) for place, count in text.offsets]
    for (place, count), (_, following) in pairwise([*notes, (0, len(text.raw_code))]):
        most = count if most <= count <= following else most
        left_out.append((place, most))
    end, places, note = len(text.raw_code), [], 0
    for place in range(len(text.filtered_code)):
        while note < len(left_out) - 1 and left_out[note][0] < place:
            note += 1
        places.append(min(end, place + (left_out[note][1] if left_out else 0)))
    return [*places, end, end]


def report(pairs: list[Pair], most: int, problems: dict[str, str]) -> str:
    """Return the report on the first pairs as a page that loads nothing and runs nothing."""
    shown = [
        {
            "pair": pair,
            "code": side_by_side(pair.first.code, pair.second.code),
            "prose": side_by_side(pair.first.prose, pair.second.prose),
        }
        for pair in pairs[:most]
    ]
    environment = Environment(loader=PackageLoader("coursework", "."), autoescape=True)
    return environment.get_template("similarity.html").render(
        shown=shown,
        count=len(pairs),
        middle=median(pair.highest for pair in pairs) if pairs else 0,
        problems=problems,
    )


def pair_row(pair: Pair) -> list[object]:
    """Return a line of `HEADER`."""
    names = [spreadsheet_cell(work.student) for work in (pair.first, pair.second)]
    code, prose = ([f"{share:.3f}" for share in both] for both in (pair.code, pair.prose))
    return [*names, *code, pair.shared_pieces, *prose]


def read_all(folder: Path) -> tuple[list[Work], dict[str, str]]:
    """Return what each student wrote, and why a submission could not be read.

    Raises
    ------
    SubmissionError
        If there is none.
    """
    release, works, problems = Release(student_notebook()), [], {}
    for found in find_submissions(folder):
        if found.file is None:
            problems[found.student] = found.refusal
            continue
        try:
            works.append(release.work(found.student, found.file))
        except (ValueError, OSError) as error:
            problems[found.student] = str(error)
    return works, problems


def main(
    submissions: Annotated[Path, typer.Argument(help="A folder with STUDENT/module15.ipynb.")],
    output: Annotated[
        Path | None, typer.Option(help="A folder for the report. Default: SUBMISSIONS-similarity.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Pairs that the report shows.")] = 30,
) -> None:
    """Write which submissions are most alike, without what the release gave everybody."""
    folder = output or submissions.with_name(f"{submissions.resolve().name}-similarity")
    try:
        works, problems = read_all(submissions)
        pairs = rank(works)
        write_whole(folder / "similarity.html", report(pairs, most, problems))
        write_table(folder / "similarity.csv", [HEADER, *map(pair_row, pairs[:most])])
    except (SubmissionError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    for student, problem in problems.items():
        typer.echo(f"not compared: {student}: {printable(problem)}")
    typer.echo(
        f"{len(works)} submissions, {len(pairs)} pairs; to read: {folder / 'similarity.html'}"
    )
    raise typer.Exit(1 if problems else 0)


if __name__ == "__main__":
    typer.run(main)
