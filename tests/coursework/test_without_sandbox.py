"""Grading where bubblewrap cannot run: refused, unless one says that one knows the risk."""

import os
import subprocess
import sys

from coursework.room import RISK
from tests.coursework.submissions import save, solved
from tests.coursework.test_grading import LIMITS, PACKAGE, marks


def grade_without_bubblewrap(folder, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "coursework.grading", str(folder), *LIMITS, *options]
    environment = os.environ | {"PATH": str(folder)}
    return subprocess.run(
        command, cwd=PACKAGE, env=environment, capture_output=True, text=True, check=False
    )


def test_grading_refuses_to_start_and_says_what_to_install(tmp_path):
    folder = tmp_path / "submissions"
    save(solved(), folder, "reference")
    run = grade_without_bubblewrap(folder)
    assert run.returncode == 2
    assert "apt install bubblewrap" in run.stdout
    assert "--without-sandbox" in run.stdout
    assert not folder.with_name("submissions-graded").exists()


def test_without_the_sandbox_marks_are_the_same_and_the_risk_is_said(tmp_path):
    folder = tmp_path / "submissions"
    save(solved(), folder, "reference")
    run = grade_without_bubblewrap(folder, "--without-sandbox")
    assert run.returncode == 0, run.stdout
    assert RISK in run.stdout
    assert marks(folder)["reference"]["points"] == "60.0"
