"""Run a student's notebook, and say of each test what came of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from coursework.bounds import CELL_SECONDS
from coursework.own_notebook import grade_id, home_of, is_locked, is_task, is_test, missing_tasks

NOT_DONE = "not done yet"
MOST_TEXT = 300
"""Characters of an error's message that are reported."""

HINTS = {
    "test_profile_naive": "without a cache, how long is the text that each pass reads?",
    "test_cache_allocate": "the sizes keep the arguments' names; which dtype does np.zeros give?",
    "test_cache_update": "where do the new entries begin, and where does what you return end?",
    "test_cache_history": "has each layer room of its own, and each pass its own place in it?",
    "test_cache_reset": "what tells the cache how many tokens it holds?",
    "test_cache_overflow": "before you write, compare where the new entries would end.",
    "test_enable_prefill": "how many tokens has a pass, and how often is advance called in it?",
    "test_enable_positions": "after 3 tokens, what does positions_of(3, 1) return?",
    "test_enable_layers": "when a function made in a loop runs, which layer does it see?",
    "test_no_trace": "list what enable_cache adds, and to which objects.",
    "test_other_models": "do you change this model's attributes, or those of its class?",
    "test_same_text": "print the shape of what you feed: the prompt once, then how many tokens?",
    "test_second_text": "what does the cache still hold when the second text begins?",
    "test_padding": "who needs to know num_pads? Print the positions that each row gets.",
    "test_memory": "for one token of one layer, list the arrays and their shapes.",
    "test_speedup": "count keys and pairs for 3 tokens by hand, pass by pass.",
}
"""What to ask oneself when a test fails, by the test's grade_id. No hint is a solution."""


@dataclass(frozen=True)
class Result:
    """What came of a test, or of another cell that failed.

    Attributes
    ----------
    name : str
        The cell's grade_id, or which cell it is.
    is_test : bool
    failure : str
        What failed; empty if the test passed.
    look_at : str
        The cell, and where it is known the line, to look at.
    hint : str
    """

    name: str
    is_test: bool
    failure: str = ""
    look_at: str = ""
    hint: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether a task was met in which nothing is written yet."""
        return self.failure == NOT_DONE


def run_tests(
    notebook: NotebookNode, folder: Path, cell_seconds: int | None = None
) -> Iterator[Result]:
    """Run every cell in a new kernel, and yield a result for each test, in order.

    A cell that is no test has a result only if it fails. After a cell that cannot be stopped, or
    that ends the kernel, no other runs.

    Parameters
    ----------
    notebook : NotebookNode
        From `read_notebook`.
    folder : Path
        Where the cells run.
    cell_seconds : int, optional
        When a cell is interrupted. Default: as when it is graded.

    Yields
    ------
    Result
    """
    client = _Client(deepcopy(notebook), folder, cell_seconds or CELL_SECONDS)
    for task in missing_tasks(notebook):
        hint = "`tito module reset 15` keeps your notebook as a backup and writes a fresh one."
        yield Result(task, False, "this cell is missing", hint=hint)
    reporter = _Reporter(client.nb.cells)
    # What the kernel itself writes is no result: warnings about its connection.
    with client.setup_kernel(cleanup_kc=True, stderr=subprocess.DEVNULL):
        end = ""
        for index, cell in enumerate(client.nb.cells):
            if cell.cell_type != "code" or (end and not is_test(cell)):
                continue
            if end:
                yield Result(grade_id(cell), True, "not run", end)
                continue
            failure = client.run(index)
            if failure or is_test(cell):
                result = reporter.result(index, failure)
                yield result
            if client.ended:
                end = result.look_at


class _ThisPython(KernelSpecManager):
    """The kernel is the Python that runs this, whatever Jupyter finds under its name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(argv=make_ipkernel_cmd(), display_name=kernel_name, language="python")


class _Client(NotebookClient):
    """Runs cells, and says in a word or two what failed.

    It keeps errors and no other output: an endless loop may print without end.
    """

    def __init__(self, notebook: NotebookNode, folder: Path, seconds: int):
        super().__init__(
            notebook,
            km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_ThisPython()),
            resources={"metadata": {"path": str(folder)}},
            timeout=seconds,
            interrupt_on_timeout=True,
            error_on_timeout={"ename": "CellTimeoutError", "evalue": "", "traceback": []},
            iopub_timeout=10,
            raise_on_iopub_timeout=True,
            force_raise_errors=True,
            record_timing=False,
            shutdown_kernel="immediate",
            on_cell_executed=self._note_exit,
        )
        self.ended = False

    def run(self, index: int) -> str:
        """Run a cell; return what failed, or the empty text. After `ended`, run no more."""
        try:
            self.execute_cell(self.nb.cells[index], index)
        except CellExecutionError as error:
            if error.ename == "CellTimeoutError":
                return f"stopped after {self.timeout} s"
            return error.ename
        except CellTimeoutError:
            self.ended = True
            return f"could not be stopped after {self.timeout} s"
        except DeadKernelError:
            self.ended = True
        return "ended the kernel" if self.ended else ""

    def output(self, outs, msg, display_id, cell_index):
        if msg["msg_type"] == "error":
            return super().output(outs, msg, display_id, cell_index)
        return None

    def _note_exit(self, cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        """Note ``exit()``, after which the kernel lives on for a moment."""
        asked = execute_reply["content"].get("payload", [])
        self.ended |= any(payload.get("source") == "ask_exit" for payload in asked)


class _Reporter:
    """Says what a cell's error was, and which of the student's lines it came through."""

    def __init__(self, cells: list[NotebookNode]):
        self.cells = cells

    def result(self, index: int, failure: str) -> Result:
        """Return the result of a cell that has run, with what `_Client.run` said."""
        cell, name = self.cells[index], self._name(index)
        if not failure:
            return Result(name, is_test(cell))
        error = next((out for out in cell.outputs if out.output_type == "error"), None)
        lines = self._lines(error) if error else []
        raised = bool(error) and error.ename == failure
        failure = self._message(error, lines) if raised else failure
        undefined = re.match(r"NameError: name '(\w+)'", failure)
        home = home_of(undefined[1]) if undefined else ""
        known = self._own_line(lines) or home  # where that is known, a general hint misleads
        hint = HINTS.get(name, "") if raised and not known else ""
        return Result(name, is_test(cell), failure, known or self._task_before(index), hint)

    def _name(self, index: int) -> str:
        return grade_id(self.cells[index]) or f"{index + 1} (your own)"

    def _message(self, error: NotebookNode, lines: list[tuple[int, int]]) -> str:
        """Return the error as the student should read it."""
        message = _first_line(error.evalue)
        if error.ename == "NotImplementedError":
            return NOT_DONE
        if error.ename != "AssertionError":
            return f"{error.ename}: {message}" if message else error.ename
        if not message and lines:
            at, line = lines[-1]
            return self.cells[at].source.splitlines()[line - 1].strip()
        return message or "an assert failed"

    def _own_line(self, lines: list[tuple[int, int]]) -> str:
        """Return the innermost line that the student wrote."""
        own = [(at, line) for at, line in lines if not is_locked(self.cells[at])]
        return f"{self._name(own[-1][0])}, line {own[-1][1]}" if own else ""

    def _lines(self, error: NotebookNode) -> list[tuple[int, int]]:
        """Return the cells and lines of an error's traceback, the innermost last."""
        ran = {
            cell.execution_count: index
            for index, cell in enumerate(self.cells)
            if cell.cell_type == "code" and cell.execution_count
        }
        trace = _colourless("\n".join(error.traceback))
        found = re.findall(r"Cell In\[(\d+)\], line (\d+)", trace)
        return [(ran[int(count)], int(line)) for count, line in found if int(count) in ran]

    def _task_before(self, index: int) -> str:
        tasks = [cell for cell in self.cells[: index + 1] if is_task(cell)]
        return grade_id(tasks[-1]) if tasks else ""


def _first_line(message: str) -> str:
    """Return the first line of an error's message, and not all of a long one."""
    line = next((line for line in _colourless(message).splitlines() if line.strip()), "")
    line = re.sub(r" \(\w+\.py, line \d+\)$", "", line)  # IPython's name for the cell
    return line if len(line) <= MOST_TEXT else f"{line[:MOST_TEXT]}..."


def _colourless(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
