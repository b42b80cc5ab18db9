"""What a submission may take: memory, and room for what it prints."""

from __future__ import annotations

import sys

from nbgrader.preprocessors import NbGraderPreprocessor

MOST_TEXT = 100_000
"""Characters that are kept of one output."""


class LimitText(NbGraderPreprocessor):
    """Cut long outputs, which nbgrader's own limit (lines) lets pass on one line."""

    def preprocess_cell(self, cell, resources, cell_index):
        """Cut the text of each output of a cell."""
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = _cut(output.text)
            for mime, data in output.get("data", {}).items():
                if isinstance(data, str):
                    output.data[mime] = _cut(data)
        return cell, resources


def _cut(text: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:MOST_TEXT]}\n... {len(text) - MOST_TEXT:,} characters more ...\n"


def limit_memory(gib: float) -> None:
    """Let this process and those that it starts allocate so much, where the system can.

    An allocation beyond it is a MemoryError in the cell that asked for it.
    """
    if sys.platform == "win32":
        return
    import resource

    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
