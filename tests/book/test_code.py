"""Highlighted code, line by line."""

import re

import chapter_code
from bs4 import BeautifulSoup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

CODE = '''\
def greet(name):
    """Say it.

      As <HTML> & more.
    """
    return f"hello {name}"
'''


def test_every_line_is_an_element_with_its_indentation_and_no_character_is_lost():
    html = highlight(CODE, PythonLexer(), HtmlFormatter())
    block = BeautifulSoup(chapter_code.with_lines(f"<p>{html}</p>"), "html.parser")
    lines = block.select("pre > span.code-line")
    assert [line.text for line in lines] == CODE.splitlines(keepends=True)
    styles = [line.get("style") for line in lines]
    assert styles == [None, "--indent:4", None, "--indent:6", "--indent:4", "--indent:4"]
    assert block.select_one("pre").text == CODE


def test_what_is_no_code_stays_as_it_is():
    html = "<pre>\n  as is\n</pre><p>more</p>"
    assert chapter_code.with_lines(html) == html


STYLES = ("a11y-high-contrast-light", "a11y-high-contrast-dark")


def rules(style: str) -> dict[str, set[str]]:
    """Return what a style sheet of Pygments says of each class of its tokens, and of the box."""
    css = HtmlFormatter(style=style).get_style_defs(".highlight")
    found = re.findall(r"^\.highlight ?\.?(\w*) \{ ([^}]*?) \}", css, re.MULTILINE)
    return {
        name: {line for line in text.split("; ") if "background" not in line}
        for name, text in found
    }


def test_only_what_looks_like_any_text_loses_its_element():
    html = highlight(CODE, PythonLexer(), HtmlFormatter())
    plain = chapter_code.plain_classes(STYLES)
    lighter = chapter_code.without_plain(html, plain)
    before, after = (BeautifulSoup(text, "html.parser") for text in (html, lighter))
    assert after.text == before.text
    assert after.select_one("pre").text == CODE
    kept = [span for span in before.select("span[class]") if span["class"][0] not in plain]
    assert [(span["class"], span.text) for span in after.select("span[class]")] == [
        (span["class"], span.text) for span in kept
    ]
    gone = {span["class"][0] for span in before.select("span[class]")} - {
        span["class"][0] for span in kept
    }
    assert {"n", "p"} <= gone
    for style in STYLES:
        of_class = rules(style)
        assert all(of_class.get(name, of_class[""]) == of_class[""] for name in gone), style
        assert of_class["k"] != of_class[""]


def test_a_class_that_one_style_colours_keeps_its_element():
    assert "o" not in chapter_code.plain_classes(STYLES)
    assert "o" in chapter_code.plain_classes(["bw"])
    assert "o" not in chapter_code.plain_classes(["bw", STYLES[0]])
