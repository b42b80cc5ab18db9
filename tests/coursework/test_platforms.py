"""Files for Canvas, Moodle and Blackboard, read again as each of them reads."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from coursework import platforms
from coursework.class_list import Student
from coursework.platforms import (
    Mark,
    Marks,
    PlatformError,
    blackboard_table,
    canvas_table,
    moodle_table,
    points_text,
)

CLASS = """student,name,section,email,canvas_id,canvas_sis_id,canvas_login,moodle_username,\
moodle_id_number,blackboard_username
ada,"Lovelace, Ada",A;1,Ada@example.org,101,S-1,ada1,ada.l,0007,alovelace
bob,=HYPERLINK(1),B,bob@example.org,,,bob1,bob,0008,bbrown
cy,Çi Ü,,cy@example.org,103,,,cy,0009,ciu
dee,Dee Doe,,dee@example.org,104,,,dee,0010,ddoe
"""
MARKS = """student,status,points,max_points,missing_cells,test_memory,written_why
ada,graded,57.25,70.0,,3.0,2.0
bob,graded,60.0,70.0,,3.0,
cy,not graded: it ran longer than 600 s,,70.0,,,
zoe,graded,0.0,70.0,,0.0,0.0
"""
CANVAS = "KV caching (4711)"
BLACKBOARD = "KV caching [Total Pts: 70 Score] |12345"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "class.csv").write_text(CLASS, encoding="utf-8-sig")
    (tmp_path / "marks.csv").write_text(MARKS, encoding="utf-8")
    return tmp_path


def run(folder, *options):
    app = Typer()
    app.command()(platforms.main)
    words = [folder / "marks.csv", folder / "class.csv", folder / "out", *options]
    return CliRunner().invoke(app, [str(word) for word in words])


def written(folder, name, encoding="utf-8", delimiter=","):
    data = (folder / "out" / name).read_bytes()
    return list(csv.reader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter))


def as_canvas(rows):
    """Return points by student as canvas-lms, lib/gradebook_importer.rb, finds them: by place."""
    header, *rest = rows
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert re.search(r"SIS\s+User\s+ID", header[2])
    assert re.search(r"SIS\s+Login\s+ID", header[3])
    assert "Section" in header[4]
    (assignment,) = header[5:]
    found = {}
    for row in rest:
        assert len(row) == len(header)
        if "Points Possible" in row[0]:
            found["possible"] = row[5]
        else:
            found[row[1] or row[2] or row[3]] = row[5]
    return re.fullmatch(r"(.*) \((\d+)\)", assignment).groups(), found


def test_canvas(files):
    result = run(files, "--canvas", CANVAS)
    assert result.exit_code == 1
    rows = written(files, "canvas.csv")
    assert as_canvas(rows) == (
        ("KV caching", "4711"),
        {"possible": "70", "101": "57.25", "bob1": "60"},
    )
    assert rows[2] == ["Lovelace, Ada", "101", "S-1", "ada1", "A;1", "57.25"]
    assert rows[3][0] == "'=HYPERLINK(1)"
    assert not (files / "out" / "canvas.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("by", "heading", "who"),
    [
        ("username", "Username", ["ada.l", "bob"]),
        ("email", "Email address", ["Ada@example.org", "bob@example.org"]),
        ("id-number", "ID number", ["0007", "0008"]),
    ],
)
def test_moodle(files, by, heading, who):
    run(files, "--moodle", "KV caching", "--moodle-by", by)
    rows = written(files, "moodle.csv")
    assert rows == [[heading, "KV caching"], [who[0], "57.25"], [who[1], "60"]]


def test_blackboard(files):
    run(files, "--blackboard", BLACKBOARD)
    data = (files / "out" / "blackboard.xls").read_bytes()
    assert data.startswith((b"\xff\xfe", b"\xfe\xff"))
    rows = written(files, "blackboard.xls", "utf-16", "\t")
    assert rows == [["Username", BLACKBOARD], ["alovelace", "57.25"], ["bbrown", "60"]]
    assert '"' not in data.decode("utf-16")  # tab-delimited values are not quoted


def test_nobody_is_left_out_without_a_word(files):
    result = run(files, "--canvas", CANVAS)
    assert "written answers are not read yet, and not in: bob" in result.output
    assert written(files, "not_exported.csv") == [
        ["student", "name", "reason"],
        ["cy", "Çi Ü", "not graded: it ran longer than 600 s"],
        ["dee", "Dee Doe", "no submission was graded"],
        ["zoe", "", "not on the class list"],
    ]
    assert "left out: zoe : not on the class list" in result.output


def test_a_class_that_is_whole_ends_well(files):
    rows = MARKS.splitlines(keepends=True)[:3]
    (files / "marks.csv").write_text("".join(rows))
    (files / "class.csv").write_text("".join(CLASS.splitlines(keepends=True)[:3]))
    result = run(files, "--canvas", CANVAS, "--moodle", "x", "--blackboard", BLACKBOARD)
    assert result.exit_code == 0, result.output
    names = {"canvas.csv", "moodle.csv", "blackboard.xls", "not_exported.csv"}
    assert {file.name for file in (files / "out").iterdir()} == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say for which: --canvas, --moodle, --blackboard"),
        (["--moodle", "x", "--moodle-by", "shoe"], "expected username or email or id-number"),
        (["--canvas", "Final Score"], "Canvas passes over a column named 'Final Score'"),
        (["--canvas", "=1+1"], "'=1+1' cannot be the name of a column"),
        (["--blackboard", "KV caching"], "is no header that Blackboard exports"),
        (["--blackboard", BLACKBOARD.replace("70", "100")], "column is of 100 points"),
    ],
)
def test_what_a_platform_would_not_take_is_refused(files, options, message):
    result = run(files, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("57.25", "many", "line 2: points 'many' are not from 0 to 70"),
        ("57.25", "71", "line 2: points '71' are not from 0 to 70"),
        ("57.25", "nan", "line 2: points 'nan'"),
        ("57.25,70.0", "57.25,60.0", "max_points differ"),
        ("57.25,70.0", "57.25,x", "line 2: max_points 'x' is no number"),
        ("bob,", "ada,", "line 3: 'ada' is on line 2 too"),
        ("points,", "score,", "no column points"),
    ],
)
def test_marks_that_are_none_are_refused(files, old, new, message):
    (files / "marks.csv").write_text(MARKS.replace(old, new, 1))
    result = run(files, "--canvas", CANVAS)
    assert result.exit_code == 2
    assert message in result.output
    assert not (files / "out").exists()


def test_a_student_whom_the_platform_cannot_find_is_named():
    marks = Marks(70, [Mark(Student("ada", "Ada"), 1.0)], [], [])
    for make, name in ((canvas_table, CANVAS), (blackboard_table, BLACKBOARD)):
        with pytest.raises(PlatformError, match="cannot tell who ada is"):
            make(marks, name)
    with pytest.raises(PlatformError, match="the class list needs the column email"):
        moodle_table(marks, "x", "email")


@given(
    quarters=st.lists(st.integers(0, 280), min_size=1, max_size=6),
    name=st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12),
)
def test_points_come_back_whatever_the_names_are(quarters, name):
    students = [Student(f"s{i}", name, canvas_id=str(i + 1)) for i in range(len(quarters))]
    marks = [Mark(one, quarter / 4) for one, quarter in zip(students, quarters, strict=True)]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(canvas_table(Marks(70, marks, [], []), CANVAS))
    found = as_canvas(list(csv.reader(io.StringIO(text.getvalue(), newline=""))))[1]
    del found["possible"]
    assert {key: float(points) for key, points in found.items()} == {
        str(i + 1): quarter / 4 for i, quarter in enumerate(quarters)
    }


def test_points_have_at_most_two_decimals():
    assert [points_text(p) for p in (0, 0.5, 60.0, 100.0, 7.125)] == [
        "0",
        "0.5",
        "60",
        "100",
        "7.12",
    ]
