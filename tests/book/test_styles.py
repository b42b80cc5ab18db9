"""The rules that are left of a theme's style sheet."""

import re
from urllib.parse import unquote

import pytest
from chapter_styles import (
    OWN,
    SHEETS,
    icon_rule,
    joined,
    link_joined,
    used_names,
    without_unused,
)
from sphinx.errors import ExtensionError

CLASSES = {"card", "wide", "fa-sun"}


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        (".card{color:red}", ".card{color:red}"),
        (".cards{color:red}", ""),
        (".card.gone{color:red}", ""),
        ("a>.card:hover{color:red}", "a>.card:hover{color:red}"),
        (".gone,.wide{color:red}", ".wide{color:red}"),
        ("p:not(.gone){color:red}", "p:not(.gone){color:red}"),
        ("table{color:red}", "table{color:red}"),
        (".bs-tooltip-auto .card{top:0}", ".bs-tooltip-auto .card{top:0}"),
        ("@media print{.gone{top:0}.card{top:0}}", "@media print{.card{top:0}}"),
        ("@media print{.gone{top:0}}", ""),
        ('@font-face{font-family:"FA";src:url(a.woff2)}', ""),
        ('.fa-sun:before{content:"x"}.fa-sun{top:0}', ".fa-sun{top:0}"),
        ("@keyframes gone{to{top:0}}", "@keyframes gone{to{top:0}}"),
        (r".w-1\/2{top:0}.card .wide{top:0}/* x */", ".card .wide{top:0}"),
    ],
)
def test_only_rules_that_can_match_are_left(css, expected):
    assert without_unused(css, CLASSES).replace("\n", "") == expected


def test_names_are_those_of_pages_and_of_scripts(tmp_path):
    (tmp_path / "_static").mkdir()
    link = '<link rel="stylesheet" href="_static/basic.css?v=1" />'
    page = '<p class="one two">three<script>add("four")</script></p>'
    (tmp_path / "a.html").write_text(link + page)
    (tmp_path / "_static" / "b.js").write_text('element.classList.add("tt-five")')
    (tmp_path / "slides").mkdir()
    other = '<link rel="stylesheet" href="deck.css" /><p class="seven"></p>'
    (tmp_path / "slides" / "index.html").write_text(other)
    (tmp_path / "slides" / "deck.js").write_text("eight")
    (tmp_path / "searchindex.js").write_text('Search.setIndex({"six": 1})')
    classes, words = used_names(tmp_path)
    assert classes == {"one", "two"}
    assert words == {"add", "four", "element", "classList", "tt-five"}


def test_sheets_are_joined_in_their_order_and_pages_load_them_at_once(tmp_path):
    static = tmp_path / "_static"
    (static / "styles").mkdir(parents=True)
    for name in SHEETS:
        rule = f'.wide{{--of:"{name}"}}.gone{{--of:"{name}"}}'
        (static / name.replace("*", "1a")).write_text(rule)
    (static / "styles/theme.css").write_text('@import "../basic.css";')
    css = joined(static, {"wide"})
    named = re.findall(r'\.wide{--of:"([^"]*)"}', css)
    assert named == [name for name in SHEETS if name != "styles/theme.css"]
    assert "@import" not in css
    assert re.findall(r'\.gone{--of:"([^"]*)"}', css) == list(OWN)
    assert joined(static, {"wide"}) == css, "what is left stays, where a build writes no page"

    page = tmp_path / "book" / "a.html"
    page.parent.mkdir()
    link = '<link rel="stylesheet" href="../_static/{}?v=1" />\n'
    head = "".join(link.format(name) for name in ("basic.css", "mystnb.1a.css", "book.css"))
    page.write_text(f"<head>{head}<script></script></head>")
    for _ in range(2):
        link_joined(tmp_path, "0a")
        html = page.read_text()
        assert re.findall(r'href="([^"]*)"', html) == ["../_static/site.css?v=0a"]
        assert "<script></script></head>" in html
    page.write_text(f"<head>{link.format('new.css')}</head>")
    with pytest.raises(ExtensionError, match=r"a\.html links \['new\.css'\]"):
        link_joined(tmp_path, "0a")
    other = tmp_path / "slides.html"
    other.write_text('<link rel="stylesheet" href="deck.css" />')
    page.write_text(head)
    link_joined(tmp_path, "0a")
    assert other.read_text() == '<link rel="stylesheet" href="deck.css" />'
    page.write_text(head.replace("<link ", "<link media='all' ", 1))
    with pytest.raises(ExtensionError, match=r"links 3 style sheets, and .*LINK finds 2 of them"):
        link_joined(tmp_path, "0a")
    (static / "exercise.css").unlink()
    with pytest.raises(ExtensionError, match="exercise"):
        joined(static, {"wide"})


def test_an_icon_that_the_theme_does_not_have_is_named():
    library = 'x={"sun":[512,512,[],"f185","M1 2"],pen:[9,8,[61,"pencil-alt"],"f0","M3 4"]}'
    assert "M1 2" in unquote(icon_rule("fa-sun", library))
    assert "M3 4" in unquote(icon_rule("fa-pencil-alt", library))
    with pytest.raises(ExtensionError, match="fa-moon"):
        icon_rule("fa-moon", library)
