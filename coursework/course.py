"""A course folder as nbgrader has it, made from the assignment's one source."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.resources import files
from pathlib import Path

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
CELL_SECONDS = 60


class CourseError(Exception):
    """The course folder could not be made; the message says why."""


def source_text() -> str:
    """Read the assignment with its solutions and hidden tests."""
    return files(__package__).joinpath(f"{NOTEBOOK}.md").read_text(encoding="utf-8")


def instructor_notebook() -> nbformat.NotebookNode:
    """Return the assignment with solutions and hidden tests as a notebook."""
    notebook = jupytext.reads(source_text(), fmt="md:myst")
    for index, cell in enumerate(notebook.cells):
        given = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.id = (given or f"text_{index}").replace("_", "-")
    notebook.metadata.pop("jupytext", None)
    return notebook


def student_notebook() -> nbformat.NotebookNode:
    """Return the assignment as a student gets it, by nbgrader's own steps."""
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


def version() -> str:
    """Return a hash of what marks depend on: the assignment and the package's version."""
    return hashlib.sha256(f"{__version__}\0{source_text()}".encode()).hexdigest()[:16]


def course_config(root: Path, cell_seconds: int = CELL_SECONDS) -> Config:
    """Return nbgrader's settings for a course folder."""
    config = Config()
    config.CourseDirectory.course_id = "tinytorch"
    config.CourseDirectory.root = str(root.resolve())
    config.CourseDirectory.db_url = f"sqlite:///{root.resolve() / 'gradebook.db'}"
    config.Execute.timeout = cell_seconds
    config.OverwriteCells.add_missing_cells = True
    config.LimitOutput.max_lines = 200
    config.Autograde.autograde_preprocessors = [
        "nbgrader.preprocessors.Execute",
        "coursework.limits.LimitText",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    return config


def open_api(root: Path, cell_seconds: int = CELL_SECONDS) -> NbGraderAPI:
    """Return nbgrader for a course folder."""
    _find_tools()
    return NbGraderAPI(config=course_config(root, cell_seconds))


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
    release = root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    stamp = root / "version.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == version() and release.exists():
        return release
    if (root / "autograded").exists():
        raise CourseError(
            f"{root} holds marks for another version of the assignment: choose another folder, "
            "or remove it"
        )
    source = root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(instructor_notebook(), source)
    result = open_api(root).generate_assignment(ASSIGNMENT)
    if not result["success"]:
        raise CourseError(f"nbgrader could not make the assignment:\n{result.get('log', '')}")
    (root / "nbgrader_config.py").write_text(_as_file(course_config(root)), encoding="utf-8")
    stamp.write_text(version(), encoding="utf-8")
    return release


def _as_file(config: Config) -> str:
    """Return settings as the file that nbgrader's own commands read in the course folder."""
    lines = [
        f"c.{section}.{name} = {value!r}"
        for section, settings in config.items()
        for name, value in settings.items()
    ]
    return "\n".join(["c = get_config()", *lines, ""])
