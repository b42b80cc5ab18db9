"""A file in pieces, and modules as one script."""

import hashlib
import json
import re

import pytest

from tinytorch.browser import bundle
from tinytorch.browser.pieces import write_pieces

ABOUT = {"licence": "MIT", "origin": "a test"}


@pytest.mark.parametrize(
    ("size", "sizes"), [(1, [1]), (10, [10]), (11, [10, 1]), (30, [10, 10, 10])]
)
def test_pieces_make_up_the_file(tmp_path, size, sizes):
    source, folder = tmp_path / "model.gguf", tmp_path / "site" / "model"
    source.write_bytes(bytes(range(size)))
    manifest = write_pieces(source, folder, **ABOUT, piece_size=10)
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    data = [(folder / piece["name"]).read_bytes() for piece in manifest["pieces"]]
    assert b"".join(data) == source.read_bytes()
    assert [len(part) for part in data] == [piece["size"] for piece in manifest["pieces"]] == sizes
    assert [hashlib.sha256(part).hexdigest() for part in data] == [
        piece["sha256"] for piece in manifest["pieces"]
    ]
    assert manifest["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (manifest["name"], manifest["size"]) == ("model.gguf", size)
    assert (manifest["licence"], manifest["source"]) == ("MIT", "a test")


def test_what_is_right_is_left_alone_and_the_rest_mended(tmp_path):
    source, folder = tmp_path / "model.gguf", tmp_path / "model"
    source.write_bytes(bytes(25))
    write_pieces(source, folder, **ABOUT, piece_size=10)
    first, second, third = sorted(folder.glob("*.bin"))
    second.write_bytes(b"x" * 10)
    third.unlink()
    before = first.stat().st_mtime_ns
    write_pieces(source, folder, **ABOUT, piece_size=10)
    assert first.stat().st_mtime_ns == before
    assert second.read_bytes() == bytes(10)
    assert third.read_bytes() == bytes(5)
    source.write_bytes(bytes(15))
    manifest = write_pieces(source, folder, **ABOUT, piece_size=10)
    assert sorted(path.name for path in folder.glob("*.bin")) == [
        piece["name"] for piece in manifest["pieces"]
    ]


@pytest.fixture
def modules(monkeypatch):
    """Modules in memory in place of the folder's."""
    texts = {}
    monkeypatch.setattr(bundle, "source", lambda name: texts[name.removesuffix(".mjs")])
    return texts


def test_modules_become_one_script(modules, chromium):
    modules["a"] = (
        'import { one, Two as Second } from "./b.mjs";\nimport { three } from "./c.mjs";\n'
        "const hidden = 1;\n"
        "export async function* all() { yield [one, new Second().two, three]; }\n"
    )
    modules["b"] = (
        'import { three } from "./c.mjs";\nconst hidden = 2;\n'
        "export const one = three - hidden;\nexport class Two { two = hidden; }\n"
    )
    modules["c"] = "export const three = 3;\nexport function unused() {}\n"
    assert bundle.order("a") == ["c", "b", "a"]
    script = bundle.classic("a", "$a.all().next().then(({ value }) => { window.got = value; });")
    page = chromium.new_page()
    page.add_script_tag(content=script)
    assert page.evaluate("got") == [1, 2, 3]
    assert page.evaluate("typeof hidden") == "undefined"
    page.close()


def test_modules_in_a_circle_are_refused(modules):
    modules["a"] = 'import { b } from "./b.mjs";\nexport const a = 1;\n'
    modules["b"] = 'import { a } from "./a.mjs";\nexport const b = 1;\n'
    with pytest.raises(ValueError, match="a -> b -> a"):
        bundle.order("a")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('import * as b from "./b.mjs";', "import * as b"),
        ("export default 1;", "export default"),
        ("export let a = 1;", "export let"),
        ('export { b } from "./b.mjs";', "export { b }"),
        ("const here = import.meta.url;", "import.meta"),
        ('const b = await import("./b.mjs");', "import("),
    ],
)
def test_what_a_classic_script_cannot_hold_is_refused(modules, line, named):
    modules["a"] = f"const x = 1;\n{line}\n"
    with pytest.raises(ValueError, match=re.escape(f"a.mjs: '{named}")):
        bundle.as_expression("a")
