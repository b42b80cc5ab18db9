"""The pages of the book, in the order of its table of contents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sphinx_external_toc.parsing import SiteMap, parse_toc_yaml


def documents_of(toc: Path) -> list[tuple[str, str]]:
    """Return each document of a `_toc.yml`, as Sphinx names it, with the caption of its part."""
    site_map = parse_toc_yaml(toc)
    return list(_listed(site_map, site_map.root.docname))


def _listed(site_map: SiteMap, document: str, part: str = "") -> Iterator[tuple[str, str]]:
    yield document, part
    for tree in site_map[document].subtrees if site_map[document] else ():
        for child in tree.files():
            yield from _listed(site_map, child, tree.caption or part)
