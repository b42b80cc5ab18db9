"""Start JupyterLab or Notebook 7 for a check, and drive a notebook in it."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

OPTIONS = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token=",
    "--ServerApp.disable_check_xsrf=True",
    "--expose-app-in-browser",
)
START_SECONDS = 180

KERNEL_IS_IDLE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.sessionContext?.session?.kernel?.status === "idle";
}"""

RUN_ALL = """async () => {
    const { commands, shell } = window.jupyterapp;
    await commands.execute("notebook:run-all-cells");
    const path = shell.currentWidget.context.path;
    await commands.execute("docmanager:save");
    const cells = shell.currentWidget.content.model.sharedModel.cells;
    return { path, cells: cells.map((cell) => cell.toJSON()) };
}"""

RUN_CELL = """async ({ index, code }) => {
    const { commands, shell } = window.jupyterapp;
    const notebook = shell.currentWidget.content;
    notebook.activeCellIndex = (index + notebook.widgets.length) % notebook.widgets.length;
    const cell = notebook.activeCell.model.sharedModel;
    if (code !== null) cell.setSource(code);
    await commands.execute("notebook:run-cell");
    return cell.toJSON().outputs;
}"""


def own_folders(home: Path) -> dict[str, str]:
    """Variables with which Jupyter sees no setting of the user."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return {name: str(home / name.lower()) for name in names}


@contextmanager
def jupyterlab(
    jupyter: Path,
    *options: str,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    application: str = "lab",
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run JupyterLab in a folder while the block runs; yield its address and its process.

    The ``application`` ``"notebook"`` is Notebook 7, which is made of the same parts.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [str(jupyter), application, f"--port={port}", *OPTIONS, *options]
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
        try:
            wait_for(url + "api/status", server, log)
            yield url, server
        finally:
            server.terminate()
            server.wait(30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    """Return when `url` answers; fail if the server ended or takes too long."""
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"Jupyter did not start:\n{log.read_text()}")


class Notebook:
    """A notebook that is open in JupyterLab, and its kernel."""

    def __init__(self, page: Page):
        self.page = page

    def wait_for_kernel(self) -> None:
        """Return when the notebook is open and its kernel waits for work."""
        self.page.wait_for_selector(".jp-NotebookPanel:visible", timeout=60_000)
        self.page.wait_for_function(KERNEL_IS_IDLE, timeout=60_000)

    def run_all(self) -> dict:
        """Run all cells and save; return its path and its cells."""
        return self.page.evaluate(RUN_ALL)

    def run_cell(self, index: int, code: str | None = None) -> list[dict]:
        """Run a cell, with other code if that is given; return its outputs."""
        return self.page.evaluate(RUN_CELL, {"index": index, "code": code})

    def command(self, name: str, **arguments: object) -> None:
        """Execute a command of JupyterLab; return when it is done."""
        run = "async ([name, arguments]) => {await jupyterapp.commands.execute(name, arguments)}"
        self.page.evaluate(run, [name, arguments])


def errors(outputs: list[dict]) -> list[str]:
    """Return the errors in a cell's outputs."""
    found = [output for output in outputs if output["output_type"] == "error"]
    return [f"{error['ename']}: {error['evalue']}" for error in found]
