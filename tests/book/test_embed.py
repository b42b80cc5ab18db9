"""The folder from which other websites show the figures: what it holds, and where that is from."""

import json
import re
from base64 import b64encode
from gzip import compress
from hashlib import sha384
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from embed import FIGURES, FOLDER, SCRIPT, STYLE, reading_order, report, write_embed
from embed_style import for_containers, palette

from tests.widgets.runs import small_run
from tinytorch import __version__
from tinytorch.widgets import AnswerField, CacheMemoryExplorer, GenerationPlayer, OperationExplorer

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
KILO = 1000

AWKWARD = small_run(3) | {"text": ["</script>", "é", "<!--"]}
PLAYERS = [GenerationPlayer(small_run(6, timed=True), step=2), GenerationPlayer(AWKWARD)]
EXPLORER = OperationExplorer(prompt_length=7, model="GPT-2 XL")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What is written for a website of two pages."""
    site, target = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("target") / FOLDER
    (target / "0.0.1").mkdir(parents=True)
    first = [PLAYERS[0], AnswerField("A number", 2), EXPLORER]
    pages = {"one": first, "two": [PLAYERS[1], CacheMemoryExplorer(compare="")]}
    for page, widgets in pages.items():
        html = "".join(f"<p>Text.</p>{widget.to_html()}" for widget in widgets)
        (site / f"{page}.html").write_text(f"<html><body>{html}</body></html>", encoding="utf-8")
    files = write_embed(site, target, ["one", "two", "not-built"])
    assert {file.parent for file in files} == {target / __version__}
    assert not (target / "0.0.1").exists()
    return target / __version__


def record(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def traits(widget) -> dict:
    """Return what a view reads, as JSON has it."""
    names = [name for name, trait in widget.traits(sync=True).items() if name[0] != "_"]
    known = {name: getattr(widget, name) for name in names if name not in ("layout", "tooltip")}
    return json.loads(json.dumps({k: v for k, v in known.items() if k not in ("comm", "tabbable")}))


@pytest.mark.parametrize(
    ("file", "widget"),
    [
        ("GenerationPlayer.json", PLAYERS[0]),
        ("GenerationPlayer-two.json", PLAYERS[1]),
        ("OperationExplorer.json", EXPLORER),
        ("CacheMemoryExplorer.json", CacheMemoryExplorer(compare="")),
    ],
)
def test_the_data_are_the_traits(folder, file, widget):
    found = record(folder, file)
    assert found["version"] == __version__
    assert found["name"] == type(widget).__name__
    assert found["values"] == traits(widget)


def test_an_answer_field_stays_with_its_exercise(folder):
    assert not list(folder.glob("AnswerField*"))
    assert "AnswerField" not in (folder / SCRIPT).read_text(encoding="utf-8")


def integrity(file: Path) -> str:
    return f"sha384-{b64encode(sha384(file.read_bytes()).digest()).decode()}"


def test_the_page_knows_the_script_and_the_script_all_that_it_fetches(folder):
    script = (folder / SCRIPT).read_text(encoding="utf-8")
    release = json.loads(re.search(r"\.\.\.embed\((\{.*?\}\}), import", script)[1])
    fetched = {STYLE, *(file.name for file in folder.glob("*.json"))}
    assert release == {
        "version": __version__,
        "files": {name: integrity(folder / name) for name in fetched},
    }
    page = BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")
    (tag,) = page("script", src=SCRIPT)
    assert tag["integrity"] == integrity(folder / SCRIPT)
    snippets = [code.text for code in page.select("code[data-figure]")]
    assert len(snippets) == 3
    assert all(tag["integrity"] in snippet for snippet in snippets)


def test_every_link_and_file_of_the_pages_is_there(folder):
    for file in (folder / "index.html", folder.parent / "index.html"):
        page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        named = [tag.get("href") or tag.get("src") for tag in page(["a", "link", "script"])]
        ids = {tag["id"] for tag in page.find_all(id=True)}
        assert named
        for address in filter(None, named):
            path, _, fragment = address.partition("#")
            assert (file.parent / path).exists(), address
            assert not fragment or fragment in ids, address


def test_the_script_is_a_module_without_imports_and_evaluates_nothing(folder):
    script = (folder / SCRIPT).read_text(encoding="utf-8")
    assert re.findall(r"^(?:import|export)\b.*", script, re.MULTILINE) == [
        "export default { render: tinytorchFigures.render };"
    ]
    assert not re.search(r"\beval\b|new Function|innerHTML|\bimport\(|document\.write", script)


def test_the_style_asks_for_nothing_of_the_page(folder):
    css = (folder / STYLE).read_text(encoding="utf-8")
    assert not re.search(r"[\d.]rem\b", css)
    assert not re.search(r"@media[^{]*width", css)
    assert "calc(0.75 * var(--tt-rem))" in css
    assert "calc(-0.5 * var(--tt-rem))" in css, "signs are kept"


def test_rules_that_ask_for_a_width_ask_the_figures_place():
    css = "@media (pointer: coarse), (width <= 30rem) { a { top: -0.5rem } }\n.b { gap: 1rem }"
    assert list(for_containers(css)) == [
        "@media (pointer: coarse) { a { top: calc(-0.5 * var(--tt-rem)) } }",
        "@container (width <= 30em) { a { top: calc(-0.5 * var(--tt-rem)) } }",
        ".b { gap: calc(1 * var(--tt-rem)) }",
    ]


def test_the_colours_are_those_of_the_website():
    css = (ROOT / "book/_static/book.css").read_text(encoding="utf-8")
    light, dark = palette("light"), palette("dark")
    for colours in (light, dark):
        declarations = [part.split(":") for part in colours.split(";") if part]
        assert len(declarations) == 7
        assert all(f"  {name}: {value};" in css for name, value in declarations)
    assert light != dark
    with pytest.raises(ValueError, match=r'no rule for html\[data-theme="blue"\]'):
        palette("blue")


def test_a_website_without_figures_gets_no_folder(tmp_path):
    (tmp_path / "page.html").write_text("<p>Text.</p>")
    target = tmp_path / FOLDER
    target.mkdir()
    assert write_embed(tmp_path, target, ["page"]) == []
    assert not target.exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[Path]:
    """The files that are written for the built website."""
    return write_embed(SITE, tmp_path_factory.mktemp("embed") / FOLDER, reading_order())


def widget_of(name: str, values: dict):
    """Make a widget of the data, which its class checks."""
    widget = FIGURES[name]
    settable = {
        trait: values[trait]
        for trait in (*widget.data_traits, *widget.view_traits)
        if not getattr(widget, trait).read_only
    }
    if name == "GenerationPlayer":
        settable["trace"] = settable.pop("recordings")
    return widget(**settable)


def test_all_figures_of_the_website_are_there_and_python_makes_them_of_their_data(whole):
    files = [file for file in whole if file.suffix == ".json"]
    assert {file.stem for file in files if "-" not in file.stem} == set(FIGURES)
    assert {"CacheLab-beyond", "AttentionStepper-enable"} <= {file.stem for file in files}
    for file in files:
        found = json.loads(file.read_text(encoding="utf-8"))
        values = traits(widget_of(found["name"], found["values"]))
        if found["name"] == "LiveRace":
            values["has_kernel"] = True  # the page that was built had one
        assert values == found["values"], file.name


def test_the_folder_is_light(whole):
    sizes = {file.name: len(compress(file.read_bytes())) for file in whole}
    assert sizes[SCRIPT] <= 70 * KILO
    assert sizes[STYLE] <= 7 * KILO
    assert max(size for name, size in sizes.items() if name.endswith(".json")) <= 25 * KILO
    last = report(whole).splitlines()[-1]
    assert float(last.split()[2]) == pytest.approx(sum(sizes.values()) / KILO, abs=0.1)
    assert last.endswith("all")


def test_the_built_website_has_the_folder_of_this_version():
    files = {file.name for file in (SITE / FOLDER / __version__).iterdir()}
    assert {SCRIPT, STYLE, "index.html", "LICENSE", "GenerationPlayer.json"} <= files
