"""What a class found hard: a table, and a chart that can be printed in black and white.

Nothing that a student wrote is in either: names of tasks are the assignment's, the rest is numbers.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from tabulate import tabulate

from coursework.marks import ClassMarks
from coursework.tables import write_table
from coursework.workspace import write_whole

HEADER = ("task", "possible", "mean", "full", "part", "none", "not read")
WIDTH = 5
"""Points of a bar in the distribution of all points."""

INK, PAPER = "#222222", "#bbbbbb"


@dataclass(frozen=True)
class TaskSummary:
    """What a class got for a task.

    Attributes
    ----------
    name : str
    possible, mean : float
        Points that can be had, and the mean of those that were given.
    full, part, none, unread : int
        Submissions with all points, with some, with none, and not yet read.
    """

    name: str
    possible: float
    mean: float
    full: int
    part: int
    none: int
    unread: int

    @property
    def is_test(self) -> bool:
        """Whether the grader gave the points, and nobody reads anything."""
        return self.name.startswith("test_")


def summarise(marks: ClassMarks) -> list[TaskSummary]:
    """Return what the class got for each task, in the assignment's order."""
    return [_of_task(name, most, marks.points) for name, most in marks.tasks.items()]


def _of_task(name: str, most: float, points: Mapping[str, Mapping[str, float]]) -> TaskSummary:
    given = [found[name] for found in points.values() if name in found]
    full, none = sum(p >= most for p in given), sum(p <= 0 for p in given)
    part, unread = len(given) - full - none, len(points) - len(given)
    return TaskSummary(name, most, mean(given) if given else 0.0, full, part, none, unread)


def coded_points(marks: ClassMarks) -> list[float]:
    """Return each student's points of all tests together."""
    return [
        sum(p for task, p in found.items() if task.startswith("test_"))
        for found in marks.points.values()
    ]


def said(marks: ClassMarks) -> str:
    """Return the summary for a terminal."""
    tasks = summarise(marks)
    table = tabulate(_rows(tasks), headers=HEADER, floatfmt="g", disable_numparse=False)
    return f"{table}\n{in_words(marks)}"


def in_words(marks: ClassMarks) -> str:
    """Return the most important numbers as sentences."""
    points = coded_points(marks)
    if not points:
        return "No submission is graded."
    tests = [task for task in summarise(marks) if task.is_test]
    possible = sum(task.possible for task in tests)
    words = (
        f"Points of the tests: median {median(points):g} of {possible:g}, "
        f"from {min(points):g} to {max(points):g}, {len(points)} submissions."
    )
    lost = max(tests, key=lambda task: task.none + task.part)
    if lost.none + lost.part == 0:
        return f"{words} No test was lost by anybody."
    return f"{words} Lost most often: {lost.name}, by {lost.none + lost.part}."


def write_summary(root: Path, marks: ClassMarks) -> list[Path]:
    """Write ``summary.csv`` and ``summary.svg`` beside marks.csv; return their paths."""
    table, chart = root / "summary.csv", root / "summary.svg"
    rows = _rows(summarise(marks))
    write_table(table, [[name.replace(" ", "_") for name in HEADER], *rows])
    write_whole(chart, chart_of(marks))
    return [table, chart]


def _rows(tasks: Sequence[TaskSummary]) -> list[list[object]]:
    return [[t.name, t.possible, round(t.mean, 2), t.full, t.part, t.none, t.unread] for t in tasks]


def chart_of(marks: ClassMarks) -> str:
    """Draw how many had how many points, and how many lost each test, as SVG with a description."""
    # matplotlib takes half a second, which no worker that imports the grader should spend.
    from matplotlib.figure import Figure

    tests = [task for task in summarise(marks) if task.is_test]
    figure = Figure(figsize=(7, 2.6 + 0.26 * len(tests)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[2, 0.26 * len(tests)])
    _draw_points(above, coded_points(marks), sum(task.possible for task in tests))
    _draw_tests(below, tests, len(marks.points))
    picture = io.StringIO()
    figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    return _described(picture.getvalue(), f"{in_words(marks)} {_lost_in_words(tests)}")


def _draw_points(axes, points: Sequence[float], possible: float) -> None:
    edges = [WIDTH * i for i in range(int(possible // WIDTH) + 2)]
    axes.hist(points, edges, color=PAPER, edgecolor=INK)
    axes.set_xlabel(f"points of all tests, of {possible:g}")
    axes.set_ylabel("submissions")
    axes.set_xlim(0, edges[-1])
    axes.yaxis.get_major_locator().set_params(integer=True)


def _draw_tests(axes, tests: Sequence[TaskSummary], count: int) -> None:
    names = [f"{test.name} ({test.possible:g})" for test in tests]
    lost = [test.none + test.part for test in tests]
    bars = axes.barh(names, lost, color="white", edgecolor=INK, hatch="////")
    axes.bar_label(bars, padding=3)
    axes.set_xlim(0, max(count, 1) * 1.05)
    axes.set_xlabel(f"submissions, of {count}, that lost the points of this test")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.invert_yaxis()


def _lost_in_words(tests: Sequence[TaskSummary]) -> str:
    counts = ", ".join(f"{test.name} {test.none + test.part}" for test in tests)
    return f"Submissions that lost each test: {counts}."


def _described(picture: str, words: str) -> str:
    """Return SVG with a title and a description, for those who cannot see it."""
    inside = f"<title>What the class found hard</title><desc>{html.escape(words)}</desc>"
    return re.sub(
        r"<svg ([^>]*)>", lambda found: f'<svg role="img" {found[1]}>\n {inside}', picture, count=1
    )
