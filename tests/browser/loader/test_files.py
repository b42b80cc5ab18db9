"""Pages that are opened from a file: the reader chooses the weights."""

import shutil

import pytest

from tests.browser.loader.small_site import (
    KILL,
    PIECE,
    REMEMBER_WORKER,
    SIZE,
    attempt,
    is_sentence,
    name,
)


def test_a_page_from_a_file_asks_for_a_choice(file_page):
    told = attempt(file_page, "engine.load(engine.site)")
    assert told["code"] == "choose"
    assert is_sentence(told["message"])


@pytest.mark.parametrize("whole", [True, False], ids=["file", "pieces"])
def test_on_a_page_from_a_file_the_reader_chooses_the_file_or_its_pieces(
    file_page, site, expected, whole, tmp_path
):
    others = [site / "page.html", site / "model" / "manifest.json"]
    pieces = sorted((site / "model").glob("*.bin"), reverse=True)
    renamed = shutil.copy(pieces.pop(), tmp_path / "renamed")
    files = [site / "tiny.gguf"] if whole else [*others, *pieces, renamed]
    file_page.locator("input").set_input_files(files)
    assert attempt(file_page, "chosen()") == {"value": False}
    assert file_page.evaluate("tokens()") == expected
    assert file_page.evaluate("events.at(-1).loaded") == SIZE


def test_on_a_page_from_a_file_wrong_and_missing_files_are_named(file_page, site, tmp_path):
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(bytes(PIECE))
    chosen = file_page.locator("input")
    chosen.set_input_files([damaged])
    told = attempt(file_page, "chosen()")
    assert told["code"] == "wrong-file"
    assert told["message"].startswith("This is not tiny.gguf, nor a piece of it: choose tiny.1-of")
    pieces = [site / "model" / name(i) for i in (1, 3, 5)]
    chosen.set_input_files([*pieces, damaged])
    told = attempt(file_page, "chosen()")
    assert told["message"].startswith(f"Still missing, or damaged: {name(2)}, {name(4)}. ")


def test_a_killed_worker_is_noticed_on_a_page_from_a_file(file_page, site, expected):
    file_page.locator("input").set_input_files([site / "tiny.gguf"])
    file_page.evaluate(REMEMBER_WORKER)
    attempt(file_page, "chosen()")
    told = file_page.evaluate(KILL)
    assert (told["code"], told["ids"]) == ("lost", expected[:3])
