"""What a submission may show: a bounded amount of text and pictures."""

from __future__ import annotations

import re
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor

MOST_TEXT = 100_000
"""Characters that are kept of one output."""

MOST_PICTURE = 1_000_000
"""Characters of a picture in Base64; a larger one is left out."""

MOST_OUTPUTS = 100
"""Outputs that are kept of a cell."""

MOST_IN_ALL = 2_000_000
"""Characters that are kept of all outputs of a notebook."""

PICTURES = ("image/png", "image/jpeg")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]+=*\s*")


class LimitText(NbGraderPreprocessor):
    """Keep of what cells showed a bounded amount of text and pictures, and nothing else.

    nbgrader's own limit counts lines of printed text, and lets everything else pass. HTML, SVG,
    LaTeX and JavaScript become the text that they are: a page that shows them need not clean them.
    """

    def preprocess(self, nb, resources):
        """Limit the outputs of every cell, and drop what a kernel can say of the notebook."""
        self.left = MOST_IN_ALL
        for name in ("language_info", "widgets"):
            nb.metadata.pop(name, None)
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell, resources, cell_index):
        """Limit the outputs of a cell."""
        if cell.cell_type != "code":
            return cell, resources
        count = cell.get("execution_count")  # the kernel says it, and it stands in the page
        cell.execution_count = count if isinstance(count, int) else None
        kept = []
        for output in cell.outputs[:MOST_OUTPUTS]:
            output = limited(output)
            self.left -= _length(output)
            if self.left < 0:
                break
            kept.append(output)
        if len(kept) < len(cell.outputs):
            kept.append(_said(f"... {len(cell.outputs) - len(kept):,} outputs more ...\n"))
        cell.outputs = kept
        return cell, resources


def limited(output: NotebookNode) -> NotebookNode:
    """Return a new output with a bounded text, or picture, of an output of any kind."""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return new_output("stream", name=name, text=_cut(_text(output.get("text", ""))))
    if kind == "error":
        trace = output.get("traceback")
        lines = trace if isinstance(trace, list) else [trace]
        return new_output(
            "error",
            ename=_cut(_text(output.get("ename", "")), 200),
            evalue=_cut(_text(output.get("evalue", "")), 2_000),
            traceback=_cut("\n".join(map(_text, lines))).split("\n"),
        )
    data = output.get("data")
    return new_output("display_data", data=_shown(data if isinstance(data, dict) else {}))


def _shown(data: dict[str, Any]) -> dict[str, str]:
    """Return the picture of an output, or else its text, or else what it is made of as text."""
    for mime in PICTURES:
        picture = _text(data.get(mime, ""))
        if 0 < len(picture) <= MOST_PICTURE and BASE64.fullmatch(picture):
            return {mime: picture}
        if picture:
            return {"text/plain": f"[a picture of {len(picture):,} characters, not shown]"}
    texts = ["text/plain", *sorted(map(str, data))]
    mime = next((mime for mime in texts if mime in data), "text/plain")
    return {"text/plain": _cut(_text(data.get(mime, "")))}


def _text(value: Any) -> str:
    """Return a text, the lines of a text, or Python's words for anything else."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    text = value if isinstance(value, str) else repr(value)
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str, most: int = MOST_TEXT) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n... {len(text) - most:,} characters more ...\n"


def _length(output: NotebookNode) -> int:
    parts = [output.get("text", ""), *output.get("traceback", []), *output.get("data", {}).values()]
    return sum(map(len, parts))


def _said(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text)
