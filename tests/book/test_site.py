"""What can be read off the built site without a browser."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import chapter_site
import nbformat
import pytest
from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError

SITE = Path(__file__).parents[2] / "_build" / "html"
PAGES = sorted(SITE.glob("book/*.html"))
LOADED = (("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"))
STYLES = ("stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch")


@pytest.fixture(scope="session")
def soups() -> dict[Path, BeautifulSoup]:
    return {page: BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser") for page in PAGES}


def test_the_site_is_built():
    assert len(PAGES) >= 16, f"{SITE} has {len(PAGES)} pages: run `make book` first"


def test_nothing_is_loaded_from_another_host(soups):
    for page, soup in soups.items():
        urls = [tag.get(attribute, "") for name, attribute in LOADED for tag in soup(name)]
        urls += [tag["href"] for tag in soup("link") if set(tag.get("rel", [])) & set(STYLES)]
        outside = [url for url in urls if url and urlsplit(url).netloc]
        assert not outside, f"{page.name} loads {outside}"


def test_no_style_loads_a_font_or_another_host():
    for file in SITE.rglob("*.css"):
        css = file.read_text(encoding="utf-8")
        assert "@font-face" not in css, file
        assert "url(http" not in css.replace('"', "").replace("'", ""), file


def test_every_internal_link_resolves(soups):
    ids = {page: {tag["id"] for tag in soup.find_all(id=True)} for page, soup in soups.items()}
    for page, soup in soups.items():
        for link in soup("a", href=True):
            parts = urlsplit(link["href"])
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.exists(), f"{page.name} links to {link['href']}"
            if parts.fragment and target in ids:
                assert unquote(parts.fragment) in ids[target], f"{page.name}: {link['href']}"


def test_every_page_describes_itself(soups):
    descriptions = set()
    for page, soup in soups.items():
        assert soup.title.string.strip(), page
        (description,) = soup("meta", attrs={"name": "description"})
        assert 20 <= len(description["content"]) <= 170, page
        descriptions.add(description["content"])
    assert len(descriptions) == len(soups)


def test_a_shared_link_and_a_tab_name_the_page_once(soups):
    titles = [soup.title.string.strip() for soup in soups.values()]
    assert len(set(titles)) == len(titles)
    for page, soup in soups.items():
        first, *rest = soup.title.string.strip().split(" — ")
        assert first not in rest, page
        shared = {tag["property"]: tag["content"] for tag in soup("meta", property=True)}
        assert shared["og:title"] == first, page
        assert len(shared["og:description"]) >= 20, page


def test_the_site_begins_with_a_page_that_leads_on():
    start = BeautifulSoup((SITE / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert start.html["lang"] == "en"
    assert start.title.string == "KV caching, measured"
    assert (SITE / start.a["href"]).is_file()
    (refresh,) = start("meta", attrs={"http-equiv": "refresh"})
    assert refresh["content"] == f"0; url={start.a['href']}"
    (scheme,) = start("meta", attrs={"name": "color-scheme"})
    assert scheme["content"] == "light dark"


def test_every_figure_has_a_text_alternative(soups):
    charts = 0
    for page, soup in soups.items():
        for image in soup("img"):
            assert image.has_attr("alt"), f"{page.name}: {image}"
        for chart in soup.select(".tt-chart svg"):
            charts += 1
            assert len(chart["aria-label"]) > 40, page
    assert charts >= 10


def test_pages_offer_their_executed_notebook(soups):
    for page, soup in soups.items():
        if not soup.select("div.cell"):
            continue
        (link,) = [a["href"] for a in soup("a", href=True) if a["href"].endswith(".ipynb")]
        notebook = nbformat.read(page.parent / link, as_version=4)
        nbformat.validate(notebook)
        assert any(cell.get("outputs") for cell in notebook.cells), page
        assert not any(
            output.output_type == "error"
            for cell in notebook.cells
            for output in cell.get("outputs", [])
        )


CHILDREN = dict.fromkeys(("mfrac", "mover", "mroot", "msub", "msup", "munder"), 2) | dict.fromkeys(
    ("msubsup", "munderover"), 3
)
"""How many parts an element of MathML must have (MathML Core, chapter 3)."""


def test_every_formula_has_all_its_parts(soups):
    wrong, seen = [], 0
    for page, soup in soups.items():
        for element in soup(list(CHILDREN)):
            seen += 1
            if len(element.find_all(recursive=False)) != CHILDREN[element.name]:
                wrong.append(f"{page.name}: {element}")
    assert wrong == []
    assert seen > 20


def test_no_page_carries_widget_state_or_a_machine_path(soups):
    root = str(SITE.parents[1])
    for page in PAGES:
        html = page.read_text(encoding="utf-8")
        for part in ("require.js", "html-manager", "widget-state", "THEBE", root):
            assert part not in html, f"{page.name} has {part}"


WRONG = (
    "[role=list].citation-list",
    "[role=doc-biblioentry]",
    "summary[aria-label='Toggle hidden content']",
)


def test_what_docutils_and_myst_nb_write_wrongly_is_mended(soups):
    for page, soup in soups.items():
        left = [tag.name for selector in WRONG for tag in soup.select(selector)]
        left += ["th" for head in soup("th") if not head.get_text(strip=True)]
        assert not left, f"{page.name} has {left}: chapter_site.MENDED no longer finds them"


THEME = (
    '(()=>{function I(){const e=()=>{document.querySelectorAll(["pre",".output"].join(", "))};e()}'
    'a(),"complete"===document.readyState?I():window.addEventListener("load",I)})();'
)


class App:
    """What `mend_theme` reads of Sphinx."""

    def __init__(self, outdir: Path, script: str) -> None:
        self.outdir = outdir
        self.builder = SimpleNamespace(name="html")
        self.file = outdir / "_static" / chapter_site.THEME_SCRIPT
        self.file.parent.mkdir(parents=True)
        self.file.write_text(script)


def test_the_theme_no_longer_lays_the_page_out_again(tmp_path):
    app = App(tmp_path, THEME)
    for _ in range(2):  # a second build may find the script as the first left it
        chapter_site.mend_theme(app, None)
        assert app.file.read_text().endswith(f"a(),{chapter_site.MENDED_CALL}}})();")
    built = (SITE / "_static" / chapter_site.THEME_SCRIPT).read_text()
    assert built.count(chapter_site.MENDED_CALL) == 1


@pytest.mark.parametrize("changed", ['"pre",', "window.addEventListener", "function I"])
def test_a_theme_that_has_changed_ends_the_build_and_says_so(tmp_path, changed):
    app = App(tmp_path, THEME.replace(changed, "other"))
    with pytest.raises(ExtensionError, match="has changed: chapter_site"):
        chapter_site.mend_theme(app, None)
    assert "other" in app.file.read_text()
