"""What is released holds all that it needs, and runs where nothing else is installed.

`make dist` and the workflows run all of it; `make test` leaves out what downloads an environment.
"""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import tinytorch
from tinytorch.widgets import OperationExplorer

ROOT = Path(__file__).parents[1]

SHOWS_A_WIDGET = """
import json
from IPython.core.formatters import DisplayFormatter
from tinytorch.widgets import OperationExplorer
explorer = OperationExplorer()
shown, _ = DisplayFormatter().format(explorer)
view = shown["application/vnd.jupyter.widget-view+json"]
is_shown = view["model_id"] == explorer.model_id
print(json.dumps([is_shown, explorer._esm, explorer._css, explorer.to_html()]))
"""


def run(*command: str | Path, **options) -> str:
    run = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, **options
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


def tracked(*folders: str) -> list[str]:
    """Return the files of the repository, those not yet committed among them."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    return [name for name in run(*listed, cwd=ROOT).splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The sdist, and the wheel that was built from it; nothing is left in the working tree."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--outdir", target, source)
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def python(built, tmp_path_factory) -> Path:
    """The interpreter of an environment that holds the wheel and what it asks for.

    It is run with ``-I``, so that nothing outside is found.
    """
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin/python"
    wanted = [f"{built[1]}[widgets]", "-c", ROOT / "constraints.txt"]
    run(interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
    return interpreter


@pytest.mark.slow
def test_wheel_and_sdist_hold_every_file_of_the_packages(built):
    sdist, wheel = built
    needed = set(tracked("tinytorch", "coursework"))
    assert {"tinytorch/browser/kernels.wasm", "coursework/module15.md"} <= needed
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert in_wheel == needed
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    assert needed | {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"} <= in_sdist
    assert not {name for name in in_sdist if name.startswith(("book", "tests"))}


@pytest.mark.slow
def test_the_metadata_names_version_licence_and_extras(built):
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Version"] == tinytorch.__version__
    assert metadata["License-Expression"] == "MIT"
    assert {"widgets", "serving", "coursework"} <= set(metadata.get_all("Provides-Extra"))


@pytest.mark.installs
def test_the_ten_lines_of_the_readme_run_from_the_wheel(python, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    output = run(python, "-I", "-c", code, cwd=tmp_path)
    counts = re.findall(r"^[\d,]+ multiply-adds, cache: (True|False)$", output, re.MULTILINE)
    assert counts == ["False", "True"]


@pytest.mark.installs
def test_a_widget_is_shown_from_the_wheel(python, tmp_path):
    explorer = OperationExplorer()
    is_shown, *parts = json.loads(run(python, "-I", "-c", SHOWS_A_WIDGET, cwd=tmp_path))
    assert is_shown
    assert parts[:2] == [explorer._esm, explorer._css]
    assert "<svg" in parts[2]
    where = run(python, "-I", "-c", "import tinytorch; print(tinytorch.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(python.parents[1])


def test_the_version_is_the_same_everywhere():
    (cited,) = re.findall(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.*?)\]", changes, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert tinytorch.__version__ == cited == headings[1]
