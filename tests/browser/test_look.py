"""The contact sheets for human eyes."""

import pytest
from PIL import Image

from tests.browser import look
from tests.browser.conftest import SITE


def test_pictures_stand_beside_each_other_uncut():
    red, green = Image.new("RGB", (30, 50), "#ff0000"), Image.new("RGB", (30, 80), "#00ff00")
    sheet = look.contact_sheet([red, green])
    assert sheet.size == (2 * 30 + 3 * look.GAP, 80 + 2 * look.GAP)
    counts = {colour: count for count, colour in sheet.getcolors()}
    assert counts[(255, 0, 0)] == 30 * 50
    assert counts[(0, 255, 0)] == 30 * 80


def test_a_page_is_drawn_down_to_its_end(chromium):
    light = look.shot(chromium, SITE / "book/summary.html", width=390)
    dark = look.shot(chromium, SITE / "book/summary.html", width=390, scheme="dark")
    assert light.size == dark.size
    assert light.width == 390 * look.SCALE
    assert light.height > 900 * look.SCALE
    assert light.convert("L").getpixel((3, light.height // 2)) > 200
    assert dark.convert("L").getpixel((3, dark.height // 2)) < 60


def test_a_page_too_long_for_one_picture_is_drawn_in_parts(chromium, monkeypatch):
    page = SITE / "book/summary.html"
    whole = look.shot(chromium, page, width=390)
    monkeypatch.setattr(look, "LONGEST", 900)
    parts = look.shot(chromium, page, width=390)
    assert parts.size == whole.size
    assert whole.height > 900 * look.SCALE
    end = (0, whole.height - 300, whole.width, whole.height)
    assert parts.crop(end).tobytes() == whole.crop(end).tobytes()


def test_a_page_that_is_not_built_is_named():
    with pytest.raises(SystemExit, match=r"not built: .*nowhere.html; run `make book` first"):
        look.main(["nowhere"])
