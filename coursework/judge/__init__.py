"""The judge: questions to a student's code in a closed room, and points for right answers.

It runs outside, knows the right answers, and believes nothing that it is told: models, weights,
texts and sizes are drawn afresh for each submission, so that an answer has to be computed. Each
test draws for itself, and so asks the same whether or not the others are asked.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from coursework.bounds import Limits
from coursework.judge import analysing, caching, enabling, generating
from coursework.judge.compare import WrongAnswerError
from coursework.judge.draw import Draw
from coursework.judge.session import LostError, Session, Work
from coursework.judge.student import Student
from coursework.own_notebook import grade_id, is_task, is_test, released_notebook, restore
from coursework.walls import RoomLimits

NOT_DONE = "not done yet"
Test = Callable[[Student, Draw], None]

WITHOUT_CACHE: tuple[Test, ...] = (
    analysing.test_profile_naive,
    caching.test_cache_allocate,
    caching.test_cache_update,
    caching.test_cache_history,
    caching.test_cache_reset,
    caching.test_cache_overflow,
    generating.test_same_text,
    generating.test_second_text,
    generating.test_padding,
    analysing.test_memory,
    analysing.test_speedup,
)
WITH_CACHE: tuple[Test, ...] = (
    enabling.test_enable_prefill,
    enabling.test_enable_positions,
    enabling.test_enable_layers,
    enabling.test_no_trace,
    enabling.test_other_models,
)
"""Tests whose guest is given a cache, and is asked about nothing that could hide behind it."""


@dataclass(frozen=True)
class Verdict:
    """What came of a test.

    Attributes
    ----------
    name : str
        The grade_id of the test's cell.
    points, max_points : float
    message : str
        What was wrong, on one line; empty if nothing was.
    """

    name: str
    points: float
    max_points: float
    message: str = ""


def judge(
    notebook: NotebookNode,
    limits: Limits,
    seed: int | None = None,
    only: Iterable[str] | None = None,
) -> dict[str, Verdict]:
    """Judge a submission.

    Parameters
    ----------
    notebook : NotebookNode
        As it was handed in. Its locked cells are restored first; those that test do not run.
    limits : Limits
    seed : int, optional
        Draws the same questions again. Default: one that nobody could know.
    only : iterable of str, optional
        Names of tests. Default: all.

    Returns
    -------
    dict of str to Verdict
        By the names of the tests, in the assignment's order.

    Raises
    ------
    RoomError
        If no closed room can be made.
    """
    start = time.monotonic()
    points = points_of_tests()
    asked = set(points if only is None else only)
    seed = secrets.randbits(64) if seed is None else seed
    work = Work(cells_of(notebook))
    room = RoomLimits(memory_gib=limits.memory_gib, cpu_seconds=limits.student_seconds)
    deadline = start + limits.student_seconds
    failures: dict[str, str] = {}
    given = {"PlainCache": Path(__file__).with_name("plain_cache.py").read_text(encoding="utf-8")}
    for tests, definitions in ((WITHOUT_CACHE, {}), (WITH_CACHE, given)):
        tests = [test for test in tests if test.__name__ in asked]
        options = {"sandbox": limits.sandbox}
        with Session(work, room, limits.cell_seconds, deadline, definitions, **options) as session:
            failures |= _run(tests, session, seed)
    return {
        name: Verdict(name, 0 if failures[name] else most, most, failures[name])
        for name, most in points.items()
        if name in asked
    }


def points_of_tests() -> dict[str, float]:
    """Return the points of each test, by the assignment, in its order."""
    cells = (cell for cell in released_notebook().cells if is_test(cell))
    return {grade_id(cell): float(cell.metadata.nbgrader.points) for cell in cells}


def cells_of(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Return the cells that a guest runs: the student's, and the locked ones as released."""
    return [
        (grade_id(cell) or f"cell {index + 1}", cell.source)
        for index, cell in enumerate(restore(notebook).cells)
        if cell.cell_type == "code" and not is_test(cell)
    ]


def _run(tests: Sequence[Test], session: Session, seed: int) -> dict[str, str]:
    """Return what was wrong in each test, or the empty text."""
    student, failures = Student(session), {}
    for test in tests:
        failures[test.__name__] = ""
        try:
            test(student, Draw(seed, test.__name__))
        except WrongAnswerError as wrong:
            failures[test.__name__] = str(wrong)
        except LostError as loss:
            failures[test.__name__] = _with_cause(str(loss), session.work)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # Answers of an unexpected form; none of the package's own errors is of these kinds.
            failures[test.__name__] = f"the answer cannot be compared: {type(error).__name__}"
    return failures


def _with_cause(message: str, work: Work) -> str:
    """Add which cells did not run, without which the error is hard to understand."""
    if message == "NotImplementedError":
        return NOT_DONE
    causes = {**work.errors, **work.harmful}
    tasks = {grade_id(cell) for cell in released_notebook().cells if is_task(cell)}
    told = [f"{name}: {reason}" for name, reason in causes.items() if name in tasks]
    return " | ".join([message, *told]) if told else message
