"""The glossary where it is needed: a page's first use of a term links to it and shows it."""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

GLOSSARY = "book/glossary"
WITHOUT = (GLOSSARY, "book/api", "book/bibliography", "book/execution")
SKIPPED = (
    nodes.reference,
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.title,
    addnodes.pending_xref,
)
SCRIPT = "glossary.js"
LINK = re.compile(
    r'<a class="reference internal" (?P<href>href="[^"]*#(?P<id>term-[^"]+)")[^>]*>'
    r'<span class="xref std std-term">(?P<shown>.*?)</span></a>',
    re.DOTALL,
)


class Entry(NamedTuple):
    """An entry of the glossary: its names, their ids, and what they mean."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    meaning: str


def entries(env: BuildEnvironment) -> list[Entry]:
    """Read the glossary's page; a book without one has no entries."""
    if GLOSSARY not in env.all_docs:
        return []
    found = []
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        terms = list(item.findall(nodes.term))
        (definition,) = item.findall(nodes.definition)
        meaning = " ".join(definition.astext().split())
        names = tuple(term.astext() for term in terms)
        found.append(Entry(names, tuple(term["ids"][0] for term in terms), meaning))
    return found


def pattern_of(name: str) -> str:
    """Match a name, also in the plural; one with capitals inside only as it is written."""
    words = re.escape(name).replace(r"\ ", r"\s+")
    return words if name[1:] != name[1:].lower() else f"(?i:{words})"


def first_use(text: str, open_entries: list[Entry]) -> tuple[re.Match[str], Entry, str] | None:
    """Find the earliest use of an entry in a text, of equally early ones the longest."""
    found = [
        (match, entry, name)
        for entry in open_entries
        for name in entry.names
        if (match := re.search(rf"(?<![\w-]){pattern_of(name)}(?:s|es)?(?![\w-])", text))
    ]
    return min(found, key=lambda item: (item[0].start(), -item[0].end()), default=None)


class FirstUses(SphinxPostTransform):
    """Make the first use of each entry in a page's prose a reference to the glossary.

    An entry that the page refers to itself is left as its author wrote it.
    """

    default_priority = 5  # before references are resolved
    formats = ("html",)

    def run(self, **kwargs) -> None:
        """Walk the paragraphs from the top."""
        if self.env.docname in WITHOUT:
            return
        referred = {
            str(node["reftarget"]).lower()
            for node in self.document.findall(addnodes.pending_xref)
            if node.get("reftype") == "term"
        }
        missing = [
            entry
            for entry in entries(self.env)
            if not referred & {name.lower() for name in entry.names}
        ]
        for paragraph in self.document.findall(nodes.paragraph):
            for text in list(paragraph.findall(nodes.Text)):
                if not lies_in(text, SKIPPED, paragraph):
                    self.link(text, missing)

    def link(self, text: nodes.Text, missing: list[Entry]) -> None:
        """Put references into a text, and take their entries from `missing`."""
        parts: list[nodes.Node] = []
        rest = str(text)
        while found := first_use(rest, missing):
            match, entry, name = found
            missing.remove(entry)
            parts += [nodes.Text(rest[: match.start()]), self.reference(name, match[0])]
            rest = rest[match.end() :]
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(rest)])

    def reference(self, name: str, shown: str) -> addnodes.pending_xref:
        """Return what the role ``term`` makes of ``shown <name>``."""
        return addnodes.pending_xref(
            "",
            nodes.inline("", shown, classes=["xref", "std", "std-term"]),
            refdomain="std",
            reftype="term",
            reftarget=name,
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )


def lies_in(node: nodes.Node, kinds: tuple[type, ...], top: nodes.Node) -> bool:
    """Whether a node below `top` lies in a node of some kinds."""
    while (node := node.parent) is not top:
        if isinstance(node, kinds):
            return True
    return False


def add_tooltips(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Write its meaning beside each link to the glossary; style and script show it."""
    meanings = {name: entry.meaning for entry in entries(app.env) for name in entry.ids}
    count = 0

    def with_meaning(link: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return (
            f'<span class="tt-term"><a {link["href"]} aria-describedby="meaning-{count}">'
            f'{link["shown"]}</a><span role="tooltip" id="meaning-{count}">'
            f"{escape(meanings[link['id']])}</span></span>"
        )

    if "body" in context:
        context["body"] = LINK.sub(with_meaning, context["body"])
    if count:
        app.add_js_file(SCRIPT, defer="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect everything."""
    app.add_post_transform(FirstUses)
    app.connect("html-page-context", add_tooltips, priority=300)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
