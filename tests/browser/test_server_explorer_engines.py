"""The server explorer in Firefox and WebKit reads as in Chromium, whatever is set."""

import pytest

from tests.browser.engines import Chromium, firefox, webkit
from tests.browser.server import serve
from tests.browser.single import document
from tests.browser.test_engines import used
from tinytorch.widgets import ServerExplorer

OPEN = "<script>document.querySelector('.tt-settings').open = true;</script>"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    parts = document(ServerExplorer("pool too small"))
    page = parts.pop("") + OPEN
    for name, text in {"index.html": page, **parts}.items():
        (folder / name).write_text(text, encoding="utf-8")
    with serve(folder) as address:
        yield f"{address}/index.html"


@pytest.fixture(scope="module")
def expected(browser, url):
    engine = Chromium(browser)
    yield used(engine, url)
    engine.page.close()


@pytest.mark.parametrize("start", [firefox, webkit])
def test_every_setting_reads_the_same(start, url, expected):
    assert len(set(expected)) > 30
    with start() as engine:
        assert used(engine, url) == expected
