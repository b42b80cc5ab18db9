"""Tables as people and platforms write them: read with clear errors, written so that none runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursework.workspace import write_whole

DELIMITERS = ",;\t"
MOST_PROBLEMS = 10
"""Problems that one message lists."""


class TableError(Exception):
    """A table cannot be used; the message names the file, the lines, and what was expected."""


@dataclass(frozen=True)
class Row:
    """A row of a table: the line that it ends on, and its cells by column."""

    line: int
    cells: dict[str, str]


def read_table(file: Path, required: Sequence[str]) -> list[Row]:
    """Read a CSV file in UTF-8, separated by commas, semicolons or tabs, with a header.

    Columns are found in any case, with spaces, hyphens or underscores: ``Late days`` is
    ``late_days``. Blank lines are passed over, and blanks around a cell do not count.

    Parameters
    ----------
    file : Path
    required : sequence of str
        Columns that must be there. The first of them tells which delimiter it is.

    Returns
    -------
    list of Row

    Raises
    ------
    TableError
        If it is not such a file, a column is missing or there twice, or a row has more or fewer
        cells than the header.
    """
    lines = list(_lines(file, required[0]))
    if not lines:
        raise TableError(f"{file} is empty: expected a header with {', '.join(required)}")
    header = [_column_name(name) for name in lines[0][1]]
    _check_header(file, header, required)
    rows, problems = [], []
    for line, cells in lines[1:]:
        if len(cells) == len(header):
            rows.append(Row(line, dict(zip(header, cells, strict=True))))
        else:
            problems.append(f"line {line}: {len(cells)} cells, the header has {len(header)}")
    refuse(file, problems)
    return rows


def refuse(file: Path, problems: Sequence[str]) -> None:
    """Raise a `TableError` that lists the problems, if there are any."""
    if not problems:
        return
    listed = [*problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        listed.append(f"and {len(problems) - MOST_PROBLEMS} more")
    raise TableError("\n  ".join([f"{file} cannot be used:", *listed]))


def _lines(file: Path, first_column: str) -> Iterable[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row that is not blank."""
    text, line = _text(file), 1
    head = next((line for line in text.splitlines() if line.strip()), "")
    try:
        delimiter = _delimiter(head, first_column)
        reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
        for row in reader:
            line, cells = reader.line_num, [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
    except csv.Error as error:
        raise TableError(f"{file}, at line {line} or the next: {error}") from None


def _text(file: Path) -> str:
    data = file.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TableError(
            f"{file}, line {line}: byte {data[error.start]:#04x} is not UTF-8; save the table as "
            '"CSV UTF-8"'
        ) from None


def _delimiter(head: str, column: str) -> str:
    """Return the delimiter with which a header has the column, or else the commonest."""
    for delimiter in DELIMITERS:
        names = next(csv.reader([head], delimiter=delimiter), [])
        if column in map(_column_name, names):
            return delimiter
    return max(DELIMITERS, key=head.count)


def _column_name(text: str) -> str:
    return "_".join(text.replace("-", " ").replace("_", " ").lower().split())


def _check_header(file: Path, header: list[str], required: Sequence[str]) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    missing = [name for name in required if name not in header]
    problems = [f"the column {name} is there twice" for name in twice]
    if missing:
        problems.append(f"no column {', '.join(missing)}: the header has {', '.join(header)}")
    refuse(file, problems)


def write_table(
    file: Path,
    rows: Iterable[Sequence[object]],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> None:
    """Write a table whole or not. What others wrote goes through `spreadsheet_cell` first."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    write_whole(file, text.getvalue(), encoding)
