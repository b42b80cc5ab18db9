"""`make check` runs the pages that a branch changed, and no other."""

import subprocess

import pytest

from tests.book.changed import changed_pages, run_page
from tests.book.conftest import HEADER

CELL = "```{code-cell} ipython3\nprint(1)\n```\n"


@pytest.fixture
def repository(tmp_path):
    """A branch that left `main` before a page there changed, and two pages it has changed."""

    def git(*words):
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *author, *words], check=True)

    (tmp_path / "book").mkdir()
    for name in ("stays", "gone", "committed", "edited", "theirs"):
        (tmp_path / f"book/{name}.md").write_text(HEADER + CELL)
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "-m", "all")
    git("checkout", "--quiet", "-b", "branch")
    (tmp_path / "book/committed.md").write_text(HEADER + CELL + "\nMore.\n")
    (tmp_path / "book/gone.md").unlink()
    git("commit", "--quiet", "-a", "-m", "a change")
    git("checkout", "--quiet", "main")
    (tmp_path / "book/theirs.md").write_text(HEADER + CELL + "\nOf another branch.\n")
    git("commit", "--quiet", "-a", "-m", "another change")
    git("update-ref", "refs/remotes/origin/main", "main")
    git("checkout", "--quiet", "branch")
    (tmp_path / "book/edited.md").write_text(HEADER + CELL * 2)
    (tmp_path / "book/new.md").write_text(HEADER + CELL)
    (tmp_path / "book/prose.md").write_text("# No code\n")
    return tmp_path, git


def names(folder) -> list[str]:
    return [page.stem for page in changed_pages(folder)]


def test_pages_of_the_branch_are_found(repository):
    folder, git = repository
    assert names(folder) == ["committed", "edited", "new"]
    git("update-ref", "-d", "refs/remotes/origin/main")
    assert names(folder) == ["edited", "new"], "without a remote: what is not committed"


def test_the_first_error_of_a_page_is_told(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(HEADER + CELL + CELL.replace("print(1)", "import os, nowhere"))
    assert "No module named 'nowhere'" in run_page(page)
    page.write_text(HEADER + CELL.replace("print(1)", "assert open('page.md')"))
    assert run_page(page) == ""
