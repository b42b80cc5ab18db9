"""The small model in Firefox and WebKit: loaded, kept where they keep files, the same tokens."""

import json
import time

import pytest

from tests.browser.engines import firefox, webkit
from tests.browser.loader.small_site import MODULES, SCRIPT

RUN = """
window.told = null;
(async () => {
  await (PREPARE)();
  const first = await attempt(() => loaded());
  const ids = await attempt(() => tokens());
  model.close();
  const second = await attempt(() => loaded());
  const again = await attempt(() => tokens());
  window.told = JSON.stringify({ first, ids, second, again, problems });
})();
"""


def told(engine, url, prepare):
    """Load the model twice; return what the page found."""
    engine.open(url)
    engine.run(RUN.replace("PREPARE", prepare))
    deadline = time.monotonic() + 30
    while not (text := engine.run("return window.told")):
        assert time.monotonic() < deadline, "the page does not answer"
        time.sleep(0.05)
    return json.loads(text)


@pytest.mark.parametrize("prepare", [MODULES, SCRIPT], ids=["modules", "script"])
@pytest.mark.parametrize(
    ("start", "keeps"), [(firefox, True), (webkit, False)], ids=["firefox", "webkit"]
)
def test_the_tokens_are_those_of_chromium(host, expected, start, keeps, prepare):
    with start() as engine:  # Debian's WebKitGTK is built without a private file system
        found = told(engine, f"{host.url}/page.html", prepare)
    assert found["problems"] == []
    assert found["first"] == found["second"] == {"value": keeps}
    assert found["ids"] == found["again"] == {"value": expected}
    assert len(host.asked_for()) == (5 if keeps else 10)
