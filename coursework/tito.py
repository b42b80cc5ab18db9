"""The student's command: ``tito module start 15``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coursework.own_cache import Answer, CacheError, Question, exported_text, load_cache
from coursework.workspace import MODULE, MODULES, WorkError, Workspace, now, write_whole
from tinytorch.models import DownloadError, load_smollm2

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from coursework.checking import Result

PROMPT = "Why is the sky blue?"

app = typer.Typer(
    help="Work on a module: start it, test it, hand it in, and watch your code run.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
module = typer.Typer(
    help="Start, test, complete, submit, reset a module, or see how far you are.",
    no_args_is_help=True,
)
app.add_typer(module, name="module")
console = Console(highlight=False, soft_wrap=True)
errors = Console(highlight=False, soft_wrap=True, stderr=True)


def only_module(number: int) -> int:
    """Refuse a module that is not here."""
    if number != MODULE:
        raise typer.BadParameter(f"only module {MODULE} is here, not {number}")
    return number


Number = Annotated[
    int, typer.Argument(callback=only_module, metavar="MODULE", help=f"{MODULE}: Memoization.")
]
Folder = Annotated[Path, typer.Option("--folder", help="The folder of all your modules.")]
CellSeconds = Annotated[int | None, typer.Option(min=1, hidden=True)]


@app.callback()
def prepare() -> None:
    """Print what the terminal cannot show as question marks."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")


@module.command(epilog="Example: tito module start 15 --folder coursework")
def start(number: Number, folder: Folder = MODULES) -> None:
    """Write the notebook that you work in. Work that is there already stays as it is."""
    work = Workspace(folder)
    with explained():
        if work.notebook.exists():
            say(f"your work is here already, and stays as it is: {work.notebook}")
        else:
            work.start(late("own_notebook").release_text())
            say(f"module {number} is ready: {work.notebook}")
            backup = work.last_backup()
            if backup:
                say(f"earlier work is kept: {backup}")
    say(f'open it:    jupyter lab "{work.notebook}"')
    say(f"then try:   {work.command('test')}")


@module.command("test", epilog="Example: tito module test 15")
def check(number: Number, folder: Folder = MODULES, cell_seconds: CellSeconds = None) -> None:
    """Run your notebook from the top, and say what each test found. The file stays as it is."""
    work = Workspace(folder)
    with explained():
        results = run_and_report(work, read(work), cell_seconds)
    if any(result.failure for result in results):
        raise typer.Exit(1)
    say(f"next:       {work.command('complete')}")


@module.command(epilog="Example: tito module complete 15")
def complete(number: Number, folder: Folder = MODULES, cell_seconds: CellSeconds = None) -> None:
    """Run all tests, and if they pass, export your cache as a file."""
    work = Workspace(folder)
    with explained():
        notebook = read(work)
        results = run_and_report(work, notebook, cell_seconds)
        if any(result.failure for result in results):
            fail("not completed: every test must pass", 1)
        write_whole(
            work.export, exported_text(late("own_notebook").task_source(notebook, "kv_cache"))
        )
        work.note(completed=now())
    say(f"module {number} is completed; your cache: {work.export}", "green")
    say(f"see it run: {work.command('demo')}")


@module.command(epilog="Example: tito module submit 15")
def submit(number: Number, folder: Folder = MODULES, cell_seconds: CellSeconds = None) -> None:
    """Check your notebook as the grader receives it, and write the file to hand in."""
    work = Workspace(folder)
    with explained():
        notebook, hand_in = read(work), late("hand_in")
        results = run_and_report(work, notebook, cell_seconds)
        write_whole(work.hand_in, hand_in.hand_in_text(notebook))
    passed = {result.name for result in results if not result.failure}
    points, total = hand_in.points_of_tests(notebook, passed)
    answers = hand_in.points_of_answers()
    say(f"points:     {points:g} of {total:g} by the tests that you see")
    say(f"            hidden tests will count too, and answers in words have {answers:g} more")
    for name, problem in hand_in.what_is_missing(notebook).items():
        say(f"missing     {name}: {problem}", "yellow")
    say(f"hand in:    {work.hand_in}")
    say(f"            Keep its name, {work.hand_in.name}. After a change, submit again.")


@module.command(epilog="Example: tito module status")
def status(folder: Folder = MODULES) -> None:
    """Say how far you are."""
    work = Workspace(folder)
    with explained():
        record = work.read_record()
    tests = record.get("tests")
    table = Table()
    for heading in ("module", "started", "visible tests passed", "completed", "exported"):
        table.add_column(heading, overflow="fold")
    table.add_row(
        f"{MODULE} Memoization",
        (record.get("started") or "yes")[:16] if work.notebook.exists() else "no",
        f"{tests['passed']} of {tests['total']}, {tests['at'][:16]}" if tests else "not run",
        (record.get("completed") or "no")[:16],
        "yes" if work.export.exists() else "no",
    )
    console.print(table, soft_wrap=False)
    if not work.notebook.exists():
        say(f"begin:      {work.command('start')}")


@module.command(epilog="Example: tito module reset 15 --yes")
def reset(
    number: Number,
    folder: Folder = MODULES,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Move your notebook to a backup, and write a fresh one. An exported cache stays."""
    work = Workspace(folder)
    with explained():
        work.require_notebook()
        if not yes:
            typer.confirm(f"Move {work.notebook} to a backup and start over?", abort=True)
        backup = work.start_over(late("own_notebook").release_text())
    say(f"your work is kept: {backup}")
    say(f"a fresh notebook:  {work.notebook}")


@app.command(epilog='Example: tito demo 15 --prompt "Tell me a joke." --max-tokens 40')
def demo(
    number: Number,
    folder: Folder = MODULES,
    prompt: Annotated[str, typer.Option(help="What to ask SmolLM2.")] = PROMPT,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 60,
) -> None:
    """Let SmolLM2 answer with your cache, and then without any. The first time fetches 93 MB."""
    work = Workspace(folder)
    if not work.export.exists():
        fail(f"there is no {work.export}: export your cache with `{work.command('complete')}`")
    with explained(ValueError):
        own = load_cache(work.export)
        question = Question(*load_smollm2(), prompt, max_tokens)
        cached = question.answer(own, type_out)
    type_out("\n\n")
    say_speed("with your cache", cached)
    say("now the same without a cache, which takes longer")
    plain = question.answer_without()
    say_speed("without a cache", plain)
    where = cached.first_difference(plain)
    if where:
        say(
            f"the texts differ from token {where} on: either the cache is wrong, or two tokens "
            "were so close that rounding chose between them",
            "red",
        )
        raise typer.Exit(1)
    say("both texts are equal", "green")


def say_speed(name: str, answer: Answer) -> None:
    """Say how fast an answer came."""
    count, seconds = len(answer.tokens), answer.seconds
    say(f"{name}: {count} tokens in {seconds:.2f} s, {count / seconds:.1f} tokens/s")


def read(work: Workspace) -> NotebookNode:
    """Return the student's notebook, with the locked cells as they were released."""
    work.require_notebook()
    return late("own_notebook").read_notebook(work.notebook)


def run_and_report(
    work: Workspace, notebook: NotebookNode, cell_seconds: int | None
) -> list[Result]:
    """Run the notebook, print a line for each result; return those of the tests."""
    say(f"running {work.notebook}, as it was last saved")
    for name in late("own_notebook").changed_cells(notebook):
        say(f"note  {name}: not as it was released; the released cell runs", "yellow")
    run_tests, folder = late("checking").run_tests, work.notebook.parent.resolve()
    results = []
    for result in run_tests(notebook, folder, cell_seconds):
        say_result(result)
        results.append(result)
    tests = [result for result in results if result.is_test]
    passed, total = sum(not test.failure for test in tests), len(tests)
    work.note_tests(passed, total)
    say(f"{passed} of {total} visible tests pass", "green" if passed == total else "red")
    if any(result.is_unfinished for result in results):
        say("not done yet: write where it says YOUR CODE HERE, and delete the line below it")
    elif passed < total:
        say("later tests build on earlier ones: begin with the first that fails")
    return tests


def say_result(result: Result) -> None:
    """Print what came of a cell, and where to look."""
    word = ("pass", "green") if not result.failure else ("fail", "red")
    line = ": ".join(part for part in (result.name, result.failure) if part)
    console.print(Text.assemble(word if result.is_test else ("cell", "yellow"), f"  {line}"))
    look_at = f"look at cell {result.look_at}" if result.look_at else ""
    advice = ": ".join(part for part in (look_at, result.hint) if part)
    if advice:
        say(f"      {advice}", "dim")


def late(name: str) -> ModuleType:
    """Import a module of this package when a command needs it.

    With nbgrader, nbformat and nbclient ``tito --help`` takes 3.3 s on 2 cores,
    without them 0.4 s.
    """
    try:
        return import_module(f"coursework.{name}")
    except ModuleNotFoundError as error:
        raise WorkError(
            f"{error.name} is not installed: in the clone, pip install -e '.[coursework]'"
        ) from None


@contextmanager
def explained(*others: type[Exception]) -> Iterator[None]:
    """End with a message instead of a traceback, also after errors of `others`."""
    try:
        yield
    except (WorkError, OSError, *others) as error:
        fail(str(error))
    except (CacheError, DownloadError) as error:
        fail(str(error), 1)


def fail(message: str, code: int = 2) -> None:
    """Print an error and end."""
    errors.print(Text(f"error: {message}", style="red"))
    raise typer.Exit(code)


def say(line: str, style: str = "") -> None:
    """Print a line as it is, brackets included."""
    console.print(Text(line, style=style))


def type_out(text: str) -> None:
    """Print a piece of a text, at once."""
    typer.echo(text, nl=False)


if __name__ == "__main__":
    app()
