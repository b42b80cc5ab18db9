"""Terms link to the glossary at their first use, and show what it says."""

import re

import chapter_glossary
import pytest
from bs4 import BeautifulSoup

from tests.book.test_site import PAGES

Entry = chapter_glossary.Entry

KV_CACHE = Entry(("Key/value cache", "KV cache"), ("a", "b"), "Kept keys and values.")
KEY = Entry(("Key",), ("c",), "A vector.")
MHA = Entry(("MHA",), ("d",), "As many heads.")


@pytest.mark.parametrize(
    ("text", "entry", "found"),
    [
        ("all keys here", KEY, "keys"),
        ("Key by key", KEY, "Key"),
        ("a monkey, a keyboard, a key-ring", None, ""),
        ("the key/value cache", KV_CACHE, "key/value cache"),
        ("many KV caches", KV_CACHE, "KV caches"),
        ("a kv cache", None, ""),
        ("MHA or mha", MHA, "MHA"),
        ("mha", None, ""),
    ],
)
def test_the_earliest_and_longest_name_is_found(text, entry, found):
    use = chapter_glossary.first_use(text, [KEY, KV_CACHE, MHA])
    assert (use[1], use[0][0]) == (entry, found) if entry else use is None


def glossary() -> dict[str, str]:
    """Return what the built glossary says for each id."""
    (page,) = [page for page in PAGES if page.name == "glossary.html"]
    meanings = {}
    for term in BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select("dt[id]"):
        meanings[term["id"]] = " ".join(term.find_next("dd").get_text().split())
    return meanings


def test_each_link_shows_what_the_glossary_says():
    meanings, count = glossary(), 0
    for page in PAGES:
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        seen = set()
        for link in soup.select(".tt-term > a"):
            shown = soup.find(id=link["aria-describedby"])
            assert shown["role"] == "tooltip"
            assert " ".join(shown.get_text().split()) == meanings[link["href"].split("#")[1]]
            seen.add(shown["id"])
        assert len(seen) == len(soup.select(".tt-term")), page.name
        count += len(seen)
    assert count >= 60


@pytest.mark.parametrize("term", ["MLP", "projection", "embedding", "bf16", "token"])
def test_a_page_whose_prose_has_a_term_explains_it(term):
    explaining = 0
    for page in PAGES:
        if page.stem in ("glossary", "api", "bibliography", "execution"):
            continue
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        shown = [link.get_text().lower() for link in soup.select(".tt-term > a")]
        for part in soup.select("code, a, [role=tooltip], .tt-widget, .output"):
            part.decompose()
        prose = " ".join(part.get_text() for part in soup.select("article p"))
        if re.search(rf"(?<![\w-]){term}s?(?![\w-])", prose, re.IGNORECASE):
            assert any(text.startswith(term.lower()) for text in shown), f"{page.stem}: {shown}"
        explaining += any(text.startswith(term.lower()) for text in shown)
    assert explaining
