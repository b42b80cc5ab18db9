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
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Error, sync_playwright

from tests.binder.image import ROOT, Image
from tests.browser.chromium import find_chromium
from tests.browser.conftest import FLAGS

PORT = 8877
MEMORY = 2 * 2**30
"""What mybinder.org gives a session at most, in bytes."""

RUN_ALL = """async () => {
    const { commands, shell } = window.jupyterapp;
    await commands.execute("notebook:run-all-cells");
    const path = shell.currentWidget.context.path;
    await commands.execute("docmanager:save");
    const cells = shell.currentWidget.content.model.sharedModel.cells;
    return { path, cells: cells.map((cell) => cell.toJSON()) };
}"""


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
def jupyterlab(image: Image) -> Iterator[tuple[str, MemoryMeter]]:
    """Run the image's JupyterLab while the block runs; yield its address and its memory."""
    url = f"http://127.0.0.1:{PORT}/"
    command = [str(image.prefix / "bin/jupyter"), "lab", "--no-browser", "--allow-root"]
    command += [f"--port={PORT}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command += ["--LabApp.expose_app_in_browser=True"]
    with (image.folder / "jupyterlab.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=image.repository, env=image.environment, stdout=log, stderr=log
        )
        try:
            wait_for(url + "api/status", server, Path(log.name))
            meter = MemoryMeter(server.pid)
            meter.start()
            yield url, meter
        finally:
            server.terminate()
            server.wait(30)


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    """Return when `url` answers; stop if the server ended or a minute is over."""
    for _ in range(120):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    sys.exit(f"error: JupyterLab did not start:\n{log.read_text()}")


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
        page.wait_for_selector(".jp-NotebookPanel:visible", timeout=60_000)
        page.wait_for_selector(
            '.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=60_000
        )
        result = page.evaluate(RUN_ALL)
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
        errors = [out for out in cell["outputs"] if out["output_type"] == "error"]
        problems += [f"cell {number}: {error['ename']}: {error['evalue']}" for error in errors]
        if cell["execution_count"] is None and not errors:
            problems.append(f"cell {number} did not run")
    if source.read_text(encoding="utf-8") != before:
        problems.append("saving changed the file")
    return problems


def main(chosen: list[str]) -> int:
    """Check all pages, or those chosen; return the number of pages that failed."""
    work = ROOT / "_build" / "binder"
    paths = button_paths(work / "site")
    if unknown := set(chosen) - set(paths):
        sys.exit(f"error: no page with a Binder button is called {sorted(unknown)}: {list(paths)}")
    image = Image(work / "image")
    image.build()
    failed = 0
    with jupyterlab(image) as (url, meter), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name in chosen or paths:
            start, meter.peak = time.perf_counter(), 0
            problems = run_page(browser, url, paths[name], image)
            stop_kernels(url)
            seconds = time.perf_counter() - start
            if meter.peak > MEMORY:
                problems.append("needs more than 2 GiB")
            failed += bool(problems)
            print(f"{name:12} {seconds:5.1f} s {meter.peak / 2**20:6.0f} MiB", problems or "ok")
        browser.close()
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
