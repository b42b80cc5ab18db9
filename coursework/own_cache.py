"""The student's cache outside the notebook: as a file, and in SmolLM2.

The file is the student's own and runs on the student's own machine: nothing here guards against it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinytorch.core import GPT
from tinytorch.generation import stream
from tinytorch.models import ChatTokenizer

HEAD = (
    '"""KVCache of Module 15, exported by `tito module complete 15`."""\n\nimport numpy as np\n\n\n'
)


class CacheError(Exception):
    """The student's cache does not work; the message says where, and what happened."""


class OwnCache:
    """The class KVCache that a text of the student's defines.

    Parameters
    ----------
    text : str
        Python.
    name : str
        What messages call the text.
    first_line : int
        Where in the text the student's part begins.

    Raises
    ------
    CacheError
        If the text does not run, or defines no such class.
    """

    def __init__(self, text: str, name: str, first_line: int = 1):
        self.name, self.first_line = name, first_line
        # Not imported: two exports within a second would share their bytecode.
        names: dict[str, object] = {"__name__": "kv_cache"}
        with self.blamed():
            exec(compile(text, name, "exec"), names)
        given = names.get("KVCache")
        if not isinstance(given, type):
            raise CacheError(f"{name} has no class KVCache")
        self.cache_class = _with_length(given)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Turn an error inside a ``with`` block into a `CacheError` with the student's line."""
        try:
            yield
        except (Exception, SystemExit) as error:
            line = _line_in(self.name, error)
            place = f"line {line - self.first_line + 1} of {self.name}" if line else self.name
            message = error.msg if isinstance(error, SyntaxError) else _words(error)
            raise CacheError(f"{place}: {type(error).__name__}: {message}") from error

    def try_methods(self) -> None:
        """Call each method, to meet names that only the notebook has."""
        new = np.ones((1, 1, 1, 2), dtype=np.float32)
        with self.blamed():
            cache = self.cache_class(1, 4, 1, 1, 2)
            cache.update(0, new, new)
            cache.advance(1)
            cache.get(0)
            cache.reset()


def _with_length(given: type) -> type:
    """Return the class with ``len(cache)``, which `stream` needs and the assignment omits."""
    if hasattr(given, "__len__"):
        return given

    class KVCache(given):
        def __len__(self) -> int:
            return self.seq_pos

    return KVCache


def _words(error: BaseException) -> str:
    """Return what an error says, also where the student's ``__str__`` fails."""
    try:
        return str(error)
    except Exception:
        return "(an error that cannot say what it is)"


def _line_in(name: str, error: Exception) -> int | None:
    """Return the innermost line of the text `name` that an error came through."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def exported_text(cell: str) -> str:
    """Return the file that holds the student's cell and can be used without the notebook.

    Raises
    ------
    CacheError
        If the cell needs something besides NumPy.
    """
    text = f"{HEAD}{cell}\n"
    try:
        OwnCache(text, "the cell kv_cache", first_line=HEAD.count("\n") + 1).try_methods()
    except CacheError as error:
        raise CacheError(
            f"the cell kv_cache must work without the rest of the notebook: {error}"
        ) from error
    return text


def load_cache(file: Path) -> OwnCache:
    """Return the cache of an exported file.

    Raises
    ------
    CacheError
        If the file does not run, or has no class KVCache.
    """
    return OwnCache(file.read_text(encoding="utf-8"), str(file))


@dataclass(frozen=True)
class Answer:
    """Generated tokens, and the seconds that they took with the pass over the prompt."""

    tokens: list[int]
    seconds: float

    def first_difference(self, other: Answer) -> int | None:
        """Return which token is the first to differ, counted from 1, or None."""
        if self.tokens == other.tokens:
            return None
        pairs = zip(self.tokens, other.tokens, strict=False)
        return 1 + [*(own == others for own, others in pairs), False].index(False)


class Question:
    """A question to a model, for answers with and without a cache.

    Parameters
    ----------
    model : GPT
    tokenizer : ChatTokenizer
    prompt : str
    max_tokens : int
        Longest answer.

    Raises
    ------
    ValueError
        If the prompt cannot be encoded, or the text would outgrow the model.
    """

    def __init__(self, model: GPT, tokenizer: ChatTokenizer, prompt: str, max_tokens: int):
        self.model, self.tokenizer = model, tokenizer
        self.prompt, self.max_tokens = tokenizer.encode_chat(prompt), max_tokens
        next(self._steps())  # the first pass may wait for the disk to bring the weights

    def answer(self, own: OwnCache, show: Callable[[str], None]) -> Answer:
        """Generate with the student's cache, and show each piece of text when it is known.

        Raises
        ------
        CacheError
            If the cache fails.
        """
        tokens: list[int] = []
        start = time.perf_counter()
        for text in self.tokenizer.decode_stream(self._own_steps(own, tokens)):
            show(text)
        return Answer(tokens, time.perf_counter() - start)

    def answer_without(self) -> Answer:
        """Generate without a cache."""
        start = time.perf_counter()
        tokens = list(self._steps(use_cache=False))
        return Answer(tokens, time.perf_counter() - start)

    def _own_steps(self, own: OwnCache, tokens: list[int]) -> Iterator[int]:
        room, model = len(self.prompt) + self.max_tokens, self.model
        with own.blamed():
            cache = own.cache_class(1, room, model.num_layers, model.num_kv_heads, model.head_dim)
            for token in self._steps(cache=cache):
                tokens.append(token)
                yield token

    def _steps(self, **options: object) -> Iterator[int]:
        stop = self.tokenizer.stop_tokens
        steps = stream(self.model, self.prompt, self.max_tokens, stop_tokens=stop, **options)
        return (int(new[0]) for new in steps)
