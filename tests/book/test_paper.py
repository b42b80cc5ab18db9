"""What the chapter's PDF and EPUB are made of, and what is found when something is wrong."""

import re
import zipfile
from math import hypot
from pathlib import Path
from xml.etree import ElementTree

import pytest
from chapter_paper import FILES, FOLDER, epub_check, offer
from chapter_paper.book import Book, gather
from chapter_paper.epub import write_epub
from chapter_paper.hatch import PATH, with_lines
from chapter_paper.site import PaperError

from tests.book.paper_site import write_site
from tinytorch.analysis.drawings import Drawing

ADDRESS = "https://someone.github.io/fork/"
HTML = "{http://www.w3.org/1999/xhtml}"
DRAWING = "{http://www.w3.org/2000/svg}svg"
FORMULA = "{http://www.w3.org/1998/Math/MathML}math"


@pytest.fixture
def site(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")
    return write_site(tmp_path)


@pytest.fixture
def book(site: Path, tmp_path: Path) -> Book:
    return gather(tmp_path, site, ADDRESS)


@pytest.fixture
def epub(book: Book, tmp_path: Path) -> Path:
    file = tmp_path / "book.epub"
    write_epub(book, file, b"a picture")
    return file


def page(book: Book, name: str):
    return next(page for page in book.pages if page.name == name)


def text(book: Book, name: str) -> str:
    return " ".join(page(book, name).body.get_text().split())


def parsed(epub: Path) -> dict[str, ElementTree.Element]:
    with zipfile.ZipFile(epub) as archive:
        names = [name for name in archive.namelist() if name.endswith((".xhtml", ".opf"))]
        return {Path(name).name: ElementTree.fromstring(archive.read(name)) for name in names}


def test_pages_are_in_the_order_of_the_contents_and_the_end_is_new(book):
    names = [page.name for page in book.pages]
    assert names == ["first", "second", "words", "folded", "solutions"]
    assert [page.part for page in book.pages] == ["", "The part", "Look up", "", ""]
    assert [page.title for page in book.pages][:2] == ["A small book", "1. Second & last"]


def test_a_page_keeps_its_words_and_loses_what_is_clicked(book):
    first, second = text(book, "first"), text(book, "second")
    assert "said twice" not in first, "the glossary says it"
    assert "A part#" not in second, "the theme's links to headings"
    assert "print(1 < 2)" in second
    assert "one" in second
    assert "Bytes: ____________" in second
    assert "secret" not in second, "code that draws is left out"
    assert page(book, "first").body.find(class_="tt-paper") is None


def test_folded_code_that_is_used_stands_at_the_end(book):
    assert "return 'a < b'" not in text(book, "second")
    assert "return 'a < b'" in text(book, "folded")
    assert "secret" not in text(book, "folded")
    (link,) = page(book, "second").body.select('a[href^="#folded"]')
    (target,) = page(book, "folded").body.find_all(id=link["href"][1:])
    (back,) = target.select(".seek a")
    assert page(book, "second").body.find(id=back["href"][1:]) is link.parent


def test_solutions_stand_at_the_end_and_lead_back(book):
    assert "Seven" not in text(book, "second")
    solutions = page(book, "solutions").body
    titles = [heading.get_text() for heading in solutions.find_all("h3")]
    assert titles == ["Solution to Exercise 1.1", "Solution to Exercise 1.2"]
    back = [link["href"] for link in solutions.select(".seek a")]
    assert back == ["#second--count", "#second--again"]
    for exercise, solution in zip(back, solutions.select(".taken"), strict=True):
        (there,) = page(book, "second").body.find(id=exercise[1:]).select(".seek a")
        assert there["href"] == f"#{solution['id']}"
    assert len(page(book, "solutions").pictures) == 1, "a drawing moves with its solution"


def test_a_live_figure_is_drawn_with_its_address(book):
    (figure,) = page(book, "second").body.select("figure.live")
    assert figure.find("svg") is not None
    (link,) = figure.select("figcaption a")
    assert link["href"] == link.get_text() == f"{ADDRESS}book/second.html#GenerationPlayer"


def test_without_an_address_no_link_is_made_up(site, tmp_path):
    book = gather(tmp_path, site)
    assert "book/second.html#GenerationPlayer on the website" in text(book, "second")
    links = [a["href"] for page in book.pages for a in page.body.find_all("a", href=True)]
    assert [link for link in links if not link.startswith("#")] == ["https://example.org/a"]


def test_links_lead_inside_the_book(book):
    links = [link["href"] for link in page(book, "first").body.find_all("a")]
    assert links == [
        "#words--term-Cache",
        "#second--part",
        "#second",
        f"{ADDRESS}genindex.html",
        "https://example.org/a",
    ]


def test_drawings_share_no_id(book):
    drawings = [drawn for page in book.pages for drawn in page.pictures.values()]
    assert len(drawings) == 3
    ids = [
        element.get("id")
        for drawn in drawings
        for element in ElementTree.fromstring(drawn).iter()
        if element.get("id")
    ]
    assert len(ids) == len(set(ids)) == 6
    assert all(f"url(#{name})" in "".join(drawings) for name in ids)


def test_a_link_that_leads_nowhere_and_a_missing_page_are_named(site, tmp_path):
    file = site / "book/first.html"
    file.write_text(file.read_text().replace("second.html#part", "second.html#gone"))
    with pytest.raises(PaperError, match="second--gone"):
        gather(tmp_path, site)
    file.unlink()
    with pytest.raises(PaperError, match="book/first"):
        gather(tmp_path, site)


def test_the_epub_is_what_readers_expect(epub):
    with zipfile.ZipFile(epub) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"application/epub+zip"
        assert not first.extra
        assert b"EPUB/package.opf" in archive.read("META-INF/container.xml")
        assert "EPUB/images/small.svg" in archive.namelist()
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert b"var(--" not in whole
    assert b"--indent" not in whole
    assert b"2025-11-24T16:00:00Z" in whole, "the date is that of the sources"


def test_the_epub_says_in_words_what_its_pictures_show(epub):
    roots = parsed(epub)
    images = [image for root in roots.values() for image in root.iter(f"{HTML}img")]
    assert [image.get("alt") for image in images] == [""], "the small one is an ornament"
    drawings = [drawing for root in roots.values() for drawing in root.iter(DRAWING)]
    labels = [drawing.get("aria-label") for drawing in drawings]
    assert labels == ["An arrow", "An arrow", "Seven"]
    assert all(drawing.get("viewBox") for drawing in drawings)
    assert len(list(roots["second.xhtml"].iter(FORMULA))) == 1


def test_the_epub_is_read_in_the_order_of_the_contents(epub):
    roots = parsed(epub)
    spine = [item.get("idref") for item in roots["package.opf"].iter() if "itemref" in item.tag]
    assert spine == ["title", "nav", "first", "second", "words", "folded", "solutions"]
    contents = [link.get("href") for link in roots["nav.xhtml"].iter(f"{HTML}a")]
    assert contents[:4] == [
        "first.xhtml",
        "second.xhtml",
        "second.xhtml#second--part",
        "words.xhtml",
    ]


def test_the_same_sources_give_the_same_epub(book, epub, tmp_path):
    again = tmp_path / "again.epub"
    write_epub(book, again, b"a picture")
    assert again.read_bytes() == epub.read_bytes()


def test_no_paragraph_holds_a_list(epub):
    assert [list(p.iter(f"{HTML}ul")) for p in parsed(epub)["words.xhtml"].iter(f"{HTML}p")] == []
    assert len(list(parsed(epub)["words.xhtml"].iter(f"{HTML}ul"))) == 1


def test_a_hatch_is_printed_as_lines_that_cover_what_the_pattern_does():
    drawn = Drawing(60, "Computed again")
    drawn.box(3, 5, 70, 40, "again", opacity=0.5)
    root = ElementTree.fromstring(with_lines(drawn.svg()))
    assert not [element for element in root.iter() if "url(" in element.get("fill", "")]
    (path,) = [element for element in root.iter(PATH) if element.get("stroke-opacity")]
    ends = [float(x) for x in re.findall(r"[\d.]+", path.get("d"))]
    lines = list(zip(ends[::4], ends[1::4], ends[2::4], ends[3::4], strict=True))
    assert all(x0 + y0 == pytest.approx(x1 + y1, abs=0.02) for x0, y0, x1, y1 in lines)
    assert all(3 <= x <= 73 for x in ends[::2])
    assert all(5 <= y <= 45 for y in ends[1::2])
    # A tile is 5 wide, and its half line 1.5: that is the share of the rectangle that is inked.
    length = sum(hypot(x1 - x0, y1 - y0) for x0, y0, x1, y1 in lines)
    assert length * float(path.get("stroke-width")) == pytest.approx(70 * 40 * 1.5 / 5, rel=0.05)


def rewritten(epub: Path, name: str, old: str, new: str) -> Path:
    """Return a copy of an EPUB in which something is wrong."""
    other = epub.with_name("wrong.epub")
    with zipfile.ZipFile(epub) as source, zipfile.ZipFile(other, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith(name):
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
            target.writestr(entry, content)
    return other


def test_nothing_is_wrong_with_an_epub_as_it_is_written(book, epub):
    assert epub_check.faults(epub, book) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("first.xhtml", 'alt=""', "", "no alternative text"),
        ("second.xhtml", 'aria-label="An arrow"', "", "without words"),
        ("second.xhtml", "1998/Math/MathML", "1999/xhtml", "0 formulas in MathML"),
        ("first.xhtml", "second.xhtml#second--part", "second.xhtml#part", "not there"),
        ("package.opf", '<itemref idref="words"/>', "", "the order is"),
    ],
)
def test_what_is_wrong_with_an_epub_is_found(book, epub, name, old, new, fault):
    faults = epub_check.faults(rewritten(epub, name, old, new), book)
    assert any(fault in found for found in faults), faults


def test_the_landing_page_offers_files_only_where_they_are(site):
    landing = site / "book/first.html"
    before = landing.read_text()
    assert offer(site, "book/first")
    assert landing.read_text() == before
    (site / FOLDER).mkdir()
    for name in FILES.values():
        (site / FOLDER / name).write_bytes(b"x" * 1_500_000)
    assert offer(site, "book/first")
    assert offer(site, "book/first")
    for name in FILES.values():
        assert landing.read_text().count(f'href="../{FOLDER}/{name}"') == 1
    assert "1.5 MB" in landing.read_text()
    (site / FOLDER / FILES["PDF"]).unlink()
    assert offer(site, "book/first")
    assert landing.read_text() == before
    assert not offer(site, "book/second")
