"""The small model in Firefox and WebKit: loaded, kept where they keep files, the same tokens."""

import json
import time

import pytest

from tests.browser.engines import Firefox
from tests.browser.loader.small_site import MODULES, SCRIPT

RUN = """
window.told = null;
(async () => {
  await (PREPARE)();
  const found = [];
  const { files } = document.querySelector("input");
  for (let visit = 0; visit < 2; visit += 1) {
    found.push(await attempt(() => (files.length ? chosen() : loaded())));
    found.push(await attempt(() => tokens()));
    model.close();
  }
  window.told = JSON.stringify({ found, problems });
})();
"""


def told(engine, prepare):
    """Load the model twice; return what the page found."""
    engine.run(RUN.replace("PREPARE", prepare))
    deadline = time.monotonic() + 30
    while not (text := engine.run("return window.told")):
        assert time.monotonic() < deadline, "the page does not answer"
        time.sleep(0.05)
    return json.loads(text)


@pytest.mark.parametrize("prepare", [MODULES, SCRIPT], ids=["modules", "script"])
def test_the_tokens_are_those_of_chromium(host, expected, engine, prepare):
    keeps = isinstance(engine, Firefox)  # Debian's WebKitGTK has no private file system
    engine.open(f"{host.url}/page.html")
    found = [{"value": keeps}, {"value": expected}] * 2
    assert told(engine, prepare) == {"found": found, "problems": []}
    assert len(host.asked_for()) == (5 if keeps else 10)


def test_a_page_from_a_file_takes_the_chosen_model(site, expected, engine):
    engine.open((site / "page.html").as_uri())
    engine.choose("input", site / "tiny.gguf")
    found = [{"value": False}, {"value": expected}] * 2
    assert told(engine, SCRIPT) == {"found": found, "problems": []}
