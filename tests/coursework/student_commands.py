"""Run the student's command, and read what it said."""

from __future__ import annotations

import re

import nbformat
from click import unstyle
from typer.testing import CliRunner

from coursework.course import instructor_notebook, student_notebook
from coursework.own_notebook import grade_id, is_task, is_test
from coursework.tito import app

TESTS = [grade_id(cell) for cell in student_notebook().cells if is_test(cell)]


class Run:
    """What a command said, without colours, and how it ended."""

    def __init__(self, *words):
        result = CliRunner().invoke(app, words)
        self.exit_code = result.exit_code
        self.output, self.stderr = unstyle(result.output), unstyle(result.stderr)


def tito(work, command, *options):
    """Run a command on a folder of modules."""
    words = {"demo": ["demo", "15"], "status": ["module", "status"]}
    words = words.get(command, ["module", command, "15"])
    return Run(*words, "--folder", str(work.modules), *options)


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if grade_id(cell) == name)


def save(work, notebook):
    work.notebook.parent.mkdir(parents=True, exist_ok=True)
    work.notebook.write_text(nbformat.writes(notebook), encoding="utf-8")
    return work.notebook.read_bytes()


def solved(**changes):
    """Return the release, solved; in each named cell, one piece of text stands for another."""
    notebook, solution = student_notebook(), instructor_notebook()
    for cell in notebook.cells:
        if is_task(cell):
            cell.source = cell_of(solution, grade_id(cell)).source
    for name, (old, new) in changes.items():
        cell = cell_of(notebook, name)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)
    return notebook


def results(output):
    """Return what was said of each cell: its name, then pass or fail and why."""
    lines = re.findall(r"^(pass|fail|cell|note)  (\w+)(?:: )?(.*)$", output, re.MULTILINE)
    return {name: f"{word} {why}".strip() for word, name, why in lines}
