"""The class list, and the late days that it holds."""

import csv
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from coursework import class_list, late_days
from coursework.class_list import Student, read_class_list
from coursework.escaping import spreadsheet_cell
from coursework.late_days import HEADER, file_times, lateness, parse_time, read_times
from coursework.submissions import SubmissionError
from coursework.tables import TableError, read_table, write_table

DEADLINE = datetime(2026, 12, 1, 23, 59, tzinfo=timezone(timedelta(hours=1)))
LIST = """student,name,late_days,email
ada,Ada Lovelace,2,ada@example.org
bob,"Brown, Bob",0,bob@example.org
cy,Çi Ü,3,
"""


@pytest.fixture
def table(tmp_path):
    """Write a text, or bytes, to a file."""

    def write(text, name="class.csv"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def run(module, *words):
    app = Typer()
    app.command()(module.main)
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    "data",
    [
        LIST.encode(),
        LIST.encode("utf-8-sig"),
        LIST.replace("\n", "\r\n").encode(),
        LIST.replace("\n", "\r").encode(),
        LIST.replace("student,", "Student,").replace("late_days", "Late Days").encode(),
        LIST.replace(",", ";").replace('"Brown; Bob"', '"Brown, Bob"').encode(),
        LIST.replace(",", "\t").replace('"Brown\t Bob"', '"Brown, Bob"').encode(),
        ("\n" + LIST.replace("\n", "\n,,,\n")).encode(),
    ],
    ids=["plain", "bom", "crlf", "cr", "headings", "semicolons", "tabs", "blank-lines"],
)
def test_a_class_list_is_read_as_spreadsheets_write_it(table, data):
    assert read_class_list(table(data)) == {
        "ada": Student("ada", "Ada Lovelace", "ada@example.org", late_days=2),
        "bob": Student("bob", "Brown, Bob", "bob@example.org", late_days=0),
        "cy": Student("cy", "Çi Ü", late_days=3),
    }


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (b"", ["class.csv is empty: expected a header with student, name"]),
        (b"student,name\n", ["it lists no student"]),
        (b"id,name\nada,Ada\n", ["no column student: the header has id, name"]),
        (b"student,name,Name\nada,A,B\n", ["the column name is there twice"]),
        (b"student,name\nada,Ada\xfc\n", ["line 2: byte 0xfc is not UTF-8", "CSV UTF-8"]),
        ("student,name\nada,Ada\n".encode("utf-16"), ["line 1: byte 0xff is not UTF-8"]),
        (
            b"student,name\nada\n\nbob,B,1\n",
            ["line 2: 1 cells", "line 4: 3 cells, the header has 2"],
        ),
        (b'student,name\nada,"Ada\n', ["at line 1 or the next: unexpected end of data"]),
        (b"student,name\nada,A\nbob,B\nAda,C\n", ["line 4: student 'Ada' is on line 2 too"]),
        (b"student,name,email\na,A,x@y.z\nb,B,X@y.z\n", ["line 3: email 'X@y.z' is on line 2 too"]),
        (b"student,name,late day\na,A,1\n", ["unknown column late_day: is it late_days?"]),
        (b"student,name,late_days\na,A,-1\nb,B,1.5\n", ["line 2: late_days '-1'", "line 3"]),
        (b"student,name\n../x,A\nb c,B\n,C\n", ["student '../x'", "student 'b c'", "student ''"]),
        (b"student,name\na,\n", ["line 2: the name is empty"]),
        (b'student,name\na,"A\nB"\n', ["name 'A\\nB' has a line break"]),
        (
            b"student,name,canvas_login\na,A,=1+1\n",
            ["canvas_login '=1+1' begins as a formula does"],
        ),
        (b"student,name,canvas_id\na,A,12x\n", ["canvas_id '12x' must be the number"]),
    ],
)
def test_what_is_wrong_with_a_class_list_is_said(table, data, messages):
    with pytest.raises(TableError) as error:
        read_class_list(table(data))
    for message in messages:
        assert message in str(error.value)


def test_a_long_list_of_problems_is_cut(table):
    with pytest.raises(TableError, match="and 39 more") as error:
        read_class_list(table("student,name\n" + "?,x\n" * 25))
    assert str(error.value).count("\n") == 11


def test_the_command_says_whose_entries_are_empty(table):
    result = run(class_list, table(LIST))
    assert result.exit_code == 0
    assert "3 students" in result.output
    assert "email: empty for cy" in result.output
    assert "moodle_username: no column" in result.output
    result = run(class_list, table("nothing"))
    assert result.exit_code == 2
    assert "no column student" in result.output


cells = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=' ",;'), max_size=8)


@given(names=st.lists(cells.map(str.strip).filter(bool), min_size=1, max_size=5))
def test_any_name_survives_writing_and_reading(tmp_path_factory, names):
    file = tmp_path_factory.mktemp("list") / "class.csv"
    rows = [(f"s{index}", spreadsheet_cell(name)) for index, name in enumerate(names)]
    write_table(file, [("student", "name"), *rows])
    assert [row.cells["name"] for row in read_table(file, ("student",))] == [n for _, n in rows]
    for _, name in rows:
        assert name[0] not in "=+-@＝＋－＠"


def test_a_minute_and_a_day_late():
    def days(**late):
        return lateness(DEADLINE + timedelta(**late), DEADLINE, 2, timedelta(minutes=5)).days_late

    assert days(minutes=-1) == days(minutes=5) == 0
    assert days(minutes=5, seconds=1) == days(hours=24) == 1
    assert days(hours=24, seconds=1) == 2


spans = st.timedeltas(min_value=timedelta(days=-40), max_value=timedelta(days=40))
graces = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(after=spans, left=st.integers(0, 9), grace=graces, zone=offsets)
def test_late_days_add_up_wherever_the_clock_stands(after, left, grace, zone):
    submitted = (DEADLINE + after).astimezone(zone)
    found = lateness(submitted, DEADLINE, left, grace)
    assert found.days_late == found.days_used + found.days_over
    assert found.days_used + found.days_left == left
    assert min(found.days_used, found.days_left, found.days_over) >= 0
    assert found.days_over == 0 or found.days_left == 0
    assert (found.days_late == 0) == (after <= grace)
    if found.days_late:
        seconds = after.total_seconds()
        assert (found.days_late - 1) * 86_400 < seconds <= found.days_late * 86_400


@given(first=spans, second=spans, left=st.integers(0, 9))
def test_who_submits_later_is_never_less_late(first, second, left):
    early, late = sorted([first, second])
    before = lateness(DEADLINE + early, DEADLINE, left)
    after = lateness(DEADLINE + late, DEADLINE, left)
    assert before.days_late <= after.days_late
    assert before.days_left >= after.days_left


def test_times_without_an_offset_are_the_deadlines():
    assert parse_time("2026-12-01 23:59", DEADLINE) == DEADLINE
    assert parse_time("2026-12-01T22:59Z", DEADLINE) == DEADLINE
    for text in ("2026-12-01T23:59", "2026-12-01", "noon", ""):
        with pytest.raises(ValueError, match="expected a day and a time as in 2026"):
            parse_time(text)


def test_the_last_submission_counts_and_wrong_times_are_all_named(table):
    times = table("student,submitted\nada,2026-12-02 10:00\nada,2026-12-01T12:00Z\n", "t.csv")
    assert read_times(times, DEADLINE) == {"ada": datetime(2026, 12, 2, 9, tzinfo=UTC)}
    with pytest.raises(TableError, match=r"line 2: 'soon'[^\n]*\n  line 3: '1.12.2026'"):
        read_times(table("student,submitted\na,soon\nb,1.12.2026\n", "t.csv"), DEADLINE)


def test_file_times_in_both_layouts(tmp_path):
    for name, seconds in (("ada.ipynb", 1000), ("bob/module15.ipynb", 2000), ("bob/x.ipynb", 3000)):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        os.utime(file, (seconds, seconds))
    times = {student: time.timestamp() for student, time in file_times(tmp_path).items()}
    assert times == {"ada": 1000, "bob": 2000}
    (tmp_path / "bob.ipynb").touch()
    assert set(file_times(tmp_path)) == {"ada"}  # which of two counts, nobody knows
    (tmp_path / "empty").mkdir()
    with pytest.raises(SubmissionError, match=r"expected STUDENT/module15\.ipynb"):
        file_times(tmp_path / "empty")


def test_the_command_writes_who_is_late(table, tmp_path):
    listed = table(LIST.replace("cy,Çi Ü", "cy,=HYPERLINK(1)"))
    times = table(
        "student,submitted\nada,2026-12-03 00:00\nbob,2026-12-02 08:30\nzoe,2026-12-01 01:00"
    )
    times = times.rename(tmp_path / "times.csv")
    listed = table(LIST.replace("cy,Çi Ü", "cy,=HYPERLINK(1)"))
    output = tmp_path / "late.csv"
    words = [listed, "--deadline", "2026-12-01T23:59+01:00", "--output", output]
    result = run(late_days, *words, "--times", times)
    assert result.exit_code == 0, result.output
    assert "ada: 24 h 01 min late, late days: 2 used, 0 left, 0 over" in result.output
    assert "bob: 8 h 31 min late, late days: 0 used, 0 left, 1 over" in result.output
    assert "not submitted: cy" in result.output
    assert "not on the class list: zoe" in result.output
    with output.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert tuple(rows[0]) == HEADER
    assert [row[0] for row in rows[1:]] == ["ada", "bob", "cy"]
    assert rows[1][2] == "2026-12-03 00:00:00+01:00"
    assert rows[3] == ["cy", "'=HYPERLINK(1)", "", "", "", "", "3", ""]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of --times and --submissions"),
        (["--times", "t.csv", "--submissions", "s"], "give one of"),
        (["--submissions", "nowhere"], "nowhere cannot be read"),
        (["--times", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_the_command_says_what_it_needs(table, tmp_path, monkeypatch, words, message):
    listed = table(LIST)
    monkeypatch.chdir(tmp_path)
    result = run(late_days, listed, "--deadline", "2026-12-01T23:59Z", *words)
    assert result.exit_code == 2
    assert message in result.output
    assert not Path("late.csv").exists()
