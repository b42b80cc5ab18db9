"""Write the pages as notebooks without outputs, for Colab: ``python book/_ext/notebooks.py``.

The first cell fetches the chapter's code when the notebook runs in Colab.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jupytext
import nbformat
from chapter_repository import HOST, ROOT, find_repository

FIRST_CELL = """\
# In Google Colab, this cell fetches the chapter's code. Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    !git clone --quiet --depth 1 {url} chapter
    %pip install --quiet "./chapter[distributed,serving]" matplotlib
    sys.path.insert(0, "chapter")"""


def write_notebooks(repository: str, target: Path) -> list[Path]:
    """Write a notebook for each page with code.

    Parameters
    ----------
    repository : str
        "owner/name" on GitHub.
    target : Path
        The folder that stands for the repository's: notebooks go to ``target/book``.

    Returns
    -------
    list of Path
        The files written.
    """
    folder = target / "book"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page in sorted((ROOT / "book").glob("*.md")):
        notebook = jupytext.read(page)
        if not any(cell.cell_type == "code" for cell in notebook.cells):
            continue
        cell = nbformat.v4.new_code_cell(FIRST_CELL.format(url=f"{HOST}/{repository}"))
        cell.id = f"fetch-{page.stem}"
        notebook.cells.insert(0, cell)
        written.append(folder / f"{page.stem}.ipynb")
        jupytext.write(notebook, written[-1])
    return written


if __name__ == "__main__":
    repository = find_repository()
    if repository is None:
        sys.exit("error: no repository on GitHub: set GITHUB_REPOSITORY=owner/name")
    for file in write_notebooks(repository, ROOT / "_build" / "notebooks"):
        print(file.relative_to(ROOT))
