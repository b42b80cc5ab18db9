"""One JavaScript text from the modules of this folder: Jupyter imports a widget as one file."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

SHARED = ("common", "costs", "chart")
STYLES = (
    "frame",
    "generation_player",
    "operation_explorer",
    "cache_memory_explorer",
    "answer_field",
    "attention_stepper",
)
IMPORT = re.compile(r'^import [^;]*?"./(\w+).mjs";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?function |const |class )", re.MULTILINE)


@cache
def source(name: str) -> str:
    """Read a file of this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def styles() -> str:
    """Return the style of all widgets."""
    return "\n".join(source(f"{name}.css") for name in STYLES)


def _parts(module: str) -> list[str]:
    """Return a view's modules, each after those that it imports, without the shared ones."""
    parts = []
    for name in IMPORT.findall(source(f"{module}.mjs")):
        if name not in SHARED:
            parts += [part for part in _parts(name) if part not in parts]
    return [*parts, module]


def _without_modules(*names: str) -> str:
    texts = (EXPORT.sub("", IMPORT.sub("", source(f"{name}.mjs"))) for name in names)
    return "\n".join(texts)


def _view(module: str) -> str:
    """Return an expression whose names hide, and never meet, those of the shared modules."""
    return f"(() => {{\n{_without_modules(*_parts(module))}\nreturn {{ render }};\n}})()"


def widget_module(name: str) -> str:
    """Return a widget as one ES module without imports, for Jupyter."""
    return f"{_without_modules(*SHARED)}\nexport default {_view(name)};\n"


def site_script(names: dict[str, str]) -> str:
    """Return all widgets and their host as one classic script.

    Browsers refuse modules on pages that are opened from a file.

    Parameters
    ----------
    names : dict of str to str
        For each class, the module of its view.
    """
    views = "\n".join(f"const {widget} = {_view(module)};" for widget, module in names.items())
    body = "\n".join(
        [
            _without_modules(*SHARED),
            views,
            _without_modules("site"),
            f"start({{ {', '.join(names)} }});",
        ]
    )
    return f'(() => {{\n"use strict";\n{body}\n}})();\n'
