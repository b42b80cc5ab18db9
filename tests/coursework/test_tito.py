"""The student's command, from the first notebook to the model that runs on their cache."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from coursework import workspace
from coursework.checking import HINTS
from coursework.course import instructor_notebook, student_notebook
from coursework.own_cache import Answer, CacheError, exported_text
from coursework.own_notebook import (
    changed_cells,
    grade_id,
    is_locked,
    read_notebook,
    restore,
)
from coursework.workspace import Workspace
from tests.coursework.student_commands import TESTS, Run, cell_of, results, save, solved, tito

WRITES_AT_THE_START = (
    "self.keys[layer_idx, :, :, self.seq_pos : stop] = key",
    "self.keys[layer_idx, :, :, : key.shape[2]] = key",
)


@pytest.fixture
def work(tmp_path):
    return Workspace(tmp_path / "Übungen für später")


def test_start_writes_the_release_and_says_what_to_do_next(work):
    run = tito(work, "start")
    assert run.exit_code == 0
    assert nbformat.read(work.notebook, as_version=4) == student_notebook()
    assert f'jupyter lab "{work.notebook}"' in run.output
    assert f'tito module test 15 --folder "{work.modules}"' in run.output


def test_starting_again_keeps_the_work(work):
    before = save(work, solved())
    run = tito(work, "start")
    assert run.exit_code == 0
    assert f"stays as it is: {work.notebook}" in run.output
    assert work.notebook.read_bytes() == before


def test_an_untouched_notebook_is_not_done(work):
    tito(work, "start")
    before = work.notebook.read_bytes()
    run = tito(work, "test")
    assert run.exit_code == 1
    assert results(run.output) == dict.fromkeys(TESTS, "fail not done yet")
    assert "look at cell kv_cache, line 6" in run.output
    assert f"0 of {len(TESTS)} visible tests pass" in run.output
    assert work.notebook.read_bytes() == before


def test_the_instructors_notebook_passes(work):
    before = save(work, instructor_notebook())
    run = tito(work, "test")
    assert run.exit_code == 0, run.output
    assert list(results(run.output).items()) == [(name, "pass") for name in TESTS]
    assert work.notebook.read_bytes() == before


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    work = Workspace(tmp_path_factory.mktemp("completed"))
    save(work, solved())
    return work, tito(work, "complete")


def test_complete_exports_the_cache(completed):
    work, run = completed
    assert run.exit_code == 0, run.output
    names = {}
    exec(work.export.read_text(encoding="utf-8"), names)
    assert names["KVCache"](1, 2, 3, 4, 5).keys.shape == (3, 1, 4, 2, 5)
    assert f"{len(TESTS)} of {len(TESTS)}" in tito(work, "status").output


def test_the_demo_runs_the_exported_cache(completed):
    work, _ = completed
    used = work.export.with_name("used.txt")
    text = work.export.read_text(encoding="utf-8")
    work.export.write_text(f"{text}\nopen({str(used)!r}, 'x').close()\n", encoding="utf-8")
    run = tito(work, "demo", "--max-tokens", "8")
    work.export.write_text(text, encoding="utf-8")
    assert run.exit_code == 0, run.output
    assert used.exists()
    assert re.search(r"with your cache: 8 tokens in .* tokens/s", run.output)
    assert re.search(r"without a cache: 8 tokens in .* tokens/s", run.output)
    assert "both texts are equal" in run.output


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("self.keys[layer_idx, :, :, self.seq_pos : stop] = 0", "the texts differ from token"),
        ("raise ValueError('no [room]')", "kv_cache.py: ValueError: no [room]"),
    ],
)
def test_the_demo_says_what_is_wrong_with_a_cache(completed, work, new, message):
    work.export.parent.mkdir(parents=True)
    text = completed[0].export.read_text(encoding="utf-8")
    work.export.write_text(text.replace(WRITES_AT_THE_START[0], new), encoding="utf-8")
    run = tito(work, "demo", "--prompt", "Hi", "--max-tokens", "1")
    assert run.exit_code == 1
    assert message in run.output


def test_the_demo_needs_an_export(work):
    run = tito(work, "demo")
    assert run.exit_code == 2
    assert "tito module complete 15" in run.stderr


def test_a_wrong_cache_fails_whatever_the_notebook_says_its_tests_are(work):
    notebook = solved(kv_cache=WRITES_AT_THE_START)
    cell_of(notebook, "test_cache_update").source = "print('fine')"
    notebook.cells.remove(cell_of(notebook, "test_cache_history"))
    before = save(work, notebook)
    run = tito(work, "complete")
    assert run.exit_code == 1
    found = results(run.output)
    assert found["test_cache_update"].startswith("fail the last entries that update returns")
    assert found["test_cache_history"].startswith("fail layer 0 must hold all")
    assert found["test_memory"] == "pass"
    assert f"look at cell kv_cache: {HINTS['test_cache_update']}" in run.output
    for name in ("test_cache_update", "test_cache_history"):
        assert f"note  {name}: not as it was released" in run.output
    assert not work.export.exists()
    assert work.notebook.read_bytes() == before


def test_a_syntax_error_and_an_error_of_the_students_own(work):
    notebook = solved(kv_cache=("self.seq_pos = 0", "self.seq_pos = = 0"))
    notebook.cells.insert(
        2, new_code_cell("from pathlib import Path\nopen(Path.cwd().parent.name)")
    )
    save(work, notebook)
    run = tito(work, "test")
    assert run.exit_code == 1
    assert "cell  3 (your own): FileNotFoundError: " in run.output
    assert f"No such file or directory: '{work.modules.name}'" in run.output
    assert "look at cell 3 (your own), line 2" in run.output
    found = results(run.output)
    assert found["kv_cache"] == "cell SyntaxError: invalid syntax"
    assert "look at cell kv_cache, line 11" in run.output
    assert found["test_cache_reset"] == "fail NameError: name 'KVCache' is not defined"
    assert found["test_memory"] == "pass"


def test_an_endless_loop_is_stopped_and_the_end_of_the_kernel_told(work):
    notebook = solved()
    cell_of(notebook, "profile_naive").source += "\nwhile True:\n    print('again')"
    cell_of(notebook, "positions_of").source += "\nexit()"
    save(work, notebook)
    run = tito(work, "test", "--cell-seconds", "2")
    assert run.exit_code == 1
    found = results(run.output)
    assert found["profile_naive"] == "cell stopped after 2 s"
    assert re.search(r"look at cell profile_naive, line 1\d", run.output)
    assert found["test_profile_naive"] == found["test_cache_overflow"] == "pass"
    assert found["positions_of"] == "cell ended the kernel"
    assert found["test_no_trace"] == found["test_speedup"] == "fail not run"


def test_reset_keeps_the_work_and_every_backup(work, monkeypatch):
    class Clock(workspace.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(workspace, "datetime", Clock)
    first = save(work, solved())
    assert tito(work, "reset").exit_code == 1  # nobody says yes
    assert work.notebook.read_bytes() == first
    run = tito(work, "reset", "--yes")
    assert run.exit_code == 0
    backups = [work.backups / f"module15-20260102-030405{copy}.ipynb" for copy in ("", "-2")]
    assert str(backups[0]) in run.output
    fresh = work.notebook.read_bytes()
    assert nbformat.reads(fresh, as_version=4) == student_notebook()
    tito(work, "reset", "--yes")
    assert [backup.read_bytes() for backup in backups] == [first, fresh]
    assert {file.name for file in work.notebook.parent.iterdir()} == {
        ".tito.json",
        "backup",
        "module15.ipynb",
    }


def test_status_before_and_after(work):
    run = tito(work, "status")
    assert run.exit_code == 0
    assert re.search(r"15 Memoization +│ no +│ not run +│ no +│ no", run.output)
    assert "tito module start 15" in run.output
    tito(work, "start")
    work.note_tests(3, 16)
    work.note(completed=workspace.now())
    workspace.write_whole(work.export, "")
    run = tito(work, "status")
    day = workspace.now()[:10]
    assert re.search(rf"15 Memoization +│ {day} .*│ 3 of 16, .*│ {day} .*│ yes", run.output)
    assert set(json.loads(work.record.read_text())) == {"started", "tests", "completed"}


@pytest.mark.parametrize("command", ["start", "test", "complete", "submit", "reset"])
def test_only_module_15_is_here(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    run = Run("module", command, "14")
    assert run.exit_code == 2
    assert "only module 15 is here, not 14" in run.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["test", "complete", "submit", "reset"])
def test_without_a_notebook_it_says_how_to_start(work, command):
    run = tito(work, command)
    assert run.exit_code == 2
    assert "tito module start 15" in run.stderr


def test_a_notebook_of_an_editor_without_ids_is_read(work):
    notebook = solved()
    for cell in notebook.cells:
        del cell["id"]
    work.notebook.parent.mkdir(parents=True)
    work.notebook.write_text(json.dumps(notebook), encoding="utf-8")
    assert changed_cells(read_notebook(work.notebook)) == []


def test_each_help_has_an_example():
    for command in ("start", "test", "complete", "submit", "status", "reset"):
        assert f"Example: tito module {command}" in Run("module", command, "--help").output
    assert "Example: tito demo 15" in Run("demo", "--help").output


def test_the_installed_command_takes_any_folder_name(tmp_path):
    folder = Path("Übungen für später")
    script = shutil.which("tito", path=Path(sys.executable).parent)
    words = [script, "module", "start", "15", "--folder", folder]
    variables = os.environ | {"PYTHONIOENCODING": "utf-8"}
    options = {"capture_output": True, "cwd": tmp_path, "env": variables, "encoding": "utf-8"}
    run = subprocess.run(words, check=True, **options)
    assert f'tito module test 15 --folder "{folder}"' in run.stdout
    assert nbformat.read(Workspace(tmp_path / folder).notebook, as_version=4) == student_notebook()


def test_help_does_not_wait_for_what_it_does_not_need():
    slow = "{'nbgrader', 'nbformat', 'nbclient', 'jupytext', 'matplotlib'}"
    code = f"import sys, coursework.tito; print({slow} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_every_visible_test_has_a_hint():
    assert list(HINTS) == TESTS


def test_restore_puts_locked_cells_back_and_keeps_the_students():
    notebook = solved()
    names = [grade_id(cell) for cell in notebook.cells]
    for name in ("setup", "cache_helpers", "test_cache_allocate", "test_speedup"):
        notebook.cells.remove(cell_of(notebook, name))
    cell_of(notebook, "test_padding").cell_type = "markdown"
    own = new_code_cell("def helper(): ...")
    twice = cell_of(notebook, "kv_cache").copy()
    notebook.cells[3:3] = [own, twice]
    restored = restore(notebook)
    found = [grade_id(cell) for cell in restored.cells]
    assert [name for name in found if name] == [name for name in names if name]
    for cell in student_notebook().cells:
        if is_locked(cell):
            assert cell_of(restored, grade_id(cell)).source == cell.source
    assert cell_of(restored, "kv_cache").source == twice.source
    assert own.source in [cell.source for cell in restored.cells]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("x = 1", "has no class KVCache"),
        ("class KVCache(tt.KVCache):\n    pass", "line 1 of .*name 'tt' is not defined"),
        ("%time\nclass KVCache:\n    pass", "line 1 of .*SyntaxError"),
        (
            "class KVCache:\n    def __init__(self, *sizes):\n        self.x = SIZES",
            "line 3 of .*name 'SIZES' is not defined",
        ),
    ],
)
def test_a_cell_that_needs_the_notebook_is_not_exported(cell, message):
    with pytest.raises(CacheError, match=message):
        exported_text(cell)


def test_where_two_answers_part():
    answer = Answer([5, 6, 7], 1.0)
    assert answer.first_difference(Answer([5, 6, 7], 2.0)) is None
    assert answer.first_difference(Answer([5, 9, 7], 2.0)) == 2
    assert answer.first_difference(Answer([5, 6], 2.0)) == 3
    assert answer.first_difference(Answer([5, 6, 7, 8], 2.0)) == 4
