"""A notebook that shows each widget twice, open in JupyterLab or in Notebook 7."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.lab import Notebook, errors, jupyterlab, own_folders
from tests.browser.pages import opened
from tests.widgets.runs import small_run
from tests.widgets.sessions import Session
from tinytorch.core import GPT
from tinytorch.generation import disable_kv_cache
from tinytorch.models import ChatTokenizer, load_smollm2
from tinytorch.widgets import AttentionStepper, record_lab
from tinytorch.widgets.races import record_race, sizes_record
from tinytorch.widgets.records import Record

JUPYTER = Path(sys.executable).with_name("jupyter")
NO_OTHER_HOST = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
FRONT_ENDS = {"lab": ("lab/tree/", NO_OTHER_HOST), "notebook": ("notebooks/", ())}
"""Where a front end shows a file, and what keeps it from asking other hosts."""
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
    "@jupyterlab/apputils-extension:sessionDialogs": {"skipKernelRestartDialog": True},
}

IMPORTS = """
import ipywidgets
import json
from pathlib import Path
from tinytorch.widgets import (
    AttentionStepper, CacheLab, CacheMemoryExplorer, GenerationPlayer, LiveRace, OperationExplorer,
    ServerExplorer,
)
from tinytorch.models import load_smollm2

model_and_tokenizer = load_smollm2()
read = lambda name: json.loads(Path(name).read_text())
"""
MAKE = {
    "player": f"player = GenerationPlayer({small_run(5)}, step=4)",
    "explorer": "explorer = OperationExplorer()",
    "memory": "memory = CacheMemoryExplorer()",
    "stepper": "stepper = AttentionStepper(read('trace.json'))",
    "race": "race = LiveRace(*read('race.json'), *model_and_tokenizer, new_tokens=4)",
    "lab": "lab = CacheLab(read('lab.json'), 'no-prefill')",
    "server": "server = ServerExplorer('pool too small')",
}
LINKED = """
step = ipywidgets.IntSlider(player.step, max=player.last_step)
ipywidgets.link((player, "step"), (step, "value"))
ipywidgets.interactive_output(lambda step: print(f"step {step} is drawn"), {"step": step})
"""
CELLS = {
    "setup": "\n".join((IMPORTS, *MAKE.values())),
    "player": "player",
    "the player again": "player",
    "explorer": "ipywidgets.VBox([explorer, explorer])",
    "stepper": "ipywidgets.VBox([stepper, stepper])",
    "race": "ipywidgets.VBox([race, race])",
    "lab": "ipywidgets.VBox([lab, lab])",
    "server": "ipywidgets.VBox([server, server])",
    "memory": "ipywidgets.VBox([memory, memory])",
    "linked": LINKED,
    "last": "",
}
LABELS = {
    "player": "Generation player",
    "explorer": "Operation explorer",
    "memory": "Cache memory explorer",
    "stepper": "Attention stepper",
    "race": "Live race",
    "lab": "Cache lab",
    "server": "Server explorer",
}


SHOWING = {name: (name,) for name in LABELS} | {"player": ("player", "the player again", "linked")}
"""The cells that show a widget."""


class Widgets(Notebook):
    """The notebook with all widgets."""

    def __init__(self, page: Page):
        super().__init__(page)
        self._touched: set[str] = set()

    def renew(self) -> None:
        """Make each widget that was looked at or spoken of anew, and show it."""
        names = [name for name in MAKE if name in self._touched]
        self._touched.clear()
        assert errors(self.run_cell(-1, "\n".join(map(MAKE.get, names)))) == []
        for cell in (cell for name in names for cell in SHOWING[name]):
            self.rerun(cell)
        self.run_cell(-1, "")

    def views(self, name: str) -> tuple[Locator, Locator]:
        """Return both views of a widget."""
        self._touched.add(name)
        views = self.page.get_by_role("group", name=LABELS[name])
        expect(views).to_have_count(2)
        return views.nth(0), views.nth(1)

    def output(self, cell: str) -> Locator:
        """Return what a cell shows."""
        return (
            self.page.locator(".jp-Notebook-cell")
            .nth([*CELLS].index(cell))
            .locator(".jp-Cell-outputArea")
        )

    def active_cell(self) -> Locator:
        """Return the cell on which a key of JupyterLab acts."""
        return self.page.locator(".jp-Notebook-cell.jp-mod-active")

    def rerun(self, cell: str) -> None:
        """Run one of the cells again."""
        assert errors(self.run_cell([*CELLS].index(cell))) == []

    def kernel(self, code: str) -> str:
        """Run code in the last cell; return what it prints."""
        self._touched |= {name for name in MAKE if name in code}
        outputs = self.run_cell(-1, code)
        assert errors(outputs) == []
        return "".join(output["text"] for output in outputs)

    def value(self, name: str) -> str:
        """Return a value that the kernel has."""
        return self.kernel(f"print({name})").strip()

    def expect_value(self, name: str, expected: str) -> None:
        """Check a value of the kernel, which the front end may send a moment later.

        It sends a step when the kernel has taken the one before.
        """
        for _ in range(50):
            if (value := self.value(name)) == expected:
                break
            self.page.wait_for_timeout(200)
        assert value == expected


def lab_record(model: GPT, tokenizer: ChatTokenizer) -> Record:
    """Record a right cache, and one that loses the prompt."""
    text = tokenizer.encode("The cat sat on the mat, and the dog")
    sessions = {
        "right": lambda: Session(model),
        "no-prefill": lambda: Session(model, forgets=True),
    }
    record = record_lab(tokenizer, text, 5, sessions, 4)
    disable_kv_cache(model)
    return record


def write_notebook(folder: Path) -> str:
    """Write the notebook and what it reads; return its name."""
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in CELLS.values()],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(book, folder / "widgets.ipynb")
    model, tokenizer = load_smollm2()
    stepper = AttentionStepper.from_prompt(model, tokenizer, "The cat sat", 4)
    (folder / "trace.json").write_text(json.dumps(stepper.trace))
    race = [record_race(model, tokenizer, "The cat sat", 3), sizes_record(model.config)]
    (folder / "race.json").write_text(json.dumps(race))
    (folder / "lab.json").write_text(json.dumps(lab_record(model, tokenizer)))
    return "widgets.ipynb"


@contextmanager
def opened_widgets(
    browser: Browser, folder: Path, home: Path, front_end: str
) -> Iterator[tuple[Widgets, list[str]]]:
    """Open the notebook in a front end; yield it with what goes wrong in the browser."""
    name = write_notebook(folder)
    place, options = FRONT_ENDS[front_end]
    write_settings(home)
    with (
        jupyterlab(
            JUPYTER,
            *options,
            folder=folder,
            environment=os.environ | own_folders(home),
            log=home / "jupyter.log",
            application=front_end,
        ) as (url, _),
        opened(browser, f"{url}{place}{name}", url) as (page, problems, _),
    ):
        widgets = Widgets(page)
        widgets.wait_for_kernel()
        for cell in widgets.run_all()["cells"]:
            assert errors(cell["outputs"]) == []
        yield widgets, problems


def write_settings(home: Path) -> None:
    """Let JupyterLab ask nothing."""
    folder = Path(own_folders(home)["JUPYTER_CONFIG_DIR"]) / "labconfig"
    folder.mkdir(parents=True)
    (folder / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
