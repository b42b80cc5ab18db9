"""Try the Binder buttons: ``python -m tests.binder.check [PAGE ...]``, or ``make binder-check``.

Builds Binder's environment, opens each page in its JupyterLab by the path that the page's button
carries, runs all cells and saves. A page passes if it opened as a notebook, no cell failed, and
saving left the file as it was. Needs Linux, for memory is read from ``/proc``.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Error, sync_playwright

from tests.binder.image import ROOT, Image
from tests.browser.conftest import FLAGS
from tests.browser.installed import find_chromium
from tests.browser.lab import Notebook, errors, jupyterlab

MEMORY = 2 * 2**30
"""What mybinder.org gives a session at most, in bytes."""


def button_paths(folder: Path) -> dict[str, str]:
    """Build the site of a repository on GitHub; return each page's path in its Binder button."""
    shutil.rmtree(folder, ignore_errors=True)
    executed = ROOT / "_build" / "execution"
    if executed.exists():
        shutil.copytree(executed, folder / "_build" / "execution")
    subprocess.run(
        [
            Path(sys.executable).with_name("jupyter-book"),
            "build",
            ".",
            "-q",
            f"--path-output={folder}",
        ],
        cwd=ROOT,
        env=os.environ | {"GITHUB_REPOSITORY": "owner/name"},
        check=True,
    )
    paths = {}
    for page in sorted((folder / "_build/html/book").glob("*.html")):
        for link in BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")("a", href=True):
            if "mybinder.org" in link["href"]:
                paths[page.stem] = parse_qs(urlsplit(link["href"]).query)["urlpath"][0]
    return paths


class MemoryMeter(threading.Thread):
    """Watches the memory of a process and its children, shared pages counted once."""

    def __init__(self, process: int):
        super().__init__(daemon=True)
        self.process = psutil.Process(process)
        self.peak = 0

    def run(self) -> None:
        """Sample twice a second until the process is gone."""
        while self.process.is_running():
            total = 0
            for member in [self.process, *self.process.children(recursive=True)]:
                try:
                    total += member.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)
            time.sleep(0.5)


@contextmanager
def metered_jupyterlab(image: Image) -> Iterator[tuple[str, MemoryMeter]]:
    """Run the image's JupyterLab while the block runs; yield its address and its memory."""
    with jupyterlab(
        image.prefix / "bin/jupyter",
        folder=image.repository,
        environment=image.environment,
        log=image.folder / "jupyterlab.log",
    ) as (url, server):
        meter = MemoryMeter(server.pid)
        meter.start()
        yield url, meter


def stop_kernels(url: str) -> None:
    """End what the last page started, as closing its tab does not."""
    with urllib.request.urlopen(url + "api/sessions") as answer:
        sessions = json.load(answer)
    for session in sessions:
        request = urllib.request.Request(url + f"api/sessions/{session['id']}", method="DELETE")
        urllib.request.urlopen(request).close()


def run_page(browser: Browser, url: str, path: str, image: Image) -> list[str]:
    """Open a page by its button's path, run all cells, save; return what went wrong."""
    source = image.repository / path.removeprefix("lab/tree/")
    before = source.read_text(encoding="utf-8")
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    try:
        page.goto(url + path + "?reset")
        notebook = Notebook(page)
        notebook.wait_for_kernel()
        result = notebook.run_all()
    except Error as error:
        picture = image.folder / f"{source.stem}.png"
        page.screenshot(path=picture)
        return [f"{str(error).splitlines()[0]} (see {picture})"]
    finally:
        page.close()
    problems = []
    if result["path"] != f"book/{source.name}":
        problems.append(f"opened {result['path']} instead")
    code = [cell for cell in result["cells"] if cell["cell_type"] == "code"]
    if not code:
        problems.append("has no code cell")
    for number, cell in enumerate(code, 1):
        failures = errors(cell["outputs"])
        problems += [f"cell {number}: {failure}" for failure in failures]
        if cell["execution_count"] is None and not failures:
            problems.append(f"cell {number} did not run")
    if source.read_text(encoding="utf-8") != before:
        problems.append("saving changed the file")
    return problems


def run_assignment(browser: Browser, url: str, image: Image) -> list[str]:
    """Start the coursework, and run its notebook up to its first test; return what went wrong."""
    image.run("tito", "module", "start", "15")
    page = browser.new_page()
    page.goto(url + "lab/tree/modules/15_memoization/module15.ipynb?reset")
    notebook = Notebook(page)
    notebook.wait_for_kernel()
    cells = [cell for cell in notebook.run_all()["cells"] if cell["cell_type"] == "code"]
    page.close()
    failed = [cell["metadata"]["nbgrader"]["grade_id"] for cell in cells if cell["outputs"]]
    return [] if failed == ["test_profile_naive"] else [f"cells with output: {failed}"]


def main(chosen: list[str]) -> int:
    """Check all pages, or those chosen; return the number of pages that failed."""
    work = ROOT / "_build" / "binder"
    paths = button_paths(work / "site")
    if unknown := set(chosen) - set(paths):
        sys.exit(f"error: no page with a Binder button is called {sorted(unknown)}: {list(paths)}")
    image = Image(work / "image")
    image.build()
    failed = 0
    with metered_jupyterlab(image) as (url, meter), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name in chosen or paths:
            start, meter.peak = time.perf_counter(), 0
            problems = run_page(browser, url, paths[name], image)
            stop_kernels(url)
            seconds = time.perf_counter() - start
            if meter.peak > MEMORY:
                problems.append("needs more than 2 GiB")
            failed += bool(problems)
            report = f"{name:12} {seconds:5.1f} s {meter.peak / 2**20:6.0f} MiB"
            print(report, problems or "ok", flush=True)
        if not chosen:
            problems = run_assignment(browser, url, image)
            failed += bool(problems)
            print(f"{'assignment':12}", problems or "ok", flush=True)
        browser.close()
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
