"""Small books that are built with the chapter's own extensions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
JUPYTER_BOOK = str(Path(sys.executable).with_name("jupyter-book"))
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3 (ipykernel)
  language: python
  name: python3
---

"""


def run_sphinx(
    folder: Path, builder: str, target: str, *options: str, **environment: str
) -> subprocess.CompletedProcess:
    """Run a builder of Sphinx with the settings of the book in a folder, as the Makefile does."""
    run = {"cwd": folder, "capture_output": True, "text": True}
    subprocess.run([JUPYTER_BOOK, "config", "sphinx", "."], check=True, **run)
    command = [sys.executable, "-m", "sphinx", "-b", builder, ".", target]
    doctrees = f"_build/.doctrees-{Path(target).name}"
    return subprocess.run(
        [*command, "-d", doctrees, "-W", "-n", "--keep-going", *options],
        env=os.environ | {"PYTHONPATH": f"book/_ext:{ROOT}"} | environment,
        check=False,
        **run,
    )


class SmallBook:
    """Two pages in a folder, with the chapter's settings, extensions and templates."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copytree(ROOT / "book/_ext", folder / "book/_ext")
        shutil.copytree(ROOT / "book/_templates", folder / "book/_templates")
        shutil.copytree(ROOT / "book/_static", folder / "book/_static")
        shutil.copy(ROOT / "_config.yml", folder)
        (folder / "book/references.bib").touch()
        (folder / "_toc.yml").write_text(
            "format: jb-book\nroot: book/first\nchapters:\n- file: book/second\n"
        )
        (folder / "tinytorch").mkdir()
        (folder / "tinytorch/module.py").write_text("answer = 42\n")
        self.runs = folder / "runs.txt"
        for name in ("first", "second"):
            self.write(name, f"print('this is {name}')")

    def write(self, name: str, code: str) -> None:
        """Write a page with one cell, which notes that it ran."""
        note = f"open({str(self.runs)!r}, 'a').write('{name} ')"
        cell = f"```{{code-cell}} ipython3\n{note};\n{code}\n```\n"
        text = f"# The {name} page\n\nA paragraph of the page called {name}.\n\n{cell}"
        (self.folder / f"book/{name}.md").write_text(HEADER + text)

    def build(self, **environment: str) -> subprocess.CompletedProcess:
        """Build the book as `make book` does."""
        inherited = {name: value for name, value in os.environ.items() if "GITHUB" not in name}
        return subprocess.run(
            [JUPYTER_BOOK, "build", ".", "-W", "-n", "--keep-going"],
            cwd=self.folder,
            env=inherited | {"TINYTORCH_SITE_MODEL": "0"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def sphinx(self, builder: str, target: str, *options: str) -> subprocess.CompletedProcess:
        """Run a builder of Sphinx; see `run_sphinx`."""
        return run_sphinx(self.folder, builder, target, *options, TINYTORCH_SITE_MODEL="0")

    def build_in(self, language: str) -> subprocess.CompletedProcess:
        """Build the book as `make book LANGUAGE=…` does."""
        return self.sphinx("html", f"_build/html-{language}", "-D", f"language={language}")

    def executed(self) -> list[str]:
        """Return the pages that ran since the last call."""
        pages = self.runs.read_text().split() if self.runs.exists() else []
        self.runs.unlink(missing_ok=True)
        return sorted(pages)

    def html(self, name: str, site: str = "html") -> str:
        """Return a page of a built site."""
        return (self.folder / f"_build/{site}/book/{name}.html").read_text()


def require_executed_notebook(book: SmallBook) -> None:
    """The second page offers itself as a notebook, with what it printed."""
    assert "_sources/book/second.ipynb" in book.html("second")
    notebook = nbformat.read(book.folder / "_build/html/_sources/book/second.ipynb", as_version=4)
    nbformat.validate(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("this is second" in output.get("text", "") for output in outputs)


@pytest.fixture
def small_book(tmp_path: Path) -> SmallBook:
    return SmallBook(tmp_path)


@pytest.fixture(scope="session")
def built_book(tmp_path_factory) -> SmallBook:
    """A small book as it was built, for tests that only read."""
    book = SmallBook(tmp_path_factory.mktemp("book"))
    assert book.build().returncode == 0
    return book
