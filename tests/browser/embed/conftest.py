"""The folder of figures, served, and pages of a course that show them."""

import pytest

from tests.browser.embed.courses import READABLE, course, page_of, write_folder
from tests.browser.server import serve


@pytest.fixture(scope="session")
def embed_folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("embed") / "embed")


@pytest.fixture(scope="session")
def embed_url(embed_folder):
    with serve(embed_folder, READABLE) as url:
        yield f"{url}/"


@pytest.fixture
def at(browser, tmp_path, embed_url):
    """What opens a page of a course that loads the script."""

    def opens(body: str, head: str = "", more_hosts=(), **options):
        html = page_of(embed_url, body, head)
        return course(browser, tmp_path, html, [embed_url, *more_hosts], **options)

    return opens
