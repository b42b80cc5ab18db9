"""Broken files, kills and a full disk: the student's command explains, and nothing is lost."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from coursework.course import student_notebook
from coursework.workspace import Workspace, write_whole
from tests.coursework.student_commands import cell_of, results, save, solved, tito

DEEP = "[" * 50_000 + "]" * 50_000
DEEPER = '{"a":' * 900 + "1" + "}" * 900  # JSON takes it, what reads notebooks does not


@pytest.fixture
def work(tmp_path):
    return Workspace(tmp_path / "Übungen für später")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"cells": 3}',
        "\x00",
        DEEP,
        f'{{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {DEEP}}}',
        f'{{"cells": [{DEEPER}], "nbformat": 4, "nbformat_minor": 5, "metadata": {{}}}}',
    ],
    ids=lambda text: text[:12],
)
def test_a_broken_notebook_is_explained_and_can_be_reset(work, text):
    work.notebook.parent.mkdir(parents=True)
    work.notebook.write_text(text)
    run = tito(work, "test")
    assert run.exit_code == 2
    assert "tito module reset 15" in run.stderr
    assert tito(work, "reset", "--yes").exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        '{"started":',
        DEEP,
        "[]",
        "3",
        '{"started": 5, "tests": null, "completed": null}',
        '{"started": null, "tests": 3, "completed": null}',
        '{"started": null, "tests": {"passed": "1", "total": 2, "at": "now"}, "completed": null}',
        '{"started": null, "tests": {"passed": 1, "total": 2, "at": []}, "completed": null}',
        '{"started": null, "tests": null, "completed": [1]}',
        '{"started": null, "tests": {"passed": true, "total": 2, "at": "now"}, "completed": null}',
    ],
    ids=lambda text: text[:60],
)
def test_a_broken_record_is_explained(work, text):
    tito(work, "start")
    work.record.write_text(text)
    run = tito(work, "status")
    assert run.exit_code == 2
    assert f"cannot read {work.record}" in run.stderr


def run_it(work, command, *options):
    """Run a command as a process, whose output is no terminal's."""
    words = [sys.executable, "-m", "coursework.tito", *command.split(), "15"]
    words += ["--folder", str(work.modules), *options]
    return subprocess.run(words, capture_output=True, check=False, encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("ValueError('a' + chr(0xd800) + 'b')", "ValueError: a?b"),
        (
            "type('Odd', (Exception,), {'__str__': lambda self: 5})",
            "Odd: (an error that cannot",
        ),
        ("SystemExit('gone')", "SystemExit: gone"),
    ],
)
def test_an_error_that_cannot_be_printed_is_told(work, error, message):
    write_whole(work.export, f"import numpy\nraise {error}\n")
    run = run_it(work, "demo")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "line 2 of" in run.stderr
    assert message in run.stderr


def test_a_half_character_in_a_test_costs_that_test_alone(work):
    notebook = solved()
    cell_of(notebook, "profile_naive").source = "raise ValueError('a' + chr(0xd800) + 'b')"
    save(work, notebook)
    run = run_it(work, "module test", "--cell-seconds", "20")
    assert run.returncode == 1
    assert run.stderr == ""
    found = results(run.stdout)
    assert found.pop("profile_naive").startswith("cell")
    assert found.pop("test_profile_naive") == "fail NameError: name 'profile_naive' is not defined"
    assert set(found.values()) == {"pass"}


def test_a_half_character_in_a_cell_is_named(work):
    notebook = solved()
    cell_of(notebook, "kv_cache").source += "\n# here: HALF"
    save(work, notebook)
    text = work.notebook.read_text(encoding="utf-8")
    work.notebook.write_text(text.replace("HALF", "\\ud800"), encoding="utf-8")
    for command in ("test", "complete", "submit"):
        run = tito(work, command)
        assert run.exit_code == 2
        assert "cell kv_cache, line 46 holds half" in run.stderr
        assert "('\\ud800')" in run.stderr


def kill_inside_reset(work, monkeypatch):
    """End a reset between its two moves, as a kill does."""
    replace, moves = Path.replace, []

    def dies(file, target):
        moves.append(target)
        if len(moves) == 3:  # the fresh text's own, the old notebook's, the fresh notebook's
            raise KeyboardInterrupt
        return replace(file, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        run = tito(work, "reset", "--yes")
    assert run.exit_code != 0
    assert not work.notebook.exists()


def test_after_a_kill_inside_reset_the_backup_is_named(work, monkeypatch):
    before = save(work, solved())
    kill_inside_reset(work, monkeypatch)
    (backup,) = work.backups.iterdir()
    assert backup.read_bytes() == before
    (work.backups / "module15-99990101-000000.ipynb").touch()  # a name claimed, and no more
    for command in ("test", "complete", "submit", "reset"):
        run = tito(work, command)
        assert run.exit_code == 2
        assert f"your work is kept: copy {backup} there" in run.stderr
        assert "tito module start 15" in run.stderr
    run = tito(work, "start")
    assert run.exit_code == 0
    assert f"earlier work is kept: {backup}" in run.output
    assert backup.read_bytes() == before
    assert not work.notebook.with_suffix(".fresh").exists()


def test_an_interrupted_start_can_be_started_again(work):
    work.notebook.parent.mkdir(parents=True)
    work.notebook.with_name("module15.ipynb.4711").write_text('{"cells": [')
    run = tito(work, "test")
    assert run.exit_code == 2
    assert "there is no" in run.stderr
    run = tito(work, "start")
    assert run.exit_code == 0
    assert "earlier work" not in run.output
    assert nbformat.read(work.notebook, as_version=4) == student_notebook()


def full_disk(work, command, *options, room):
    """Run a command that can write files of so many bytes and no more."""

    def limit():
        import resource  # Windows has none

        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    words = [sys.executable, "-m", "coursework.tito", "module", command, "15"]
    words += ["--folder", work.modules, *options]
    return subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=limit)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on a file's size")
def test_on_a_full_disk_nothing_is_half_done(work):
    run = full_disk(work, "start", room=1000)
    assert run.returncode == 2
    assert re.search(r"error: .*so this file is as it was: .*module15.ipynb", run.stderr)
    assert list(work.notebook.parent.iterdir()) == []
    before = save(work, solved())
    run = full_disk(work, "reset", "--yes", room=1000)
    assert run.returncode == 2
    assert "so this file is as it was" in run.stderr
    assert "Traceback" not in run.stderr
    assert list(work.notebook.parent.iterdir()) == [work.notebook]
    assert work.notebook.read_bytes() == before


def test_a_reset_whose_record_cannot_be_written_names_the_backup(work, monkeypatch):
    before = save(work, solved())

    def full(self, **changes):
        raise OSError(28, "No space left on device", str(self.record))

    monkeypatch.setattr(Workspace, "note", full)
    run = tito(work, "reset", "--yes")
    assert run.exit_code == 2
    (backup,) = work.backups.iterdir()
    assert f"your work is kept: {backup}" in run.stderr
    assert "No space left on device" in run.stderr
    assert backup.read_bytes() == before
    assert nbformat.read(work.notebook, as_version=4) == student_notebook()
