"""Workers that answer at once, with points that a test makes up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import nbformat

from coursework.course import student_notebook
from coursework.judge import points_of_tests
from coursework.work import Answer, Task

ALL = points_of_tests()


def answer(**lost: str) -> Answer:
    """Return the answer for work that loses some tests, named with the messages."""
    points = {name: 0.0 if name in lost else most for name, most in ALL.items()}
    text = nbformat.writes(student_notebook())
    page = f"<p>{sum(points.values())}</p>"
    return Answer(
        points=points, messages=lost, submitted=text, autograded=text, feedback=page, seconds=1.0
    )


@dataclass
class MadeUpWorkers:
    """Stands for `coursework.grading.Workers`; what it is given is kept in `tasks`."""

    say: Callable[[Task], Answer] = lambda task: answer()
    tasks: list[Task] = field(default_factory=list)

    def answers(self, tasks: Iterator[Task], limits: object, console: object):
        """Yield each task with its answer."""
        for task in tasks:
            self.tasks.append(task)
            made = self.say(task)
            if task.only:
                made = Answer(
                    points={name: made.points[name] for name in task.only},
                    messages={n: m for n, m in made.messages.items() if n in task.only},
                )
            yield task, made
