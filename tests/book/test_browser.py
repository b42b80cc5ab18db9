"""What the website gets for the engine in the reader's page."""

import hashlib
import json
import re

ONLY = """
```{only} site_model
The model is on this site.
```
```{only} not site_model
This site was built without the model.
```
"""


def test_a_site_has_the_model_in_pieces_and_can_do_without(small_book):
    page = small_book.folder / "book/second.md"
    page.write_text(page.read_text() + ONLY)
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
    assert "The model is on this site" in small_book.html("second")
    assert "built without" not in small_book.html("second")
    assert (static / "browser/index.mjs").exists()

    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert small_book.build(TINYTORCH_SITE_MODEL="1").returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written

    assert small_book.build().returncode == 0
    assert list(folder.iterdir()) == []
    assert re.search(r'"manifest": null', script.read_text())
    assert "This site was built without the model" in small_book.html("second")
    assert "on this site" not in small_book.html("second")
