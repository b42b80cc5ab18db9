"""The page that a student gets back: text and pictures, no program, nothing fetched.

Three walls: outputs are reduced to text and pictures before they are kept (`limits.LimitText`), the
HTML of written answers is cleaned here, and the page forbids the browser scripts and connections.
"""

from __future__ import annotations

import html
from copy import deepcopy
from functools import cache
from pathlib import Path

import bleach
from bs4 import BeautifulSoup
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import GetGrades
from nbgrader.utils import is_grade

from coursework.course import NOTEBOOK, course_config

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
"""No script, no connection, no frame: pictures and fonts only if the page itself holds them."""

MOST_MARKDOWN = 10_000
"""Characters of a text that are set; a longer one is shown as it was typed."""

TAGS = bleach.ALLOWED_TAGS | {
    *("br", "del", "div", "dd", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "p"),
    *("pre", "s", "span", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
}
ATTRIBUTES = {
    "a": ["href", "title"],
    "img": ["alt", "src", "title"],
    "ol": ["start"],
    "td": ["colspan", "rowspan"],
    "th": ["colspan", "rowspan"],
    "code": ["class"],
    "div": ["class"],
    "span": ["class"],
}
OUTSIDE = ["http", "https", "mailto"]
PICTURE = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,")


def clean_html(text: object) -> str:
    """Return HTML without anything that runs, loads, or lays itself over the page."""
    cleaner = bleach.Cleaner(
        tags=TAGS, attributes=_is_allowed, protocols={*OUTSIDE, "data"}, strip=True
    )
    return cleaner.clean(text.decode() if isinstance(text, bytes) else str(text))


def _is_allowed(tag: str, name: str, value: str) -> bool:
    if name not in ATTRIBUTES.get(tag, ()):
        return False
    if name == "src":
        return value.startswith(PICTURE)
    if name == "href":
        return not value.strip().lower().startswith("data:")
    return True


@pass_context
def markdown_to_html(context, source: str) -> str:
    """Return the clean HTML of a written answer, with the pictures that were pasted into it.

    What is too long, or cannot be set, is shown as it was typed.
    """
    if len(source) <= MOST_MARKDOWN:
        cell = context.get("cell", {})
        renderer = IPythonRenderer(
            escape=False, attachments=cell.get("attachments", {}), exclude_anchor_links=True
        )
        try:
            return clean_html(MarkdownWithMath(renderer=renderer).render(source))
        except Exception:  # whatever a text does to the two libraries, it is shown
            pass
    return f"<pre>{html.escape(source)}</pre>"


class FeedbackExporter(HTMLExporter):
    """nbconvert's page, closed: no scripts of its own, and none of anybody's."""

    def from_notebook_node(self, nb, resources=None, **kw):
        """Return the page of a notebook, and nbconvert's resources."""
        page, resources = super().from_notebook_node(nb, resources, **kw)
        return closed(page), resources


def feedback_page(
    notebook: NotebookNode, scores: dict[str, float], comments: dict[str, str]
) -> str:
    """Return nbgrader's page for a student, without asking a gradebook.

    Parameters
    ----------
    notebook : NotebookNode
        As it ran. It is not changed.
    scores : dict of str to float
        Points of each cell that has points.
    comments : dict of str to str
    """
    notebook = deepcopy(notebook)
    graded = [cell for cell in notebook.cells if is_grade(cell)]
    for cell in graded:
        cell.metadata.nbgrader["score"] = scores[cell.metadata.nbgrader.grade_id]
    for cell in notebook.cells:
        role = cell.metadata.get("nbgrader", {})
        if role.get("solution"):
            role["comment"] = comments.get(role["grade_id"])
    total = {
        "notebook": NOTEBOOK,
        "score": sum(scores.values()),
        "max_score": sum(float(cell.metadata.nbgrader.points) for cell in graded),
        "late_penalty": 0,
    }
    resources = {"unique_key": NOTEBOOK, "nbgrader": total}
    return _page_maker().from_notebook_node(notebook, resources)[0]


@cache
def _page_maker() -> HTMLExporter:
    """Return nbgrader's exporter, made once, without the step that asks the gradebook."""
    maker = GenerateFeedback(config=course_config(Path()))
    exporter = maker.exporter_class(parent=maker, config=maker.config)
    for step in maker.preprocessors:
        if step is not GetGrades:
            exporter.register_preprocessor(step)
    return exporter


def closed(page: str) -> str:
    """Return a page without scripts, that forbids the browser to run or fetch anything."""
    soup = BeautifulSoup(page, "html.parser")
    for element in soup(["script", "iframe", "object", "embed", "base", "link"]):
        element.decompose()
    for element in soup("meta"):
        if element.has_attr("http-equiv"):
            element.decompose()
    policy = soup.new_tag(
        "meta", attrs={"http-equiv": "Content-Security-Policy", "content": CONTENT_SECURITY_POLICY}
    )
    quiet = soup.new_tag("meta", attrs={"name": "referrer", "content": "no-referrer"})
    head = soup.head
    head.insert(0, quiet)
    head.insert(0, policy)
    charset = head.find("meta", attrs={"charset": True})
    if charset:
        head.insert(0, charset.extract())
    return str(soup)
