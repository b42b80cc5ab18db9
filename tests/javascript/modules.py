"""What no linter for JavaScript knows of these modules: who uses their exports, what bundles them.

Tests, and what puts scripts together, are written in Python, and name the exports that they need.
"""

import re
from collections.abc import Iterator
from pathlib import Path

EXPORT = re.compile(
    r"^export (?:async )?(?:function\*?|const|class) (?P<name>\w+)|^export \{(?P<names>[^}]*)\}",
    re.MULTILINE,
)
IMPORT = re.compile(
    r'\{(?P<names>[^}]*)\}\s*(?:from|= await import\()\s*["`][^"`]*?(?P<file>\w+)\.mjs'
)
COMMENT_THEN_CODE = re.compile(r"^ */\*\*[^\n]*?\*/ *[^\s]", re.MULTILINE)
INDEX = "index.mjs"
"""The engine for other people's pages: everything in it may be used."""


def names_in(listed: str) -> list[list[str]]:
    """Return each name in the braces of an import or export, and what it is called then, if so."""
    return [part.split(" as ") for part in map(str.strip, listed.split(",")) if part]


def exports(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each export of a module."""
    for found in EXPORT.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        for names in [[found["name"]]] if found["name"] else names_in(found["names"]):
            yield line, names[-1]


def is_used_by_python(name: str, text: str) -> bool:
    """Whether a text in Python may take a name out of a module: `.name`, or `{ name }`."""
    return re.search(rf"\.{name}\b|\{{[^{{}}\n]*\b{name}\b[^{{}}\n]*\}}", text) is not None


def dead_exports(modules: dict[Path, str], python: list[str]) -> Iterator[str]:
    """Yield a line for each export that nobody imports.

    Parameters
    ----------
    modules : dict
        The texts of all modules, by their paths.
    python : list of str
        The texts of the Python files that name modules.
    """
    imported = {
        (found["file"], names[0])
        for text in modules.values()
        for found in IMPORT.finditer(text)
        for names in names_in(found["names"])
    }
    for path, text in modules.items():
        if path.name == INDEX:
            continue
        for line, name in exports(text):
            used = (path.stem, name) in imported
            if not used and not any(is_used_by_python(name, other) for other in python):
                yield f"{path}:{line}: nothing imports {name}: it need not be exported"


def hidden_code(modules: dict[Path, str]) -> Iterator[str]:
    """Yield a line for each place where bundle.py would take code for the rest of a comment."""
    for path, text in modules.items():
        for found in COMMENT_THEN_CODE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{path}:{line}: a line begins with a comment, and code follows: put it above"


def check(folder: Path, files: list[str]) -> list[str]:
    """Return what is wrong with the modules among some files of a folder."""
    texts = {Path(name): (folder / name).read_text(encoding="utf-8") for name in files}
    modules = {path: text for path, text in texts.items() if path.suffix in (".mjs", ".js")}
    python = [text for path, text in texts.items() if path.suffix == ".py" and ".mjs" in text]
    return [*dead_exports(modules, python), *hidden_code(modules)]
