"""Rules of the house that hold for the package as a whole."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinytorch

PACKAGE = Path(tinytorch.__file__).parent
LAYERS = [
    "core",
    "profiling",
    "generation",
    "models",
    "serving",
    "distributed",
    "analysis",
    "browser",
    "widgets",
]
SOURCES = sorted(PACKAGE.rglob("*.py"))


def imported_layers(source: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    assert "tinytorch" not in modules, "a layer imports from a layer, not from the whole package"
    return {name.split(".")[1] for name in modules if name.startswith("tinytorch.")}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(source):
    layer = source.relative_to(PACKAGE).parts[0]
    if layer in LAYERS:
        allowed = set(LAYERS[: LAYERS.index(layer) + 1])
        assert imported_layers(source) <= allowed


@pytest.mark.parametrize("source", sorted((PACKAGE / "core").glob("*.py")), ids=lambda p: p.stem)
def test_the_model_code_never_mentions_a_cache_of_keys_and_values(source):
    text = source.read_text(encoding="utf-8").lower()
    assert "kvcache" not in text
    assert "kv_cache" not in text


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )


def test_importing_prints_nothing():
    run = run_python("import tinytorch")
    assert (run.stdout, run.stderr) == ("", "")


def test_importing_loads_nothing_heavy():
    run = run_python(
        "import numpy, sys; before = set(sys.modules); import tinytorch; "
        "print(*sorted(m.split('.')[0] for m in set(sys.modules) - before))"
    )
    loaded = set(run.stdout.split()) - set(sys.stdlib_module_names) - {"numpy"}
    assert loaded == {"tinytorch"}


def test_everything_public_is_there():
    for name in tinytorch.__all__:
        assert getattr(tinytorch, name).__doc__
