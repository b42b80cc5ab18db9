"""A website of three pages as Sphinx would build it: what a book of it must hold is known."""

import shutil
from html import escape
from pathlib import Path

from tinytorch.analysis.drawings import Drawing

ROOT = Path(__file__).parents[2]
PAGE = '<html><body><h1>Theme</h1><article class="bd-article">{}</article></body></html>'
FOLDED = '<details class="admonition hide above-input"><summary><p>Show</p></summary>{}</details>{}'
CELL = '<div class="cell docutils container">{}</div>'
FORMULA = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><msub><mi>b</mi><mn>1</mn></msub></math>'
)


def heading(level: int, text: str, own: str) -> str:
    """Return a heading with the link that the theme adds."""
    return f'<h{level}>{text}<a class="headerlink" href="#{own}" title="Link">#</a></h{level}>'


def code(text: str) -> str:
    """Return the code of a cell, line by line as `chapter_code` marks it."""
    lines = "".join(
        f'<span class="code-line">{escape(line)}</span>' for line in text.splitlines(keepends=True)
    )
    return (
        '<div class="cell_input docutils container" style="--lines: 2">'
        '<div class="highlight-ipython3"><div class="highlight">'
        f"<pre>{lines}</pre></div></div></div>"
    )


def output(html: str) -> str:
    """Return what a cell shows."""
    return f'<div class="cell_output"><div class="output text_html">{html}</div></div>'


def drawing(alt: str) -> str:
    """Return a drawing of the book, with a pattern and an arrow, whose ids depend on its words."""
    drawn = Drawing(40, alt)
    drawn.box(0, 5, 60, 20, "again", text="x < y")
    drawn.arrow(60, 15, 120, 15)
    return drawn._repr_html_()


def widget(name: str, fallback: str) -> str:
    """Return a live figure of a page."""
    return output(
        f'<div class="tt-widget" data-afm="{name}"><script type="application/json">{{"a": "<svg"}}'
        f'</script><div class="tt-fallback">{fallback}</div></div>'
    )


def exercise(label: str, number: str, solution: str) -> str:
    """Return an exercise and its folded solution, as sphinx-exercise writes them."""
    return (
        f'<div class="exercise admonition" id="{label}"><p class="admonition-title">'
        f'<span class="caption-number">Exercise {number} </span></p>'
        f'<section id="exercise-content"><p>How many?</p></section></div>'
        f'<div class="solution dropdown admonition" id="book/{label}-solution">'
        '<p class="admonition-title">Solution</p>'
        f'<section id="solution-content">{solution}</section></div>'
    )


TERM = (
    '<span class="tt-term"><a href="words.html#term-Cache" aria-describedby="meaning-1">cache</a>'
    '<span role="tooltip" id="meaning-1">What is kept, said twice.</span></span>'
)
FIRST = (
    f'<section id="a-small-book">{heading(1, "A small book", "a-small-book")}'
    '<div class="tt-paper"></div>'
    f'<p>A {TERM}, see <a href="second.html#part">the part</a>, '
    '<a href="second.html">the page</a>, <a href="../genindex.html">the index</a> and '
    '<a href="https://example.org/a">elsewhere</a>.</p>'
    '<p><img alt="" src="../_images/small.svg" /></p></section>'
)
SECOND = (
    f'<section id="second-page">{heading(1, "1. Second &amp; last", "second-page")}'
    f"<p>Let {FORMULA} be, as <code>helper</code> knows.</p>"
    + CELL.format(FOLDED.format(code("def helper():\n    return 'a < b'\n"), ""))
    + CELL.format(FOLDED.format(code("draw(secret)\n"), output(drawing("An arrow"))))
    + CELL.format(code("print(1 < 2)\n") + output("<table><tr><td>one</td></tr></table>"))
    + CELL.format(widget("GenerationPlayer", drawing("An arrow")))
    + CELL.format(widget("AnswerField", "<p>Bytes: ____________</p>"))
    + f'<section id="part">{heading(2, "A part", "part")}'
    + exercise("count", "1.1", f"<p>Seven.</p>{CELL.format(output(drawing('Seven')))}")
    + exercise("again", "1.2", "<p>Eight.</p>")
    + "</section></section>"
)
WORDS = (
    f'<section id="words">{heading(1, "Words", "words")}'
    '<dl><dt id="term-Cache">Cache</dt><dd><p>What <ul><li>is kept.</li></ul></p></dd></dl>'
    "</section>"
)
SMALL = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0L9 9"/></svg>'


def write_site(root: Path) -> Path:
    """Write the website and its settings into a folder; return the folder of the pages."""
    site = root / "_build/html"
    for folder in ("book", "_static", "_images"):
        (site / folder).mkdir(parents=True)
    for name, body in (("first", FIRST), ("second", SECOND), ("words", WORDS)):
        (site / f"book/{name}.html").write_text(PAGE.format(body), encoding="utf-8")
    (site / "_images/small.svg").write_text(SMALL)
    for name in ("book.css", "logo.svg"):
        shutil.copy(ROOT / "book/_static" / name, site / "_static")
    for name in ("_config.yml", "CITATION.cff"):
        shutil.copy(ROOT / name, root)
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/first\nparts:\n- caption: The part\n  chapters:\n"
        "  - file: book/second\n- caption: Look up\n  chapters:\n  - file: book/words\n"
    )
    return site
