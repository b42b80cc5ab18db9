"""The feedback page in a browser: nothing runs and nothing is fetched."""

import pytest

from coursework.feedback import closed
from tests.browser.server import serve
from tests.coursework.payloads import HTML, hostile_notebook, page_of

RAW = "<!DOCTYPE html><html><head><meta charset='utf-8'></head><body>{}</body></html>"
FRAMES = "<!DOCTYPE html><meta charset='utf-8'>" + "".join(
    f'<iframe name="{name}" src="{name}.html"></iframe>' for name in HTML
)
CLICK = """() => { for (const link of document.querySelectorAll("a[href]"))
    if (!/^https?:/.test(link.getAttribute("href"))) link.click(); }"""

NOT_ALONE = {"data-link", "base", "noscript", "svg-use", "parsed-twice", "image-not-closed"}
"""What the browser stops by itself, or what only helps another attack."""


@pytest.fixture
def opened(chromium, tmp_path):
    """Open the page of each attack in a frame and click its links; return which did something."""

    def open_pages(pages: dict[str, str]) -> set[str]:
        for name, text in pages.items():
            (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        (tmp_path / "index.html").write_text(FRAMES if len(pages) > 1 else RAW)
        with serve(tmp_path) as url:
            page = chromium.new_page()
            fetched: set[str] = set()
            page.on("response", lambda response: fetched.add(response.url.removeprefix(url)))
            page.goto(f"{url}/{'index' if len(pages) > 1 else next(iter(pages))}.html")
            for frame in page.frames:
                if frame.name != "refresh":  # it may be on its way to another page
                    frame.evaluate(CLICK)
            page.wait_for_timeout(1_000)  # what runs later: a refresh, a toggle, an animation
            ran = {frame.name for frame in page.frames if frame.evaluate("window.ran || 0")}
            page.close()
        return ran | {path.split("/")[2] for path in fetched if path.startswith("/stolen/")}

    return open_pages


def attack(name: str) -> str:
    """Return an attack whose requests tell its name."""
    return HTML[name].replace("/stolen", f"/stolen/{name}/")


def test_the_policy_alone_stops_what_works_without_it(opened):
    raw = {name: RAW.format(attack(name)) for name in HTML}
    assert opened(raw) >= set(HTML) - NOT_ALONE
    assert opened({name: closed(page) for name, page in raw.items()}) == set()


def test_nothing_in_the_feedback_page_runs_or_fetches(opened, tmp_path):
    page = page_of(hostile_notebook(), tmp_path).replace("/stolen", "/stolen/page/")
    assert "/stolen/page/" in page
    assert opened({"page": page}) == set()
