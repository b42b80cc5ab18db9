"""The engine as one classic script: pages that are opened from a file may import no modules."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from importlib.resources import files

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.mjs";\n', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:async )?function\*? ?(\w+)|(?:const|class) (\w+))", re.MULTILINE
)
COMMENT = re.compile(r"^ *(?:/\*\*.*?\*/|//[^\n]*)\n|/\*\*[^\n]*?\*/ ?", re.MULTILINE | re.DOTALL)
LEFT = re.compile(r"^(?:import|export)\b.*|import\.meta.*|import\(.*", re.MULTILINE)


def source(name: str) -> str:
    """Read a file of this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def order(module: str, before: tuple[str, ...] = ()) -> list[str]:
    """Return a module and those that it imports, each after its own imports.

    Raises
    ------
    ValueError
        If modules import each other in a circle.
    """
    if module in before:
        raise ValueError(f"modules import each other: {' -> '.join((*before, module))}")
    modules: list[str] = []
    for _, name in IMPORT.findall(source(f"{module}.mjs")):
        modules += [part for part in order(name, (*before, module)) if part not in modules]
    return [*modules, module]


def as_expression(module: str) -> str:
    """Return a module, without comments, as an expression whose value holds its exports.

    Raises
    ------
    ValueError
        If an import or export is written in a way that this function does not know.
    """
    text = COMMENT.sub("", source(f"{module}.mjs"))
    exports = ["".join(names) for names in EXPORT.findall(text)]
    text = EXPORT.sub("", text)
    text = IMPORT.sub(lambda found: f"const {{{renamed(found[1])}}} = ${found[2]};\n", text)
    if left := LEFT.search(text):
        raise ValueError(f"{module}.mjs: {left[0]!r} cannot be part of a classic script")
    return f"(() => {{\n{text}\nreturn {{ {', '.join(exports)} }};\n}})()"


def renamed(names: str) -> str:
    """Return the names of an import as those of a destructuring: ``a as b`` is ``a: b``."""
    return re.sub(r"(\w+) as (\w+)", r"\1: \2", names)


def classic(entry: str, end: str = "") -> str:
    """Return a module and all that it imports as one classic script that ends with `end`."""
    parts = "\n".join(f"const ${name} = {as_expression(name)};" for name in order(entry))
    return f'(() => {{\n"use strict";\n{parts}\n{end}}})();\n'


def engine_script(manifest: dict | None) -> str:
    """Return what pages load as engine.js: loader, worker and kernels in one text.

    Parameters
    ----------
    manifest : dict or None
        That of the site's model, if it has one.
    """
    kernels = gzip.compress(files(__package__).joinpath("kernels.wasm").read_bytes(), mtime=0)
    parts = {
        "worker": classic("worker"),
        "kernels": b64encode(kernels).decode("ascii"),
        "manifest": manifest,
    }
    return classic("script", f"$script.offer({json.dumps(parts)});\n")
