"""Where the search leads: an index entry points at the section that teaches it."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

OWN = re.compile(r"index-\d+")
"""What Sphinx calls the target that the directive makes; those of functions have other names."""


class EntriesOfSections(SphinxTransform):
    """Let entries of the directive ``index`` point at their section.

    Their own target is an empty element, in which the search finds no text to show.
    """

    default_priority = 800  # before the entries are collected

    def apply(self, **kwargs) -> None:
        """Replace the targets of the entries that stand below a heading."""
        for index in self.document.findall(addnodes.index):
            if isinstance(index.parent, nodes.section):
                (section, *_) = index.parent["ids"]
                index["entries"] = [
                    (kind, text, section if OWN.fullmatch(target) else target, *rest)
                    for kind, text, target, *rest in index["entries"]
                ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.add_transform(EntriesOfSections)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
