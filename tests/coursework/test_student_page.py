"""The page for students says what the notebook asks, part by part."""

import re
from pathlib import Path

from coursework.course import instructor_notebook

PAGE = Path(__file__).parents[2] / "book/student.md"
ROW = re.compile(r"^\| (\d)\. (.+?) \| .+? \| (\d+) \|$", re.MULTILINE)


def parts() -> dict[str, tuple[str, int]]:
    """Return the source and the points of each part of the notebook."""
    found: dict[str, tuple[str, int]] = {}
    part = "0"
    for cell in instructor_notebook().cells:
        heading = re.match(r"## (\d)\.", cell.source)
        part = heading[1] if heading else part
        source, points = found.get(part, ("", 0))
        given = cell.metadata.get("nbgrader", {}).get("points", 0)
        found[part] = f"{source}\n{cell.source}", points + given
    return found


def test_each_part_has_the_names_and_points_of_the_page():
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [part for part, _, _ in rows] == ["1", "2", "3", "4", "5", "6", "7"]
    for part, written, points in rows:
        source, given = parts()[part]
        assert given == int(points)
        for name in re.findall(r"`(\w+)`", written):
            assert re.search(rf"^(def|class) {name}\b", source, re.MULTILINE), name
