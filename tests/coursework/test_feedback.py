"""The feedback page: what a student wrote is shown, and does nothing."""

import re
from copy import deepcopy

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbformat.v4.nbbase import validate

from coursework.feedback import ATTRIBUTES, TAGS, clean_html, closed
from coursework.limits import MOST_IN_ALL, MOST_OUTPUTS, LimitText, limited
from tests.coursework.payloads import HTML, MARKDOWN, OUTPUTS, hostile_notebook, page_of

SAFE = re.compile(r"https?://|mailto:|#|data:image/(png|jpeg|gif);base64,")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"


def soup_of(page: str) -> BeautifulSoup:
    return BeautifulSoup(page, "html.parser")


def dangers(page: str) -> list[str]:
    """Return what in a page could run or fetch, by an independent parser."""
    found = []
    for element in soup_of(page).find_all(True):
        if element.name in {
            *(
                "script",
                "iframe",
                "object",
                "embed",
                "form",
                "base",
                "svg",
                "link",
                "video",
                "math",
            ),
            *("audio", "input", "details", "textarea"),
        }:
            found.append(str(element)[:80])
        if element.name == "meta" and element.get("http-equiv") != "Content-Security-Policy":
            found += [str(element)] if element.has_attr("http-equiv") else []
        for name, value in element.attrs.items():
            if name.startswith("on") or name in ("srcset", "background", "srcdoc"):
                found.append(f"{element.name} {name}={value}")
            if name in ("href", "src", "action", "data") and not SAFE.match(value):
                found.append(f"{element.name} {name}={value}")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    return page_of(hostile_notebook(), tmp_path_factory.mktemp("course"))


def test_the_hostile_page_has_nothing_that_runs_or_fetches(page):
    assert dangers(page) == []
    assert "window.ran" in soup_of(page).get_text()  # it is there, as text


def test_the_policy_stands_before_all_that_it_forbids(page):
    head = soup_of(page).head
    first, second = list(head.find_all(True))[:2]
    assert first.get("charset") == "utf-8"
    assert second["http-equiv"] == "Content-Security-Policy"
    rules = dict(rule.strip().split(" ", 1) for rule in second["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules
    assert "connect-src" not in rules
    assert (rules["base-uri"], rules["form-action"]) == ("'none'", "'none'")
    assert len(soup_of(page).find_all("meta", attrs={"http-equiv": True})) == 1


@pytest.mark.parametrize("name", HTML)
def test_html_is_cleaned(name):
    assert dangers(clean_html(HTML[name])) == []


@given(
    st.lists(
        st.sampled_from([*HTML.values(), *MARKDOWN.values()]).flatmap(
            lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut])
        ),
        max_size=4,
    ).map("".join)
)
def test_pieces_of_attacks_are_cleaned_and_cleaning_is_stable(text):
    once = clean_html(text)
    assert dangers(once) == []
    assert clean_html(once) == once
    for element in soup_of(once).find_all(True):
        assert element.name in TAGS
        assert set(element.attrs) <= set(ATTRIBUTES.get(element.name, ()))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a **b** `c`", "<p>a <strong>b</strong> <code>c</code></p>"),
        ("# Title", "<h1>Title</h1>"),
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"),
        ("[s](https://example.org)", '<p><a href="https://example.org">s</a></p>'),
        ("$a < b$ and $c$", "<p>$a &lt; b$ and $c$</p>"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "<td>1</td>"),
        ("a\n\n> b", "<blockquote>"),
        ("x" * 10_001, f"<pre>{'x' * 10_001}</pre>"),
        ("![x](attachment:none.png) <b>", "<pre>![x](attachment:none.png) &lt;b&gt;</pre>"),
    ],
)
def test_an_honest_answer_is_set(tmp_path, source, expected):
    page = page_of(new_notebook(cells=[new_markdown_cell(source)]), tmp_path)
    (answer,) = soup_of(page).select(".rendered_html")
    assert expected in answer.decode_contents()


def test_a_picture_that_was_pasted_into_an_answer_is_shown(tmp_path):
    cell = new_markdown_cell("![a drawing](attachment:a.png)")
    cell["attachments"] = {"a.png": {"image/png": PNG}}
    (image,) = soup_of(page_of(new_notebook(cells=[cell]), tmp_path)).select("img")
    assert image["src"] == f"data:image/png;base64,{PNG}"
    assert image["alt"] == "a drawing"


@pytest.mark.parametrize(
    "source",
    ["<b>" * 3_000, "<div>" * 2_000, "[" * 10_000, "> " * 4_000 + "x", "*a" * 5_000, "![" * 5_000],
)
def test_a_text_made_to_be_slow_or_deep_is_shown_all_the_same(tmp_path, source):
    page = page_of(new_notebook(cells=[new_markdown_cell(source)]), tmp_path)
    assert dangers(page) == []
    assert soup_of(page).select(".rendered_html")


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_of_any_kind_becomes_text_or_a_picture(name):
    output = limited(NotebookNode(output_type="display_data", data=OUTPUTS[name]))
    validate(output, "display_data")
    assert list(output.data) == ["text/plain"]


def test_a_picture_stays_a_picture_up_to_a_size():
    picture = limited(new_output("display_data", {"image/png": PNG + "\n", "text/plain": "x"}))
    assert picture.data == {"image/png": PNG + "\n"}
    large = limited(new_output("display_data", {"image/png": "A" * 1_000_001}))
    assert large.data == {"text/plain": "[a picture of 1,000,001 characters, not shown]"}


LONG = "x" * 50_000_000


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "stream", "name": "stdout", "text": LONG},
        {"output_type": "stream", "name": "stdout", "text": ["x" * 1_000] * 5_000},
        {"output_type": "error", "ename": LONG, "evalue": LONG, "traceback": [LONG]},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["x" * 99] * 50_000},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": LONG},
        {"output_type": "display_data", "metadata": {"a": LONG}, "data": {"text/html": [LONG]}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": LONG}},
        {"output_type": "display_data", "metadata": {}, "data": {"application/json": [LONG]}},
        {"output_type": "execute_result", "data": {"text/latex": LONG}},
        {"output_type": "execute_result", "data": {LONG: "x"}},
        {"output_type": "display_data", "data": [LONG]},
        {"output_type": LONG},
        {},
    ],
)
def test_every_output_is_bounded_and_valid(output):
    short = limited(NotebookNode(deepcopy(output)))
    validate(short, short.output_type)
    assert len(str(short)) < 110_000


def test_many_outputs_are_counted_and_left_out():
    notebook = new_notebook(cells=[new_code_cell()])
    notebook.cells[0].outputs = [new_output("stream", text="x")] * 1_000_000
    notebook, _ = LimitText().preprocess(notebook, {})
    (cell,) = notebook.cells
    assert len(cell.outputs) == MOST_OUTPUTS + 1
    assert cell.outputs[-1].text == "... 999,900 outputs more ...\n"


def test_all_outputs_together_are_bounded():
    cells = [new_code_cell() for _ in range(50)]
    for cell in cells:
        cell.outputs = [new_output("stream", text="x" * 90_000)] * 2
    notebook, _ = LimitText().preprocess(new_notebook(cells=cells), {})
    kept = [output.text for cell in notebook.cells for output in cell.outputs]
    assert MOST_IN_ALL - 90_000 < sum(map(len, kept)) < MOST_IN_ALL + 5_000
    assert kept[-1] == "... 2 outputs more ...\n"


def test_what_the_kernel_says_of_the_notebook_is_not_believed():
    notebook = new_notebook(cells=[new_code_cell()])
    notebook.cells[0]["execution_count"] = "<script>"
    notebook.metadata.update(language_info={"name": ["x"]}, widgets={"x": 1}, kernelspec={})
    notebook, _ = LimitText().preprocess(notebook, {})
    assert notebook.metadata == {"kernelspec": {}}
    assert notebook.cells[0].execution_count is None


def test_a_page_is_closed_whatever_its_head_holds():
    page = closed("<html><head><title>x</title><meta charset='utf-8'></head><p>a</p></html>")
    assert [e.name for e in soup_of(page).head.find_all(True)] == ["meta"] * 3 + ["title"]
    assert "<p>a</p>" in page
