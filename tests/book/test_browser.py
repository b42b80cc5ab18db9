"""What the website gets for the engine in the reader's page."""

import hashlib
import json
import re

from tinytorch.widgets.bundle import host_script


def test_a_site_has_the_model_in_pieces_and_can_do_without(small_book):
    static = small_book.folder / "_build/html/_static"
    folder, script = static / "model", static / "browser/engine.js"

    run = small_book.build(TINYTORCH_SITE_MODEL="1")
    assert run.returncode == 0, run.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    whole = hashlib.sha256()
    for piece in manifest["pieces"]:
        data = (folder / piece["name"]).read_bytes()
        assert len(data) == piece["size"] <= 24_000_000
        assert hashlib.sha256(data).hexdigest() == piece["sha256"]
        whole.update(data)
    assert whole.hexdigest() == manifest["sha256"]
    assert manifest["size"] == sum(piece["size"] for piece in manifest["pieces"])
    assert manifest["licence"] == "Apache-2.0"
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert manifest["sha256"] in script.read_text()
    assert (static / "widgets.js").read_text() == host_script(manifest["size"])
    assert (static / "browser/index.mjs").exists()

    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert small_book.build(TINYTORCH_SITE_MODEL="1").returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written

    assert small_book.build().returncode == 0
    assert list(folder.iterdir()) == []
    assert re.search(r'"manifest": null', script.read_text())
    assert (static / "widgets.js").read_text() == host_script(None)
