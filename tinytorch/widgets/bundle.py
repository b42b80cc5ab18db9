"""One JavaScript text from the modules of this folder: Jupyter imports a widget as one file."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

from tinytorch.browser.bundle import COMMENT
from tinytorch.widgets.language import ENGLISH, Language

SHARED = ("language", "common", "costs", "chart")
STYLES = (
    "frame",
    "generation_player",
    "operation_explorer",
    "cache_memory_explorer",
    "answer_field",
    "attention_stepper",
    "engine_panel",
    "cache_lab",
    "live_race",
    "server_explorer",
)
IMPORT = re.compile(r'^import [^;]*?"./(\w+).mjs";\n', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:async )?function\*? ?(\w*)|(?:const|class) (\w*))", re.MULTILINE
)


@cache
def source(name: str, language: Language = ENGLISH) -> str:
    """Read a file of this folder; a module with the phrases of a language."""
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return language.translated(text) if name.endswith(".mjs") else text


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


def _without_modules(language: Language, *names: str) -> str:
    texts = (EXPORT.sub("", IMPORT.sub("", source(f"{name}.mjs", language))) for name in names)
    return "\n".join(texts)


def _view(module: str, language: Language) -> str:
    """Return an expression whose names hide, and never meet, those of the shared modules."""
    modules = _without_modules(language, *_parts(module))
    return f"(() => {{\n{modules}\nreturn {{ render }};\n}})()"


@cache
def widget_module(name: str, language: Language = ENGLISH) -> str:
    """Return a widget as one ES module without imports, for Jupyter."""
    shared = _without_modules(language, *SHARED)
    return f"{shared}\nexport default {_view(name, language)};\n"


def _names(module: str) -> list[str]:
    """Return what a module exports."""
    return ["".join(names) for names in EXPORT.findall(source(f"{module}.mjs"))]


def _shared() -> str:
    """Return the names that all views share."""
    return ", ".join(name for module in SHARED for name in _names(module))


def host_script(model_bytes: int | None = None, language: Language = ENGLISH) -> str:
    """Return what each page with a figure loads first: what figures share, and their host.

    It is a classic script, since browsers refuse modules on pages that are opened from a file.

    Parameters
    ----------
    model_bytes : int or None
        The size of the site's model, if it has one.
    language : Language
        That of the pages.
    """
    size = "null" if model_bytes is None else model_bytes
    body = f"{_without_modules(language, *SHARED, 'site')}\n" + (
        f"const show = host(document.currentScript.src, {size});\n"
        f"globalThis.tinytorchFigures = {{ show, shared: {{ {_shared()} }} }};"
    )
    return _classic(body)


def view_script(name: str, module: str, language: Language = ENGLISH) -> str:
    """Return what a page loads after the host's script, to show all its figures of one class.

    Parameters
    ----------
    name : str
        The class.
    module : str
        Its view's module.
    language : Language
        That of the pages.
    """
    body = (
        f"const {{ {_shared()} }} = tinytorchFigures.shared;\n"
        f'tinytorchFigures.show("{name}", {_view(module, language)});'
    )
    return _classic(body)


def embed_script(
    figures: dict[str, str], release: dict[str, object], language: Language = ENGLISH
) -> str:
    """Return the ES module that defines the element ``<tt-figure>``, with the views of all figures.

    Parameters
    ----------
    figures : dict of str to str
        The module of each class.
    release : dict
        Its `version`, and in `files` the integrity of each file beside the script.
    language : Language
        That of the figures; what is wrong with a page is said in English.
    """
    views = "\n".join(view_script(name, module, language) for name, module in figures.items())
    body = COMMENT.sub("", _without_modules(language, *SHARED, *_parts("embed")))
    return (
        f"const tinytorchFigures = (() => {{\n{body}\n"
        f"return {{ shared: {{ {_shared()} }}, "
        f"...embed({json.dumps(release)}, import.meta.url) }};\n}})();\n"
        f"{views}tinytorchFigures.define();\n"
        "export default { render: tinytorchFigures.render };\n"
    )


def _classic(body: str) -> str:
    return f'(() => {{\n"use strict";\n{COMMENT.sub("", body)}\n}})();\n'
