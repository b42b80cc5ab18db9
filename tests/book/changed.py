"""Run the cells of the pages that changed: ``python -m tests.book.changed``, in `make check`.

A page has changed that differs from where its branch left ``origin/main``. Nothing is built.
"""

import subprocess
import sys
import time
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[2]
UPSTREAM = "origin/main"
CELL_SECONDS = 300  # as in _config.yml
PAGES = "book/*.md"


def changed_pages(root: Path = ROOT) -> list[Path]:
    """Return the pages with code that differ from the common beginning, or that are new."""

    def git(*words: str, check: bool = True) -> list[str]:
        command = ["git", "-C", str(root), *words]
        run = subprocess.run(command, check=check, stdout=subprocess.PIPE, text=True)
        return run.stdout.splitlines()

    known = git("rev-parse", "--verify", "--quiet", UPSTREAM, check=False)
    base = ["--merge-base", UPSTREAM] if known else ["HEAD"]
    names = git("diff", "--name-only", "--diff-filter=d", *base, "--", PAGES)
    names += git("ls-files", "--others", "--exclude-standard", "--", PAGES)
    pages = [root / name for name in sorted(set(names))]
    return [page for page in pages if "{code-cell}" in page.read_text(encoding="utf-8")]


def run_page(page: Path) -> str:
    """Run a page's cells in its folder, as the build does; return the first error or nothing."""
    notebook = jupytext.read(page)
    where = {"metadata": {"path": str(page.parent)}}
    try:
        NotebookClient(notebook, timeout=CELL_SECONDS, resources=where).execute()
    except CellExecutionError as error:
        return str(error)
    return ""


def main() -> int:
    """Run the pages that changed; return how many failed."""
    failed = 0
    for page in changed_pages():
        start = time.perf_counter()
        problem = run_page(page)
        failed += bool(problem)
        print(f"{page.relative_to(ROOT)}: {time.perf_counter() - start:.1f} s", problem or "ok")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
