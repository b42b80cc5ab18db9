"""The small model in each browser: loaded, kept where they keep files, the same tokens."""

import pytest

from tests.browser.loader.small_site import MODULES, SCRIPT

TWICE = """async () => {
  const found = [];
  const { files } = document.querySelector("input");
  for (let visit = 0; visit < 2; visit += 1) {
    found.push(await attempt(() => (files.length ? chosen() : loaded())));
    found.push(await attempt(() => tokens()));
    model.close();
  }
  return { found, problems };
}"""
"""Load the model twice, and say what the page found."""

pytestmark = pytest.mark.everywhere


@pytest.fixture
def empty(browser):
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("prepare", [MODULES, SCRIPT], ids=["modules", "script"])
def test_the_tokens_are_those_of_chromium(host, expected, empty, browser_name, prepare):
    keeps = browser_name != "webkit"  # Debian's WebKitGTK has no private file system
    empty.goto(f"{host.url}/page.html")
    empty.evaluate(prepare)
    found = [{"value": keeps}, {"value": expected}] * 2
    assert empty.evaluate(TWICE) == {"found": found, "problems": []}
    assert len(host.asked_for()) == (5 if keeps else 10)


def test_a_page_from_a_file_takes_the_chosen_model(site, expected, empty):
    empty.goto((site / "page.html").as_uri())
    empty.evaluate(SCRIPT)
    empty.locator("input").set_input_files(site / "tiny.gguf")
    found = [{"value": False}, {"value": expected}] * 2
    assert empty.evaluate(TWICE) == {"found": found, "problems": []}
