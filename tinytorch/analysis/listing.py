"""Two functions as one listing in which the lines that differ are lit."""

from __future__ import annotations

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Mapping

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


class CodeDiff:
    """The statements of a function, and what a second version of it adds and removes.

    Docstrings, type hints and comments are left out, so that the lines hold the idea alone.

    Parameters
    ----------
    before, after : callable
        Functions or methods whose source can be read.
    rename : mapping of str to str, optional
        What names are called in the listing: ``{"attention": "self"}``. An argument that is called
        like its new name is left out, as the first argument of a method is.

    Attributes
    ----------
    lines : list of (str, str)
        A mark, " ", "+" or "-", and a line of code.
    """

    def __init__(self, before: Callable, after: Callable, rename: Mapping[str, str] | None = None):
        rename = dict(rename or {})
        texts = [statements(function, rename).splitlines() for function in (before, after)]
        self.lines = [
            (line[0], line[2:]) for line in difflib.ndiff(*texts) if line[0] in (" ", "+", "-")
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{mark} {line}".rstrip() for mark, line in self.lines)

    def _repr_html_(self) -> str:
        code = "\n".join(line for _, line in self.lines)
        shown = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n").split("\n")
        rows = "".join(
            f'<span class="{CLASSES[mark]}">{mark} {line}\n</span>'
            for (mark, _), line in zip(self.lines, shown, strict=True)
        )
        return f'<div class="highlight tt-diff"><pre>{rows}</pre></div>'


CLASSES = {" ": "tt-same", "+": "tt-added", "-": "tt-removed"}


def statements(function: Callable, rename: Mapping[str, str]) -> str:
    """Return a function's code without docstring, type hints and comments.

    Raises
    ------
    OSError
        If there is no source, as for a function that was typed into a prompt.
    """
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if ast.get_docstring(tree) is not None:
        del tree.body[0]
    return ast.unparse(_Renamed(rename).visit(tree))


class _Renamed(ast.NodeTransformer):
    """Renames names, and takes type hints and renamed arguments away."""

    def __init__(self, rename: Mapping[str, str]):
        self.rename = rename

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self.rename.get(node.name, node.name)
        node.returns = None
        node.args.args = [arg for arg in node.args.args if arg.arg not in self.rename.values()]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.rename.get(node.id, node.id)
        return node
