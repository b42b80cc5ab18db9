"""A course folder as nbgrader has it, made from the assignment's one source."""

from __future__ import annotations

import hashlib
import os
import sys
from copy import deepcopy
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from traitlets.config import Config

from tinytorch import __version__

ASSIGNMENT = "kv_caching"
NOTEBOOK = "module15"
SERVER_CONFIG = """from coursework.formgrader import TORNADO_SETTINGS

c = get_config()
c.ServerApp.tornado_settings = TORNADO_SETTINGS
"""
"""The file with which Jupyter gives the formgrader's pages a content security policy."""


class CourseError(Exception):
    """The course folder could not be made; the message says why."""


def source_text() -> str:
    """Read the assignment with its solutions and hidden tests."""
    return files(__package__).joinpath(f"{NOTEBOOK}.md").read_text(encoding="utf-8")


def instructor_notebook() -> nbformat.NotebookNode:
    """Return the assignment with solutions and hidden tests as a notebook of one's own."""
    return deepcopy(_instructor_notebook())


@cache
def _instructor_notebook() -> nbformat.NotebookNode:
    notebook = jupytext.reads(source_text(), fmt="md:myst")
    for index, cell in enumerate(notebook.cells):
        given = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.id = (given or f"text_{index}").replace("_", "-")
    notebook.metadata.pop("jupytext", None)
    return notebook


def student_notebook() -> nbformat.NotebookNode:
    """Return the assignment as a student gets it, by nbgrader's own steps, as one's own."""
    return deepcopy(_student_notebook())


@cache
def _student_notebook() -> nbformat.NotebookNode:
    notebook, resources = instructor_notebook(), {"unique_key": NOTEBOOK}
    config = course_config(Path())
    for step in (
        LockCells,
        ClearSolutions,
        ClearOutput,
        CheckCellMetadata,
        ComputeChecksums,
        ClearHiddenTests,
        ComputeChecksums,
        CheckCellMetadata,
    ):
        notebook, resources = step(config=config).preprocess(notebook, resources)
    return notebook


@cache
def version() -> str:
    """Return a hash of what marks depend on: the assignment, the judge, the package's version."""
    judge = sorted(Path(__file__).with_name("judge").glob("*.py"))
    parts = [__version__, source_text(), *(file.read_text(encoding="utf-8") for file in judge)]
    return _hash("\0".join(parts))


@cache
def release_version() -> str:
    """Return a hash of what students get: cells, their roles and their points."""
    return _hash(nbformat.writes(student_notebook()))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def course_config(root: Path) -> Config:
    """Return nbgrader's settings for a course folder."""
    config = Config()
    config.CourseDirectory.course_id = "tinytorch"
    config.CourseDirectory.root = str(root.resolve())
    config.CourseDirectory.db_url = f"sqlite:///{root.resolve() / 'gradebook.db'}"
    config.OverwriteCells.add_missing_cells = True
    config.LimitOutput.max_lines = 200
    config.GenerateFeedback.exporter_class = "coursework.feedback.FeedbackExporter"
    config.HTMLExporter.sanitize_html = True  # for the formgrader too
    config.HTMLExporter.filters = {
        "markdown2html": "coursework.feedback.markdown_to_html",
        "clean_html": "coursework.feedback.clean_html",
    }
    config.Autograde.autograde_preprocessors = [
        "coursework.judged.Judged",
        "coursework.limits.LimitText",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    return config


def open_api(root: Path, limits: dict[str, Any] | None = None) -> NbGraderAPI:
    """Return nbgrader for a course folder, with other limits of `coursework.bounds.Limits`."""
    _find_tools()
    config = course_config(root)
    config.Judged.limits = limits or {}
    return NbGraderAPI(config=config)


def open_gradebook(root: Path) -> Gradebook:
    """Return the marks of a course folder, a context manager."""
    _find_tools()
    return Gradebook(course_config(root).CourseDirectory.db_url)


def _find_tools() -> None:
    """Let nbgrader find alembic, which it calls by name, in an environment not activated."""
    tools = str(Path(sys.executable).parent)
    if tools not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = tools + os.pathsep + os.environ["PATH"]


def make_course(root: Path) -> Path:
    """Write the instructor's notebook to a course folder, and let nbgrader make the release.

    Nothing is done where the folder holds this version already.

    Parameters
    ----------
    root : Path

    Returns
    -------
    Path
        The student's notebook.

    Raises
    ------
    CourseError
        If nbgrader fails, or the folder holds marks for another version of the assignment.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "jupyter_server_config.py").write_text(SERVER_CONFIG, encoding="utf-8")
    release = root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    if release.exists() and stamp_of(root) == (release_version(), version()):
        return release
    if (root / "autograded").exists():
        raise CourseError(_what_differs(root))
    write_source(root)
    result = open_api(root).generate_assignment(ASSIGNMENT)
    if not result["success"]:
        raise CourseError(f"nbgrader could not make the assignment:\n{result.get('log', '')}")
    (root / "nbgrader_config.py").write_text(_as_file(course_config(root)), encoding="utf-8")
    write_stamp(root)
    return release


def write_source(root: Path) -> None:
    """Write the instructor's notebook to a course folder."""
    source = root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(instructor_notebook(), source)


def stamp_of(root: Path) -> tuple[str, ...]:
    """Return the versions of the release and of the tests that a course folder was made with."""
    file = root / "version.txt"
    return tuple(file.read_text(encoding="utf-8").split()) if file.exists() else ()


def write_stamp(root: Path) -> None:
    """Note that a course folder holds the release, and marks by the tests, as they are now."""
    text = f"{release_version()}\n{version()}\n"
    (root / "version.txt").write_text(text, encoding="utf-8")


def _what_differs(root: Path) -> str:
    if stamp_of(root)[:1] == (release_version(),):
        return (
            f"{root} holds marks by other tests than those of today: `make regrade` lists what "
            "would change; or choose another folder"
        )
    return (
        f"{root} holds marks for another version of the assignment: choose another folder, "
        "or remove it"
    )


def _as_file(config: Config) -> str:
    """Return settings as the file that nbgrader's own commands read in the course folder."""
    lines = [
        f"c.{section}.{name} = {value!r}"
        for section, settings in config.items()
        for name, value in settings.items()
    ]
    return "\n".join(["c = get_config()", *lines, ""])
