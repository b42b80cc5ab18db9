"""A notebook that shows each widget twice."""

import json
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, expect

from tests.browser.lab import Notebook, errors
from tests.widgets.runs import small_run
from tinytorch.models import load_smollm2
from tinytorch.widgets import AttentionStepper
from tinytorch.widgets.races import record_race, sizes_record

SETUP = f"""
import ipywidgets
import json
from pathlib import Path
from tinytorch.widgets import (
    AttentionStepper, CacheMemoryExplorer, GenerationPlayer, LiveRace, OperationExplorer
)
from tinytorch.models import load_smollm2

player = GenerationPlayer({small_run(5)}, step=4)
explorer = OperationExplorer()
memory = CacheMemoryExplorer()
stepper = AttentionStepper(json.loads(Path("trace.json").read_text()))
race = LiveRace(*json.loads(Path("race.json").read_text()), *load_smollm2(), new_tokens=4)
"""
LINKED = """
step = ipywidgets.IntSlider(player.step, max=player.last_step)
ipywidgets.link((player, "step"), (step, "value"))
ipywidgets.interactive_output(lambda step: print(f"step {step} is drawn"), {"step": step})
"""
CELLS = {
    "setup": SETUP,
    "player": "player",
    "the player again": "player",
    "explorer": "ipywidgets.VBox([explorer, explorer])",
    "stepper": "ipywidgets.VBox([stepper, stepper])",
    "race": "ipywidgets.VBox([race, race])",
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
}


class Widgets(Notebook):
    """The notebook with all widgets."""

    def views(self, name: str) -> tuple[Locator, Locator]:
        """Return both views of a widget."""
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
        outputs = self.run_cell(-1, code)
        assert errors(outputs) == []
        return "".join(output["text"] for output in outputs)

    def value(self, name: str) -> str:
        """Return a value that the kernel has."""
        return self.kernel(f"print({name})").strip()

    def settled(self, name: str, expected: str) -> str:
        """Return a value once it is the expected one, or what it is after ten looks.

        A front end sends a step when the kernel has taken the one before.
        """
        for _ in range(10):
            if (value := self.value(name)) == expected:
                break
            self.page.wait_for_timeout(200)
        return value


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
    return "widgets.ipynb"
