"""What a cell prints piece by piece, such as an answer token by token, stays in one line."""

from __future__ import annotations

import myst_nb.core.render
from myst_nb.core.utils import coalesce_streams
from nbformat import NotebookNode
from sphinx.application import Sphinx


def join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Merge the pieces of each stream as they were printed.

    MyST-NB's own merge ends every piece with a new line. It gets whole streams here, and keeps its
    other duties: their order, and what a carriage return overwrites.
    """
    joined: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
            continue
        joined.append(NotebookNode(output))
        if output["output_type"] == "stream":
            streams[output["name"]] = joined[-1]
    return coalesce_streams(joined)


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace the merge where MyST-NB looks it up."""
    myst_nb.core.render.coalesce_streams = join_streams
    return {"parallel_read_safe": True, "parallel_write_safe": True}
