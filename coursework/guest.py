"""Inside the closed room: run what the student wrote, and answer the judge's questions by name.

It is started as a script, reads questions from its standard input and writes an answer to each to
its standard output, as `frames`. The student's code shares this process, so that nothing that is
said here is believed: the judge compares it outside. See `Guest` for the questions.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO

import frames  # beside this script in the room
import numpy as np

from tinytorch import GPT, ModelConfig, count_operations
from tinytorch.core import weight_shapes

REFERENCE = "kept"
MOST_TEXT = 300


class Guest:
    """What the student's cells have defined, and what the judge asked to keep.

    Every public method is a question. In arguments, ``{"kept": name}`` stands for an object that
    was kept under this name.
    """

    def __init__(self):
        self._module = ModuleType("__main__")
        sys.modules["__main__"] = self._module  # where dataclasses look for their module
        self._kept: dict[str, Any] = {}

    def cell(self, source: str) -> None:
        """Run a cell."""
        exec(_compiled(source), vars(self._module))

    def define(self, source: str, name: str) -> None:
        """Run other code, out of the way of the student's names, and keep one that it defines."""
        names = {"__name__": name}
        exec(compile(source, name, "exec"), names)
        self._kept[name] = names[name]

    def model(self, keep: str, config: dict, weights: np.ndarray) -> None:
        """Keep a model of the package; its weights come in one array, in their order."""
        made = ModelConfig(**config)
        shapes = weight_shapes(made)
        stops = np.cumsum([math.prod(shape) for shape in shapes.values()])
        # A copy, because what arrives cannot be written to: whether anybody does is for the judge.
        parts = np.split(weights.copy(), stops[:-1])
        own = {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        self._kept[keep] = GPT(made, weights=own)

    def call(
        self,
        name: str,
        of: str | None = None,
        args: list | None = None,
        options: dict | None = None,
        keep: str | None = None,
    ) -> Any:
        """Call a function by its name, or a method of a kept object; keep or return the result."""
        function = self._find(name, of)
        result = function(*self._filled(args or []), **self._filled(options or {}))
        if keep is None:
            return result
        self._kept[keep] = result
        return None

    def count(self, **call: Any) -> list:
        """Call something; return the result and how many multiply-adds it took."""
        with count_operations() as operations:
            result = self.call(**call)
        return [result, operations.total]

    def get(self, name: str, of: str | None = None) -> Any:
        """Return an attribute of a kept object, or a kept object."""
        return self._kept[name] if of is None else getattr(self._kept[of], name)

    def share_memory(self, first: str, second: str) -> bool:
        """Whether the first arrays of two kept results are views of the same memory."""
        return bool(np.shares_memory(self._kept[first][0], self._kept[second][0]))

    def state(self, of: str) -> list[dict[str, int]]:
        """Return the attributes of a model and its attention layers, by identity."""
        model = self._kept[of]
        parts = [model, *model.blocks, *(block.attention for block in model.blocks)]
        return [{name: id(value) for name, value in vars(part).items()} for part in parts]

    def _find(self, name: str, of: str | None) -> Callable:
        if of is not None:
            return getattr(self._kept[of], name)
        if name in self._kept:
            return self._kept[name]
        if not hasattr(self._module, name):
            raise NameError(f"name {name!r} is not defined")
        return getattr(self._module, name)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, dict):
            if value.keys() == {REFERENCE}:
                return self._kept[value[REFERENCE]]
            return {name: self._filled(item) for name, item in value.items()}
        return value


def _compiled(source: str) -> Any:
    try:
        return compile(source, "cell", "exec")
    except SyntaxError:
        return compile(_without_magics(source), "cell", "exec")


def _without_magics(source: str) -> str:
    """Return a cell without the commands of IPython, which have no say in what it defines."""
    lines = source.splitlines()
    if lines and lines[0].startswith("%%"):
        lines[0] = ""
    for index, line in enumerate(lines):
        text = line.lstrip()
        if text.startswith(("%", "!")) or text.rstrip().endswith("?"):
            lines[index] = f"{line[: len(line) - len(text)]}pass"
    return "\n".join(lines)


def answer(guest: Guest, question: dict) -> dict:
    """Ask the guest; return the result, or what was raised."""
    try:
        result = getattr(guest, question.pop("ask"))(**question)
        return {"result": result}
    except BaseException as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"raised": kinds, "message": str(error)[:MOST_TEXT]}


def main() -> None:
    """Answer until the judge closes the pipe."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what the student's code prints is not an answer
        os.dup2(nothing, stream)
    guest = Guest()
    while question := _read(questions):
        reply = answer(guest, question)
        try:
            body = frames.pack(reply)
        except frames.FrameError as error:
            body = frames.pack({"raised": ["TypeError"], "message": str(error)})
        answers.write(body)
        answers.flush()


def _read(pipe: BinaryIO) -> dict | None:
    head = pipe.read(frames.LENGTH.size)
    if len(head) < frames.LENGTH.size:
        return None
    (length,) = frames.LENGTH.unpack(head)
    return frames.unpack(pipe.read(length))


if __name__ == "__main__":
    main()
