"""The committed kernels are those that the source compiles to, and they are small."""

import gzip

import pytest

from tinytorch.browser import compile as compiler
from tinytorch.browser.bundle import COMMENT

LARGEST = 30_000


def test_the_committed_module_is_what_the_source_compiles_to(tmp_path):
    compiler.compile_kernels(tmp_path / "kernels.wasm")
    compiled = (tmp_path / "kernels.wasm").read_bytes()
    assert compiled == compiler.KERNELS.read_bytes(), "run `make wasm`"


def test_a_mistake_in_the_source_is_told(tmp_path, monkeypatch):
    for name in compiler.SOURCES:
        (tmp_path / name).write_text("int wrong(void) { return missing; }")
    monkeypatch.setattr(compiler, "HERE", tmp_path)
    with pytest.raises(RuntimeError, match="undeclared identifier 'missing'"):
        compiler.compile_kernels(tmp_path / "kernels.wasm")


def test_the_stack_of_the_kernels_lies_in_the_memory_that_is_left_to_them(page):
    stack = page.evaluate("() => small.engine.kernels.__stack_pointer?.value ?? 32768")
    assert stack <= page.evaluate("() => small.engine.weights")


def test_the_engine_is_small():
    """Without comments, which hold words and types, as in the script that pages load."""
    texts = [COMMENT.sub("", path.read_text()) for path in compiler.HERE.glob("*.mjs")]
    files = [compiler.KERNELS.read_bytes(), *(text.encode() for text in texts)]
    assert len(files) > 5
    assert sum(len(gzip.compress(file)) for file in files) < LARGEST
