"""A book in another language: what is translated speaks it, and nothing runs again."""

import json
import re
import shutil

from tests.book.conftest import ROOT
from tinytorch.widgets.bundle import host_script, view_script
from tinytorch.widgets.language import Language

FIGURE = """
from tinytorch.widgets import OperationExplorer
OperationExplorer(new_tokens=2000)"""

CATALOGUE = """\
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"

msgid "The first page"
msgstr "Die erste Seite"

msgid "A paragraph of the page called first."
msgstr "Ein Absatz der **ersten** Seite."
"""


def test_a_book_is_built_in_another_language(small_book):
    small_book.write("first", FIGURE)
    shutil.copy(ROOT / "LICENSE", small_book.folder)  # both go with figures for others
    shutil.copytree(ROOT / "book/embed", small_book.folder / "book/embed")
    assert small_book.build().returncode == 0
    english = small_book.html("first")
    assert small_book.executed() == ["first", "second"]

    catalogue = small_book.folder / "book/locale/de/LC_MESSAGES/book/first.po"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    run = small_book.build_in("de")
    assert run.returncode == 0, run.stderr
    assert small_book.executed() == []
    first = small_book.html("first", "html-de")
    assert '<html lang="de"' in first
    assert "<h1>Die erste Seite" in first
    assert "<p>Ein Absatz der <strong>ersten</strong> Seite.</p>" in first
    assert "this is second" in small_book.html("second", "html-de")
    assert "A paragraph of the page called second." in small_book.html("second", "html-de")

    def state(page: str) -> dict:
        return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])

    assert state(first) == state(english)
    assert ">ohne Cache</text>" in first
    assert "without a cache" not in first
    static = small_book.folder / "_build/html-de/_static"
    assert (static / "widgets.js").read_text() == host_script(None, Language("de"))
    script = view_script("OperationExplorer", "operation_explorer", Language("de"))
    assert (static / "widgets/operation_explorer.js").read_text() == script

    assert small_book.html("first") == english
    assert small_book.build().returncode == 0
    assert small_book.executed() == []


def test_pages_become_catalogues_without_running(small_book):
    run = small_book.sphinx("gettext", "_build/gettext", "-D", "nb_execution_mode=off")
    assert run.returncode == 0, run.stderr
    assert small_book.executed() == []
    texts = (small_book.folder / "_build/gettext/book/first.pot").read_text()
    assert 'msgid "The first page"' in texts
    assert 'msgid "A paragraph of the page called first."' in texts
    assert "print" not in texts
