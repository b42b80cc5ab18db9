"""Check the JavaScript: ``python -m tests.javascript.lint``, in `make lint`.

Biome judges format and style, TypeScript the types in JSDoc comments, and `modules` the rest.
With ``--fix``, Biome first mends what it safely can.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.javascript.modules import check
from tests.javascript.node import ROOT, MissingToolError, environment, programs

COMMANDS = (
    ("biome", "check", "--error-on-warnings", "."),
    ("tsc", "-p", "jsconfig.json"),
    ("tsc", "-p", "jsconfig.worker.json"),
)


def tracked_files(folder: Path) -> list[str]:
    """Return the files that git has or would take, of the languages that name modules."""
    list_files = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    found = subprocess.run(
        [*list_files, "*.js", "*.mjs", "*.py"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in found.stdout.splitlines() if (folder / name).exists()]


def run(command: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess:
    """Run a program of package-lock.json in a folder."""
    program, *arguments = command
    return subprocess.run(
        [programs() / program, *arguments],
        cwd=folder,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
    )


def findings(folder: Path) -> list[str]:
    """Run all checks on a folder, side by side, and return what those say that fail."""
    programs()  # fetched before any of them runs
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda command: run(command, folder), COMMANDS))
    said = [
        f"{' '.join(command)}:\n{each.stdout}{each.stderr}"
        for command, each in zip(COMMANDS, done, strict=True)
        if each.returncode
    ]
    return said + check(folder, tracked_files(folder))


def main(*, fix: bool = False) -> int:
    """Print what is wrong with the JavaScript; return 1 if anything is."""
    try:
        if fix:
            run(("biome", "check", "--write", "."), ROOT)
        said = findings(ROOT)
    except MissingToolError as missing:
        said = [f"error: {missing}"]
    for each in said:
        print(each, file=sys.stderr)
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main(fix="--fix" in sys.argv[1:]))
