"""What a student may write to make the grader's browser do something, and the page it ends in."""

from __future__ import annotations

from pathlib import Path

from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory

from coursework.course import course_config
from coursework.limits import LimitText

RUN = "window.ran=(window.ran||0)+1;fetch('/stolen')"

HTML = {
    "script": f"<script>{RUN}</script>",
    "script-src": '<script src="/stolen.js"></script>',
    "module": f'<script type="module">{RUN}</script>',
    "image-handler": f'<img src="x" onerror="{RUN}">',
    "image-in-capitals": f'<IMG SRC=x ONERROR="{RUN}">',
    "image-with-a-slash": f'<img/src="x"/onerror="{RUN}">',
    "image-not-closed": f'<img src="x" onerror="{RUN}" ',
    "remote-image": '<img src="/stolen.png"><img srcset="/stolen2.png 1x">',
    "svg": f'<svg onload="{RUN}"><script>{RUN}</script></svg>',
    "svg-use": '<svg><image href="/stolen.svg"/><use href="/stolen.svg#a"/></svg>',
    "svg-animate": f'<svg><animate onbegin="{RUN}" attributeName="x" dur="1s"></svg>',
    "frame": '<iframe src="/stolen.html"></iframe>',
    "frame-source": f'<iframe srcdoc="<script>{RUN}</script>"></iframe>',
    "frame-javascript": f'<iframe src="javascript:{RUN}"></iframe>',
    "object": '<object data="/stolen.html"></object><embed src="/stolen.html">',
    "stylesheet": '<link rel="stylesheet" href="/stolen.css">',
    "preload": '<link rel="preload" as="image" href="/stolen.png">',
    "style": "<style>@import url(/stolen.css); body{background:url(/stolen.png)}</style>",
    "style-attribute": '<div style="position:fixed;inset:0;background:url(/stolen.png)">x</div>',
    "refresh": '<meta http-equiv="refresh" content="0;url=/stolen.html">',
    "base": '<base href="/stolen/">',
    "form": f'<form action="/stolen"><input autofocus onfocus="{RUN};this.form.submit()"></form>',
    "details": f'<details open ontoggle="{RUN}">x</details>',
    "media": f'<video src="/stolen.mp4" onerror="{RUN}"></video><audio src=x onerror="{RUN}">',
    "table": f'<table background="/stolen.png"><td background="/b.png" onclick="{RUN}">x</table>',
    "body": f'<body onload="{RUN}" background="/stolen.png">',
    "parsed-twice": f'<math><mtext><table><mglyph><style><img src=x onerror="{RUN}"></table>',
    "noscript": f'<noscript><p title="</noscript><img src=x onerror={RUN}>"></noscript>',
    "comment": f'<!--><img src=x onerror="{RUN}">-->',
    "textarea": f'</textarea></pre></div><img src=x onerror="{RUN}">',
    "link": f'<a id="a1" href="javascript:{RUN}">x</a><a href=" &#106;avascript:{RUN}">y</a>',
    "data-link": f'<a href="data:text/html,<script>{RUN}</script>">x</a>',
    "ends-the-page": f"</body></html><script>{RUN}</script>",
}

MARKDOWN = {
    "link": f"[x](javascript:{RUN})",
    "link-in-capitals": f"[x](JaVaScRiPt:{RUN})",
    "reference": f"[x][r]\n\n[r]: javascript:{RUN}",
    "image": "![x](/stolen.png)",
    "image-title": f'![x](/stolen.png "\\" onerror=\\"{RUN}")',
    "autolink": f"<javascript:{RUN}>",
    "fence": f'```"><img src=x onerror="{RUN}">\nx\n```',
    "mermaid": f"```mermaid\n</div><script>{RUN}</script>\n```",
    "heading": f"# <img src=x onerror='{RUN}'>",
    "formula": f"$\\href{{javascript:{RUN}}}{{x}}$ and $<img src=x onerror='{RUN}'>$",
    "missing-attachment": "![x](attachment:none.png)",
}

OUTPUTS = {
    "html": {"text/html": HTML["image-handler"]},
    "html-lines": {"text/html": ["<script>", RUN, "</script>"]},
    "markdown": {"text/markdown": HTML["image-handler"] + MARKDOWN["link"]},
    "svg": {"image/svg+xml": HTML["svg"]},
    "svg-lines": {"image/svg+xml": [HTML["svg"], HTML["script"]]},
    "javascript": {"application/javascript": RUN, "text/plain": "x"},
    "latex": {"text/latex": MARKDOWN["formula"] + HTML["script"]},
    "mermaid": {"text/vnd.mermaid": f"</pre>{HTML['script']}"},
    "widget": {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}},
    "json": {"application/json": {"a": HTML["script"]}},
    "picture": {"image/png": f'" onerror="{RUN}'},
    "picture-lines": {"image/jpeg": ['x"', f'onerror="{RUN}"']},
    "plain": {"text/plain": HTML["script"]},
    "plain-lines": {"text/plain": [HTML["script"], HTML["svg"]]},
    "no-text": {"text/plain": 7},
    "of-its-own": {f'x/"><script>{RUN}</script>': HTML["script"]},
}


def hostile_notebook() -> NotebookNode:
    """Return a notebook with every payload, in answers and in outputs of every kind."""
    role = {"grade": True, "solution": True, "grade_id": "a", "points": 2, "score": 1}
    cells = [new_markdown_cell(text) for text in HTML.values()]
    cells += [
        new_markdown_cell(text, metadata={"nbgrader": role})
        for text in [*MARKDOWN.values(), *HTML.values(), "\n\n".join(HTML.values())]
    ]
    code = new_code_cell(f'"""{HTML["ends-the-page"]}"""')
    shown = {"output_type": "display_data", "metadata": {"text/html": {"isolated": True}}}
    code.outputs = [NotebookNode(shown | {"data": data}) for data in OUTPUTS.values()]
    text = HTML["script"] + "\x1b[31m" + HTML["image-handler"]
    code.outputs += [new_output("stream", name=name, text=text) for name in ("stdout", "stderr")]
    code.outputs += [new_output("error", ename=text, evalue=text, traceback=[text])]
    notebook = new_notebook(cells=cells)
    code["execution_count"] = HTML["script"]
    notebook.cells.append(code)
    notebook.metadata.update(language_info={"name": HTML["script"]}, title=HTML["script"])
    return notebook


def page_of(notebook: NotebookNode, root: Path) -> str:
    """Return the feedback page as the grader writes it for a notebook that has run."""
    notebook, _ = LimitText().preprocess(notebook, {})
    config = course_config(root)
    app = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config)
    exporter: Exporter = app.exporter_class(parent=app, config=app.config)
    for step in app.preprocessors[1:]:  # all but the marks, which are in the gradebook
        exporter.register_preprocessor(step)
    about = {"notebook": "module15", "score": 0, "max_score": 70, "late_penalty": 0}
    page, _ = exporter.from_notebook_node(notebook, {"nbgrader": about})
    return page
