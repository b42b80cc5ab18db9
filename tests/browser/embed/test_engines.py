"""Figures in somebody else's page, in Firefox and WebKit: as in Chromium, and unharmed."""

import pytest

from tests.browser.embed.courses import NAMES, figure, page_of
from tests.browser.embed.test_figures import ALL, CALM_STYLE, DRAWN, HOSTILE
from tests.browser.engines import Engine, chromium, wait_for
from tests.browser.server import serve

SHOW = 'dispatchEvent(new KeyboardEvent("keydown", { key: "Shift" }));'
SHOWN = """
const roots = [...document.querySelectorAll("tt-figure")].map((figure) => figure.shadowRoot);
const all = (root) => root?.querySelector(".tt-w") && !root.querySelector("fieldset[aria-busy]")
  && [...root.querySelectorAll("svg.tt-band")].every((band) => band.childElementCount);
return roots.length && roots.every(all) ? "all shown" : "not yet";
"""
READ = """
const views = [...document.querySelectorAll("tt-figure")].map((e) => e.shadowRoot.firstChild);
return views.map((view) => {
  const copy = view.cloneNode(true);
  copy.querySelectorAll("[role=status]").forEach((e) => e.remove());
  return copy.textContent.replace(/\\\\s+/g, " ");
});
"""
KEY = """
const player = document.querySelector("tt-figure[name=GenerationPlayer]");
const e = player.shadowRoot.querySelector(".tt-play");
e.focus();
e.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, composed: true }));
return e.getRootNode().querySelector("[aria-label=Step]").value;
"""
WRONG = """
const { shadowRoot } = document.querySelector("tt-figure");
return shadowRoot.querySelector("[role=alert]")?.textContent;
"""
BACK = """
const figure = document.querySelector("tt-figure[name=OperationExplorer]");
const { parentNode } = figure;
figure.remove();
parentNode.append(figure);
"""


@pytest.fixture(scope="module")
def courses(tmp_path_factory, embed_url):
    """Addresses of a calm page, a hostile one, and one with a mistake."""
    folder = tmp_path_factory.mktemp("course")
    with serve(folder) as own:
        pages = {
            "calm": page_of(embed_url, ALL, CALM_STYLE),
            "hostile": page_of(embed_url, ALL, HOSTILE),
            "wrong": page_of(embed_url, figure("Lab")),
        }
        for name, html in pages.items():
            (folder / f"{name}.html").write_text(html, encoding="utf-8")
        yield {name: f"{own}/{name}.html" for name in pages}


def shown(engine: Engine, url: str) -> None:
    engine.open(url)
    engine.run(SHOW)
    wait_for(engine, SHOWN, "all shown")


def drawn(engine: Engine) -> list:
    return engine.run(f"return [...document.querySelectorAll('tt-figure')].map({DRAWN})")


def different(parts: list, others: list) -> list[str]:
    """Return what is not the same in parts and in the others."""
    pairs = (pair for both in zip(parts, others, strict=True) for pair in zip(*both, strict=True))
    return [f"{one} became {other}" for one, other in pairs if one != other]


@pytest.fixture(scope="module")
def expected(browser, courses) -> list[str]:
    with chromium(browser) as engine:
        shown(engine, courses["calm"])
        return engine.run(READ)


def test_figures_read_the_same_as_in_chromium(engine, courses, expected):
    shown(engine, courses["calm"])
    assert len(expected) == len(NAMES)
    assert engine.run(READ) == expected
    before = int(engine.run(KEY))
    assert int(engine.run(KEY)) == before + 1
    engine.run(BACK + SHOW)
    wait_for(engine, SHOWN, "all shown")


def test_a_hostile_page_changes_nothing_here_either(engine, courses):
    shown(engine, courses["calm"])
    calm = drawn(engine)
    shown(engine, courses["hostile"])
    for name, one, other in zip(NAMES, calm, drawn(engine), strict=True):
        assert len(one) == len(other)
        assert set(different(one, other)) == set(), name


def test_a_mistake_is_named_here_too(engine, courses):
    engine.open(courses["wrong"])
    engine.run(SHOW)
    wait_for(engine, WRONG, "no figure is called “Lab”. Expected is one of")
