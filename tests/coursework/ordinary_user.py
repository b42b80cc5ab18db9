"""Run inside `tests.own_machine`: the room's tests and a whole grading by another than root.

The last line that is printed is JSON: what pytest and the grader ended with, and what they said.
"""

from __future__ import annotations

import json
import sys

from tests.coursework.attacks import POINTS, attacked
from tests.coursework.submissions import save, solved, with_bug
from tests.own_machine import ROOT, Account, add_account, prepare

PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/coursework/test_room.py")


def grade(account: Account) -> dict[str, object]:
    """Grade a right, a wrong and a dishonest submission as the account."""
    folder = account.home / "submissions"
    notebooks = {
        "right": solved(),
        "wrong": with_bug("no-prefill"),
        "unfair": attacked(POINTS["ast"]),
    }
    for name, notebook in notebooks.items():
        save(notebook, folder, name)
    done = account.run(
        *(sys.executable, "-m", "coursework.grading", str(folder)),
        env={"PYTHONPATH": str(ROOT)},
    )
    marks = account.home / "submissions-graded/marks.csv"
    text = marks.read_text(encoding="utf-8") if marks.exists() else ""
    owners = {file.stat().st_uid for file in marks.parent.rglob("*")} if text else set()
    return {
        "code": done.returncode,
        "log": done.stdout,
        "marks": text,
        "owned": owners == {account.uid},
    }


def main() -> None:
    """Run both, and print the results."""
    prepare()
    account = add_account("grader")
    room = account.run(sys.executable, *PYTEST, folder=ROOT)
    found = {"room": {"code": room.returncode, "log": room.stdout}, "grading": grade(account)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
