"""nbgrader's formgrader with the course's policy: it works, what a student shows does not run."""

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from playwright.sync_api import Browser, Page
from tornado.httputil import HTTPHeaders

from coursework.course import ASSIGNMENT, NOTEBOOK, make_course, open_gradebook
from coursework.formgrader import FILE_POLICY, HANDLERS, STUDENTS_WORK, ClosedSubmissions
from tests.browser.lab import jupyterlab, own_folders
from tests.coursework.payloads import HTML
from tests.coursework.submissions import solved

ROOT = Path(__file__).parents[2]
STUDENT = "eve"
GRADES_ARE_THERE = "() => !!window.formgrader?.loaded && !!formgrader.grades.loaded"
LEAVES_THE_PAGE = {"refresh"}
"""No policy of a page keeps its reader there; the cleaning of the page does."""

RAW_SETTINGS = """c = get_config()
c.CourseDirectory.course_id = "tinytorch"
c.CourseDirectory.root = {root!r}
"""
"""nbgrader without the course's cleaning: the policy stands alone."""


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> tuple[Path, str]:
    """A course with a hostile notebook that was graded, and the number of its page."""
    root = tmp_path_factory.mktemp("course")
    make_course(root)
    (root / "nbgrader_config.py").write_text(RAW_SETTINGS.format(root=str(root)))
    notebook = solved()
    text = "\n\n".join(html for name, html in HTML.items() if name not in LEAVES_THE_PAGE)
    shown = nbformat.v4.new_output("display_data", {"text/html": text})
    # At the end: what is not closed swallows what comes after it.
    answers = [cell for cell in notebook.cells if cell.cell_type == "markdown" and cell.metadata]
    answers[-1].source = text
    notebook.cells.append(nbformat.v4.new_code_cell(outputs=[shown]))
    file = root / "autograded" / STUDENT / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    file.parent.mkdir(parents=True)
    nbformat.write(notebook, file)
    (file.parent / "own.html").write_text(f"<p>own</p>{HTML['script']}")
    with warnings.catch_warnings(), open_gradebook(root) as book:
        warnings.simplefilter("ignore")  # nbgrader adds to a session that it does not flush
        book.add_student(STUDENT)
        book.add_submission(ASSIGNMENT, STUDENT)
        number = book.find_submission_notebook(NOTEBOOK, ASSIGNMENT, STUDENT).id
    return root, number


@contextmanager
def served(root: Path, home: Path, *options: str) -> Iterator[str]:
    """Run Jupyter in the course folder; yield where its submissions are."""
    environment = os.environ | own_folders(home) | {"PYTHONPATH": str(ROOT)}
    jupyter = Path(sys.prefix) / "bin/jupyter"
    log = home / "jupyter.log"
    with jupyterlab(jupyter, *options, folder=root, environment=environment, log=log) as (url, _):
        yield f"{url}formgrader/submissions"


def opened(chromium: Browser, url: str) -> tuple[Page, list[str]]:
    """Open a page; return it with the addresses that answered it."""
    page, asked = chromium.new_page(), []
    page.on("response", lambda response: asked.append(response.url))
    page.goto(url)
    return page, asked


def wait_for(page: Page, holds: Callable[[], bool]) -> None:
    """Return when a condition holds; fail after a minute."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        page.wait_for_timeout(100)


def test_without_the_policy_the_attacks_run(chromium, course, tmp_path):
    root, number = course
    with served(root, tmp_path) as url:
        page, asked = opened(chromium, f"{url}/{number}/")
        wait_for(page, lambda: any(path.endswith("/stolen") for path in asked))  # by a script
        page.close()


def test_with_the_policy_the_formgrader_works_and_no_attack_does(chromium, course, tmp_path):
    root, number = course
    with served(root, tmp_path, "--config=jupyter_server_config.py") as url:
        page, asked = opened(chromium, f"{url}/{number}/")
        wait_for(page, lambda: page.evaluate(GRADES_ARE_THERE))  # in the page it would need eval
        score = page.locator("#written_why")
        with page.expect_response(lambda answer: answer.request.method == "PUT") as saved:
            score.fill("1.5")
            score.press("Tab")
        assert saved.value.ok
        assert page.evaluate("() => document.activeElement.id") == "written_why_extra_credit"
        page.locator(".glyphicon-eye-open").click()
        page.locator("a.name-shown", has_text=STUDENT).wait_for()
        page.wait_for_timeout(1_000)  # what runs later: a toggle, an animation
        assert page.evaluate("window.ran || 0") == 0
        own = url.removesuffix("submissions")
        assert not [path for path in asked if not path.startswith(own)]
        page.close()
        page, asked = opened(chromium, f"{url}/{number}/own.html")
        assert page.inner_text("p") == "own"
        assert page.evaluate("window.ran || 0") == 0
        page.close()
    with open_gradebook(root) as book:
        grade = book.find_grade("written_why", NOTEBOOK, ASSIGNMENT, STUDENT)
        assert grade.manual_score == 1.5


PAGE = (
    b'<head><script src="https://example.org/MathJax.js"> </script>'
    b"<style></style><script>own()</script></head><div " + STUDENTS_WORK + b">"
    b"<style></style><script>theirs()</script>"
)


def transformed(path: str, chunk: bytes = PAGE, finishing: bool = True):
    headers = HTTPHeaders({"Content-Length": str(len(chunk)), "Etag": "x"})
    step = ClosedSubmissions(SimpleNamespace(path=path))
    return step.transform_first_chunk(200, headers, chunk, finishing)[1:]


def test_the_pages_own_scripts_bear_the_nonce_and_no_others():
    headers, page = transformed("/user/a/formgrader/submissions/0123/")
    nonce = headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
    assert len(nonce) > 20
    assert page.count(nonce.encode()) == 3
    assert f'<script nonce="{nonce}">own()'.encode() in page
    assert page.endswith(b"<style></style><script>theirs()</script>")
    assert int(headers["Content-Length"]) == len(page)
    assert "Etag" not in headers
    assert b"example.org" not in page
    assert transformed("/formgrader/submissions/0123/")[0] != headers


@pytest.mark.parametrize("chunk", [b"", b"<script>x()</script>", STUDENTS_WORK + PAGE])
def test_a_page_of_another_form_gets_no_nonce_in_the_students_part(chunk):
    headers, page = transformed("/formgrader/submissions/0123", chunk)
    assert page == chunk
    assert (
        "'unsafe-inline'" not in headers["Content-Security-Policy"].partition("style-src-elem")[0]
    )


@pytest.mark.parametrize("path", ["own.html", "a/b.html", "next", ".html"])
def test_a_students_file_is_in_a_sandbox(path):
    headers, page = transformed(f"/formgrader/submissions/0123/{path}")
    assert headers["Content-Security-Policy"] == FILE_POLICY
    assert page == PAGE


@pytest.mark.parametrize(
    "path", ["lab", "formgrader/gradebook", "formgrader/submissions/components/x"]
)
def test_other_pages_are_left_as_they_are(path):
    headers, page = transformed(f"/{path}")
    assert "Content-Security-Policy" not in headers
    assert (page, headers["Etag"]) == (PAGE, "x")


def test_the_handlers_that_the_policy_allows_are_nbgraders():
    import nbgrader

    macros = Path(nbgrader.__file__).parent / "server_extensions/formgrader/templates/formgrade"
    text = "".join(file.read_text() for file in macros.iterdir())
    assert {part.partition('"')[0] for part in text.split('onclick="')[1:]} == set(HANDLERS)
