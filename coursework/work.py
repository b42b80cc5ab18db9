"""Grade one submission: from the bytes of a file to plain data, without a course folder.

This runs wherever a worker is. What goes there and comes back is JSON: a `Task`, an `Answer`.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import CheckCellMetadata, LimitOutput
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution

from coursework.bounds import Limits
from coursework.course import course_config
from coursework.feedback import feedback_page
from coursework.judge import Verdict, judge
from coursework.judged import judge_and_run, judge_limits
from coursework.limits import LimitText
from coursework.own_notebook import grade_id, is_test, released_notebook
from coursework.received import RefusedError, receive


@dataclass(frozen=True)
class ByHand:
    """What the instructor has said of a submission, by the names of cells.

    Attributes
    ----------
    scores, extra : dict of str to float
        Points in place of the grader's, and points beside them.
    comments : dict of str to str
    """

    scores: dict[str, float] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A submission to be graded.

    Attributes
    ----------
    student : str
    data : bytes
        The file as it was handed in.
    seed : int
        Of the judge's questions.
    limits : Limits
    version : str
        Of the tests that are meant: `coursework.course.version`.
    only : tuple of str
        The tests to be judged, without feedback. If there are none: all, with feedback.
    by_hand : ByHand
    """

    student: str
    data: bytes
    seed: int
    limits: Limits
    version: str
    only: tuple[str, ...] = ()
    by_hand: ByHand = field(default_factory=ByHand)

    def pack(self) -> bytes:
        """Return the task as JSON."""
        return json.dumps(asdict(self) | {"data": base64.b64encode(self.data).decode()}).encode()

    @classmethod
    def unpack(cls, message: bytes) -> Task:
        """Read what `pack` returns."""
        values = json.loads(message)
        return cls(
            **values
            | {
                "data": base64.b64decode(values["data"]),
                "limits": Limits(**values["limits"]),
                "only": tuple(values["only"]),
                "by_hand": ByHand(**values["by_hand"]),
            }
        )


@dataclass(frozen=True)
class Answer:
    """What came of a task. Of the first three at most one is not empty.

    Attributes
    ----------
    refused : str
        Why this file cannot be graded, whoever tries.
    failed : str
        Why it was not graded this time.
    unable : str
        Why this worker can grade nothing.
    points : dict of str to float
        Of each test; of a written answer that is empty, too.
    messages : dict of str to str
        What was wrong, for the tests that are lost.
    unanswered : list of str
        Cells for an answer that are as they were released.
    missing_cells : list of str
        The grade_ids that the file lacked.
    submitted, autograded, feedback : str
        The notebook as it was graded, with what it showed, and the page for the student.
    seconds : float
    """

    refused: str = ""
    failed: str = ""
    unable: str = ""
    points: dict[str, float] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    missing_cells: list[str] = field(default_factory=list)
    submitted: str = ""
    autograded: str = ""
    feedback: str = ""
    seconds: float = 0.0

    def pack(self) -> bytes:
        """Return the answer as JSON; half a character is written as JSON's escape for it."""
        return json.dumps(asdict(self), ensure_ascii=False).encode(errors="backslashreplace")

    @classmethod
    def unpack(cls, message: bytes) -> Answer:
        """Read what `pack` returns.

        Raises
        ------
        ValueError
            If it is anything else.
        """
        values = json.loads(message)
        kinds = {one.name: type(getattr(NO_ANSWER, one.name)) for one in fields(cls)}
        if {name: type(value) for name, value in values.items()} != kinds:
            raise ValueError("the worker's answer has not the form of one")
        for name, kind in (("points", float), ("messages", str)):
            if not all(type(value) is kind for value in values[name].values()):
                raise ValueError(f"{name} of the worker's answer are no {kind.__name__}")
        return cls(**values)


NO_ANSWER = Answer()


def grade(task: Task) -> Answer:
    """Check a submission's file, judge it, run it, write the page for the student.

    Raises
    ------
    RoomError
        If no closed room can be made.
    """
    start = time.monotonic()
    try:
        received = receive(task.data)
    except RefusedError as reason:
        return Answer(refused=str(reason))
    notebook = received.notebook
    if task.only:
        verdicts = judge(notebook, judge_limits(task.limits), task.seed, task.only)
        return Answer(**_told(verdicts), seconds=time.monotonic() - start)
    put_back_answers(notebook, received.missing_cells)
    notebook.metadata = deepcopy(released_notebook().metadata)
    submitted = nbformat.writes(notebook)
    verdicts = judge_and_run(notebook, task.limits, task.seed)
    told = _told(verdicts)
    told["points"] |= written_points(notebook)
    notebook = _limited(notebook)
    return Answer(
        **told,
        unanswered=unanswered(notebook),
        missing_cells=list(received.missing_cells),
        submitted=submitted,
        autograded=nbformat.writes(notebook),
        feedback=page_for_student(notebook, told["points"], task.by_hand),
        seconds=time.monotonic() - start,
    )


def put_back_answers(notebook: nbformat.NotebookNode, missing: Sequence[str]) -> None:
    """Put back the cells for written answers that are missing, so that points can be given there.

    Their text is not as it was released: an answer that stands elsewhere is still to be read.
    """
    released = {grade_id(cell): cell for cell in released_notebook().cells if grade_id(cell)}
    for name in missing:
        if not (is_grade(released[name]) and is_solution(released[name])):
            continue
        back = deepcopy(released[name])
        back.source = f"This cell ({name}) was missing, and was put back.\n\n{back.source}"
        names = [grade_id(cell) for cell in notebook.cells]
        before = list(released)[: list(released).index(name)]
        place = max((names.index(other) for other in before if other in names), default=-1)
        notebook.cells.insert(place + 1, back)


def page_for_student(
    notebook: nbformat.NotebookNode, points: dict[str, float], by_hand: ByHand
) -> str:
    """Return the feedback for a notebook that has run, with what is known of its points."""
    scores = {
        name: by_hand.scores.get(name, points.get(name, 0.0)) + by_hand.extra.get(name, 0.0)
        for name in map(grade_id, filter(is_grade, notebook.cells))
    }
    said = dict.fromkeys(unanswered(notebook), NO_RESPONSE) | by_hand.comments
    return feedback_page(notebook, scores, said)


NO_RESPONSE = "No response."
"""nbgrader's comment on an answer that is as it was released."""


def unanswered(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the names of the cells for an answer that are as they were released."""
    return [grade_id(cell) for cell in notebook.cells if is_solution(cell) and _is_fresh(cell)]


def written_points(notebook: nbformat.NotebookNode) -> dict[str, float]:
    """Return nbgrader's points of written answers: 0 for an empty one, nothing for the others."""
    written = [cell for cell in notebook.cells if is_grade(cell) and not is_test(cell)]
    found = {grade_id(cell): determine_grade(cell)[0] for cell in written}
    return {name: float(points) for name, points in found.items() if points is not None}


def _is_fresh(cell: nbformat.NotebookNode) -> bool:
    return cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)


def _told(verdicts: dict[str, Verdict]) -> dict[str, Any]:
    return {
        "points": {name: float(verdict.points) for name, verdict in verdicts.items()},
        "messages": {name: v.message for name, v in verdicts.items() if v.message},
    }


def _limited(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook with a bounded amount of what it showed, by nbgrader's own steps."""
    config = course_config(Path())
    for step in (LimitText, LimitOutput, CheckCellMetadata):
        notebook, _ = step(config=config).preprocess(notebook, {})
    return notebook
