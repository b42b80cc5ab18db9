"""Pages are notebooks that survive being opened, run and saved."""

from pathlib import Path

import jupytext
import nbformat
import pytest
from notebooks import write_notebooks

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "book").glob("*.md"))
NOTEBOOKS = [page for page in PAGES if "{code-cell}" in page.read_text(encoding="utf-8")]
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
LONGEST_LINE = 70


def as_saved_by_jupyterlab(page: Path) -> str:
    """Open a page, add what a kernel and a run add, and write it back."""
    config = jupytext.config.load_jupytext_config(str(page))
    notebook = jupytext.read(page, config=config)
    notebook.metadata["kernelspec"] |= {"display_name": "Python 3 (ipykernel)"}
    notebook.metadata["language_info"] = {
        "name": "python",
        "version": "3.13.1",
        "pygments_lexer": "ipython3",
        "codemirror_mode": {"name": "ipython", "version": 3},
    }
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.outputs = [nbformat.v4.new_output("stream", text="output")]
            cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
            cell.metadata["trusted"] = True
    return jupytext.writes(notebook, fmt="md:myst", config=config)


def test_there_are_pages_with_code():
    assert len(NOTEBOOKS) >= 12


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_page_saved_in_jupyterlab_is_the_same_page(page):
    assert as_saved_by_jupyterlab(page) == page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_code_that_stands_open_is_narrow(page):
    cells = [
        cell.source
        for cell in jupytext.read(page).cells
        if cell.cell_type == "code" and not FOLDED & set(cell.metadata.get("tags", []))
    ]
    long = [line for cell in cells for line in cell.splitlines() if len(line) > LONGEST_LINE]
    assert long == []


def test_a_notebook_for_colab_begins_with_fetching_the_code(tmp_path):
    files = write_notebooks("someone/fork", tmp_path)
    assert [file.stem for file in files] == [page.stem for page in NOTEBOOKS]
    for file, page in zip(files, NOTEBOOKS, strict=True):
        notebook = nbformat.read(file, as_version=4)
        nbformat.validate(notebook)
        assert "git clone" in notebook.cells[0].source
        assert "https://github.com/someone/fork chapter" in notebook.cells[0].source
        assert not any(cell.get("outputs") for cell in notebook.cells)
        assert len(notebook.cells) == len(jupytext.read(page).cells) + 1
