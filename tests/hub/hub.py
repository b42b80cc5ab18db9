"""A JupyterHub with nbgrader's exchange, on the loopback, and a browser at each user's desk."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import Notebook
from tests.own_machine import SPACE, Account, mount_memory

URL = "http://127.0.0.1:8000"
SHARE = Path("/usr/local/share")
EXCHANGE = SHARE / "nbgrader/exchange"
"""Where nbgrader has it, unless it is told otherwise."""

COURSE = EXCHANGE / "tinytorch"
SECONDS = 90
"""For what a busy machine does slowly: a server that starts, a page that loads."""

HUB = """c = get_config()
c.JupyterHub.bind_url = "{url}"
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.Authenticator.allowed_users = {names}
c.Spawner.cmd = ["{bin}/jupyterhub-singleuser"]
c.Spawner.args = ["--LabApp.expose_app_in_browser=True"]
c.Spawner.default_url = "/lab"
c.Spawner.http_timeout = c.Spawner.start_timeout = {seconds}
"""

NBGRADER = """c.CourseDirectory.course_id = "tinytorch"
"""

SAVE = """async ([path, content]) => {
    const { contents } = window.jupyterapp.serviceManager;
    await contents.save(path, { type: "notebook", format: "json", content });
}"""


@contextmanager
def exchange_and_hub(environment: Path, accounts: list[Account]) -> Iterator[None]:
    """Set both up as an administrator does, and run the hub while the block runs.

    Parameters
    ----------
    environment : Path
        Where ``tests/hub/requirements.txt`` and the proxy are installed.
    accounts : list of Account
        Who may log in, with the accounts' own passwords.
    """
    mount_memory(SHARE)
    EXCHANGE.mkdir(parents=True)
    EXCHANGE.chmod(0o1777)
    settings = Path("/etc/jupyter")
    settings.mkdir(exist_ok=True)
    (settings / "nbgrader_config.py").write_text(NBGRADER)
    folder = SPACE / "hub"
    folder.mkdir()
    text = HUB.format(
        url=URL,
        folder=folder,
        proxy=environment / "node_modules/.bin/configurable-http-proxy",
        names={account.name for account in accounts},
        bin=environment / "bin",
        seconds=SECONDS,
    )
    (folder / "jupyterhub_config.py").write_text(text)
    path = f"{environment / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    with (folder / "hub.log").open("w") as log:
        hub = subprocess.Popen(
            [environment / "bin/jupyterhub", "-f", folder / "jupyterhub_config.py"],
            cwd=folder,
            env={"PATH": path, "LANG": "C.UTF-8", "HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: _answers(hub), "the hub answers")
            yield
        except BaseException:
            print((folder / "hub.log").read_text()[-6_000:])
            raise
        finally:
            hub.terminate()
            hub.wait(60)


def _answers(hub: subprocess.Popen) -> bool:
    if hub.poll() is not None:
        raise RuntimeError("the hub ended")
    try:
        urllib.request.urlopen(f"{URL}/hub/api", timeout=5).close()
    except (urllib.error.URLError, TimeoutError):
        return False
    return True


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Return when a condition holds; fail after `SECONDS`."""
    end = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {SECONDS} s: {what}")
        time.sleep(0.2)


class Desk:
    """A user's JupyterLab on the hub, in a browser of the user's own."""

    def __init__(self, browser: Browser, account: Account, password: str):
        self.account = account
        self.page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        self.page.set_default_timeout(SECONDS * 1_000)
        self.page.goto(f"{URL}/hub/login")
        self.page.fill("input[name=username]", account.name)
        self.page.fill("input[name=password]", password)
        self.page.click("#login_submit")
        self.page.wait_for_url(f"{self.address}/lab**")
        self.page.wait_for_function("window.jupyterapp?.serviceManager !== undefined")

    @property
    def address(self) -> str:
        """Where the user's server is."""
        return f"{URL}/user/{self.account.name}"

    def open_assignment_list(self) -> None:
        """Choose Assignment List in the menu Nbgrader."""
        self.page.evaluate(
            "() => window.jupyterapp.commands.execute('nbgrader:open-assignment-list')"
        )

    def press(self, part: str, button: str) -> None:
        """Press a button in the part ``released``, ``fetched`` or ``submitted`` of the list."""
        row = self.page.locator(f"#{part}_assignments_list")
        row.get_by_role("button", name=button, exact=True).first.click()

    def fetch(self) -> None:
        """Fetch the assignment; return when the list shows it as downloaded."""
        self.open_assignment_list()
        self.press("released", "Fetch")
        expect(
            self.page.locator("#fetched_assignments_list").get_by_role(
                "button", name="Submit", exact=True
            )
        ).to_be_visible(timeout=SECONDS * 1_000)

    def submit(self) -> None:
        """Submit what is saved; return when the exchange has it and the list is there again."""
        before = len(submissions_of(self.account))
        self.press("fetched", "Submit")
        wait_until(lambda: len(submissions_of(self.account)) > before, "a submission")
        expect(
            self.page.locator("#fetched_assignments_list").get_by_role(
                "button", name="Submit", exact=True
            )
        ).to_be_enabled(timeout=SECONDS * 1_000)

    def fetch_feedback(self) -> list[Path]:
        """Fetch feedback; return the pages that came."""
        self.page.locator("#refresh_assignments_list").click()
        self.press("submitted", "Fetch Feedback")
        folder = self.account.home / "kv_caching/feedback"
        wait_until(lambda: any(folder.glob("*/*.html")), "feedback")
        return sorted(folder.glob("*/*.html"))

    def save(self, notebook: dict) -> None:
        """Save a notebook over the fetched one, as JupyterLab does."""
        self.page.evaluate(SAVE, ["kv_caching/module15.ipynb", json.loads(json.dumps(notebook))])

    def run_notebook(self) -> list[dict]:
        """Open the fetched notebook, run all cells, save; return the cells."""
        self.page.goto(f"{self.address}/lab/tree/kv_caching/module15.ipynb?reset")
        notebook = Notebook(self.page)
        notebook.wait_for_kernel()
        return notebook.run_all()["cells"]

    def view(self, file: Path) -> Page:
        """Open a file of the user's home in another tab, as the hub serves it."""
        tab = self.page.context.new_page()
        tab.goto(f"{self.address}/files/{quote(str(file.relative_to(self.account.home)))}")
        return tab


def submissions_of(account: Account) -> list[Path]:
    """Return what an account has submitted, as root sees it; oldest first."""
    return sorted(COURSE.glob(f"inbound/{account.name}+kv_caching+*"))
