"""Try nbgrader's exchange on a JupyterHub: ``python -m tests.hub.check ENVIRONMENT``.

``make hub-check`` makes the environment. An instructor releases the assignment, two students fetch
it, work and submit, one of them attacks the other and the grader, the instructor collects, grades,
reads an answer and returns feedback. The accounts are real ones of Unix, in a view of the machine
that is gone afterwards (`tests.own_machine`): it needs root, on Linux. It stands outside ``make
test`` because it takes minutes, an environment of its own with JupyterHub, and a proxy from npm.
"""

import os
import subprocess
import sys
import traceback
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.installed import find_chromium
from tests.hub.course_week import Week
from tests.hub.hub import exchange_and_hub
from tests.own_machine import ROOT, add_account, own_machine, prepare, why_not

PEOPLE = ("instructor", "ada", "bob")
INSIDE = "--inside"
SECONDS = 1_500
"""After which all of it is ended."""


class Findings:
    """What was looked at, and how often it was not as it should be."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, what: str, holds: bool, seen: object = "") -> None:
        """Print a line, with what was seen if it is wrong."""
        self.passed += bool(holds)
        self.failed += not holds
        print(f"ok      {what}" if holds else f"FAILED  {what}: {seen}", flush=True)


def inside(environment: Path) -> int:
    """Make the accounts, start the hub, live through the week; return what failed."""
    prepare(environment)
    findings = Findings()
    try:
        passwords = {name: os.urandom(9).hex() for name in PEOPLE}
        accounts = {name: add_account(name, passwords[name]) for name in PEOPLE}
        with (
            exchange_and_hub(environment, list(accounts.values())),
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            Week(environment, accounts, passwords, browser, findings.check).live()
            browser.close()
    except Exception:
        traceback.print_exc()
        findings.failed += 1
    print(f"{findings.passed} passed, {findings.failed} failed")
    return min(findings.failed, 1)


def outside(environment: Path) -> int:
    """Run `inside` in a view of the machine of its own, and look whether anything is left."""
    if why_not():
        sys.exit(f"error: {why_not()}")
    before = Path("/etc/passwd").read_bytes()
    command = own_machine("tests.hub.check", INSIDE, str(environment))
    code = subprocess.run(command, cwd=ROOT, timeout=SECONDS, check=False).returncode
    left = [name for name in PEOPLE if f"/srv/home/{name}" in _command_lines()]
    if left or Path("/etc/passwd").read_bytes() != before or any(Path("/srv").glob("home/*")):
        print(f"FAILED  something was left on the machine: {left}")
        return 1
    print("nothing is left on the machine")
    return code


def _command_lines() -> str:
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Check with the environment that is named last."""
    if not arguments or not (environment := Path(arguments[-1]).absolute()).is_dir():
        sys.exit("error: say which environment has JupyterHub and its proxy: see `make hub-check`")
    return (inside if arguments[0] == INSIDE else outside)(environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
