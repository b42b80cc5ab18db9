"""Highlighted code, line by line."""

import importlib.util
from pathlib import Path

from bs4 import BeautifulSoup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("chapter_code", ROOT / "book/_ext/chapter_code.py")
chapter_code = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(chapter_code)

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
