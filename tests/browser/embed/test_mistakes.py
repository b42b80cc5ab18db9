"""What a page, a folder or a host does wrong is said in the element, above what it holds."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.drivers.only import SHADOW
from tests.browser.embed.courses import READABLE, course, figure, page_of, widget
from tests.browser.server import serve

pytestmark = SHADOW

WRONG = {
    "no name": (
        "<tt-figure>Instead.</tt-figure>",
        "the attribute name is missing. Expected is one of Gen",
    ),
    "name": (figure("Player", "Instead."), "no figure is called “Player”. Expected is one of Gen"),
    "src": (figure("CacheLab", "Instead.", src="http://["), r"src: “http://\[/” is no address"),
    "data": (
        figure("CacheLab", "Instead.", data_="Lab.json"),
        r"/Lab\.json is not there \(status 404\). Expected is a file of the script's folder",
    ),
    "other data": (
        figure("CacheLab", "Instead.", data_="LiveRace.json"),
        r"/LiveRace\.json holds a figure called LiveRace. Expected is CacheLab",
    ),
    "no data": (
        figure("CacheLab", "Instead.", data_="LICENSE"),
        "/LICENSE holds no figure. Expected is JSON with version, name and values",
    ),
    "view": (
        figure("GenerationPlayer", "Instead.", view="stepp=1"),
        "view: there is no “stepp”. Expected are recording, step, speed,",
    ),
    "number": (
        figure("GenerationPlayer", "Instead.", view="step=one"),
        "view: step is “one”. Expected is a number",
    ),
    "truth": (
        figure("GenerationPlayer", "Instead.", view="cumulative=1"),
        "view: cumulative is “1”. Expected is true or false",
    ),
    "model": (
        figure("LiveRace", "Instead.", model="course.html"),
        r"model: \S+/course\.html is no manifest of a model. Expected is",
    ),
}


def test_what_is_wrong_is_said_above_what_the_page_offers_instead(at):
    elements = "".join(element for element, _ in WRONG.values())
    with at(elements + figure("OperationExplorer")) as (page, problems):
        found = page.locator("tt-figure").all()
        for element, (_, sentence) in zip(found, WRONG.values(), strict=False):
            alert = element.get_by_role("alert")
            expect(alert).to_have_text(re.compile(f"^<tt-figure>: .*{sentence}"))
            expect(element.get_by_text("Instead.")).to_be_visible()
        expect(page.get_by_text("Instead.")).to_have_count(len(WRONG))
        expect(widget(page, "OperationExplorer")).to_be_visible()
        assert [problem for problem in problems if "404" not in problem] == []


@pytest.fixture
def copied(tmp_path, embed_folder):
    """A copy of the folder, to be changed."""
    return shutil.copytree(embed_folder, tmp_path / "copy")


def change(file, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (
            "CacheLab.json",
            '"0.1.0"',
            '"9.8.7"',
            r"CacheLab\.json is of version 9\.8\.7. Expected is ",
        ),
        (
            "CacheLab.json",
            '" lamp"',
            '" tramp"',
            r"CacheLab\.json is not the file of version",
        ),
        ("tt-figure.css", "tt-w", "tt-v", r"tt-figure\.css is not the file of version"),
    ],
)
def test_a_folder_of_another_version_or_a_changed_file_is_named(
    at, copied, file, old, new, sentence
):
    change(copied / file, old, new)
    with serve(copied, READABLE) as other:
        element = figure("CacheLab", "Instead.", src=other)
        with at(element, more_hosts=[other]) as (page, _):
            expect(page.locator("[role=alert]")).to_have_text(re.compile(sentence))
            expect(page.get_by_text("Instead.")).to_be_visible()


def test_a_host_that_lets_nobody_read_its_files_is_named(at, copied):
    with serve(copied) as other:
        element = figure("CacheLab", src=f"{other}/")
        with at(element, more_hosts=[other]) as (page, _):
            sentence = re.compile(f"{other}/.* could not be read.*Access-Control-Allow-Origin")
            expect(page.locator("[role=alert]")).to_have_text(sentence)


def test_data_of_ones_own_are_shown(at, copied):
    own = copied / "mine.json"
    shutil.copy(copied / "CacheLab.json", own)
    change(own, '" lamp"', '" tramp"')
    with serve(copied, READABLE) as other:
        element = figure("CacheLab", data_=f"{other}/mine.json")
        with at(element, more_hosts=[other]) as (page, problems):
            expect(widget(page, "CacheLab")).to_contain_text(" tramp")
            assert problems == []


def test_without_the_script_the_page_shows_what_it_offers_instead(browser, tmp_path, embed_url):
    body = figure("CacheLab", '<a href="#there">The figure</a>')
    whole = page_of(embed_url, body)
    damaged = whole.replace("crossorigin", f'integrity="sha384-{"A" * 64}" crossorigin')
    for html, options in ((whole, {"java_script_enabled": False}), (damaged, {})):
        assert html != whole or options
        if options:
            (tmp_path / "course.html").write_text(html, encoding="utf-8")
            with serve(tmp_path) as own:
                context = browser.new_context(**options)
                page = context.new_page()
                page.goto(f"{own}/course.html")
                expect(page.get_by_role("link", name="The figure")).to_be_visible()
                context.close()
            continue
        with course(browser, tmp_path, html, [embed_url]) as (page, problems):
            expect(page.get_by_role("link", name="The figure")).to_be_visible()
            assert any("integrity" in problem for problem in problems)
