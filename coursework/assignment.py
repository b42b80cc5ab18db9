"""Make the assignment with nbgrader: ``python -m coursework.assignment [FOLDER]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coursework.course import ASSIGNMENT, NOTEBOOK, CourseError, make_course


def main(
    folder: Annotated[Path, typer.Argument(help="The course folder.")] = Path("_build/coursework"),
) -> None:
    """Write the instructor's notebook and, by nbgrader's generate_assignment, the student's."""
    try:
        release = make_course(folder)
    except CourseError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"for students:       {release}")
    typer.echo(f"for the instructor: {folder / 'source' / ASSIGNMENT / NOTEBOOK}.ipynb")


if __name__ == "__main__":
    typer.run(main)
