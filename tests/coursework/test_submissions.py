"""Which notebook is whose, in a folder that holds anything."""

import os
import socket
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursework.escaping import FORMULA, printable, spreadsheet_cell
from coursework.submissions import MOST_FILES, Submission, SubmissionError, find_submissions


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def only(folder: Path) -> Submission:
    (submission,) = find_submissions(folder)
    return submission


def test_both_layouts_and_nothing_else(tmp_path):
    put(tmp_path, "ada.ipynb", "bob/module15.ipynb", "notes.txt", ".hidden/module15.ipynb")
    put(tmp_path, "__MACOSX/bob/._module15.ipynb", "bob/.ipynb_checkpoints/module15.ipynb")
    found = find_submissions(tmp_path)
    assert [(s.student, s.file.relative_to(tmp_path).as_posix()) for s in found] == [
        ("ada", "ada.ipynb"),
        ("bob", "bob/module15.ipynb"),
    ]
    assert not any(s.refusal or s.note for s in found)


@pytest.mark.parametrize(
    "name",
    [
        "module15 (1).ipynb",
        "Module15.ipynb",
        "MODULE15.IPYNB",
        "final/module15.ipynb",
        "module15-1.ipynb",
        "module15-Copy1.ipynb",
        "a/b/module15(2).ipynb",
    ],
)
def test_the_only_notebook_is_taken_under_the_names_that_platforms_give_it(tmp_path, name):
    put(tmp_path, f"bob/{name}", "bob/readme.md")
    found = only(tmp_path)
    assert (found.student, found.file, found.refusal) == ("bob", tmp_path / "bob" / name, "")
    assert found.note == f"took {name}, the only notebook"


def test_the_exact_name_wins_and_the_others_are_named(tmp_path):
    put(tmp_path, "bob/module15.ipynb", "bob/module15 (1).ipynb", "bob/old/module15.ipynb")
    found = only(tmp_path)
    assert found.file == tmp_path / "bob/module15.ipynb"
    assert found.note == ("took module15.ipynb; not read: module15 (1).ipynb, old/module15.ipynb")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["bob/other.ipynb"], "found other.ipynb, expected bob/module15.ipynb"),
        (["bob/module151.ipynb"], None),
        (["bob/readme.md"], "found no notebook, expected bob/module15.ipynb"),
        (
            ["bob/module15 (1).ipynb", "bob/module15 (2).ipynb"],
            "found 2 notebooks (module15 (1).ipynb, module15 (2).ipynb), "
            "expected bob/module15.ipynb",
        ),
        (["bob/a/b/c/d/module15.ipynb"], "found no notebook"),
        (["bob.ipynb", "bob/module15.ipynb"], "two submissions"),
    ],
)
def test_what_is_not_clear_is_said(tmp_path, names, said):
    put(tmp_path, *names)
    found = only(tmp_path)
    assert found.student == "bob"
    if said:
        assert said in found.refusal
        assert found.file is None


def special(file: Path, kind: str) -> None:
    """Make something that is no ordinary file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(os.path.relpath(file))
    else:
        file.symlink_to({"device": "/dev/zero", "loop": file, "link": file.parents[1] / "x"}[kind])


@pytest.mark.parametrize("place", ["bob.ipynb", "bob/module15.ipynb"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("folder", "is a folder"),
        ("pipe", "is a named pipe"),
        ("socket", "is a socket"),
        ("device", "is a symbolic link, which is not followed"),
        ("loop", "is a symbolic link, which is not followed"),
        ("link", "is a symbolic link, which is not followed"),
    ],
)
def test_what_is_no_ordinary_file_is_a_row(tmp_path, monkeypatch, place, kind, said):
    monkeypatch.chdir(tmp_path)
    special(tmp_path / place, kind)
    put(tmp_path, "ada.ipynb")
    ada, bob = find_submissions(tmp_path)
    assert ada.file
    assert (bob.student, bob.file) == ("bob", None)
    assert said in bob.refusal


def test_a_folder_behind_a_link_is_not_entered(tmp_path):
    put(tmp_path, "elsewhere/module15.ipynb")
    folder = tmp_path / "submissions"
    put(folder, "ada.ipynb", "cy/readme.md")
    (folder / "bob").symlink_to(tmp_path / "elsewhere")
    (folder / "cy" / "deeper").symlink_to(tmp_path / "elsewhere")
    _, bob, cy = find_submissions(folder)
    assert bob.refusal == "bob is a symbolic link, which is not followed"
    assert "found no notebook" in cy.refusal


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("-rf.ipynb", "-rf.ipynb"),
        ("a b.ipynb", "a b.ipynb"),
        ("m\u00fcller", "m\u00fcller"),
        ("two\nlines.ipynb", "two\\nlines.ipynb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("=HYPERLINK(1).ipynb", "=HYPERLINK(1).ipynb"),
        (f"{'x' * 101}.ipynb", f"{'x' * 101}.ipynb"),
        ("\udcff.ipynb", "\\udcff.ipynb"),
    ],
)
def test_a_name_that_is_no_id_is_a_row(tmp_path, name, row):
    file = tmp_path / name if name.endswith(".ipynb") else tmp_path / name / "module15.ipynb"
    file.parent.mkdir(exist_ok=True)
    file.touch()
    put(tmp_path, "ada.ipynb")
    submissions = {s.student: s for s in find_submissions(tmp_path)}
    assert submissions["ada"].file
    assert "is no student's id" in submissions[row].refusal
    assert submissions[row].refusal.isprintable()


def test_a_folder_of_very_many_files_is_not_searched_through(tmp_path, monkeypatch):
    put(tmp_path, *[f"bob/{n:04}" for n in range(MOST_FILES + 5)], "bob/zz/module15.ipynb")
    assert "found no notebook" in only(tmp_path).refusal


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.touch(), lambda p: p.mkdir()])
def test_a_folder_that_holds_no_submission_says_what_was_expected(tmp_path, make):
    folder = tmp_path / "submissions"
    make(folder)
    with pytest.raises(SubmissionError, match=r"cannot be read as a folder|expected STUDENT/"):
        find_submissions(folder)


def test_a_student_folder_that_cannot_be_read_is_a_row(tmp_path, monkeypatch):
    put(tmp_path, "ada.ipynb", "bob/module15.ipynb")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "bob":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_submissions(tmp_path)[1].refusal == "the folder cannot be read: Permission denied"


@given(st.text(max_size=30))
def test_a_printable_text_shows_all_and_steers_nothing(text):
    shown = printable(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    shown.encode()
    if text.isprintable():
        assert shown == text


def test_a_long_text_is_cut():
    assert printable("x" * 301) == "x" * 300 + "..."


@given(st.sampled_from(FORMULA), st.text(max_size=20), st.sampled_from(["", " ", "   "]))
def test_no_text_begins_like_a_formula(sign, rest, space):
    cell = spreadsheet_cell(space + sign + rest)
    assert cell == f"'{space}{sign}{rest}"
    assert spreadsheet_cell(cell) == cell


def test_an_ordinary_text_stays(tmp_path):
    for text in ("graded", "ada@uni.edu", "3-4", "", "'quoted"):
        assert spreadsheet_cell(text) == text


def test_the_kinds_of_files_are_those_of_the_system():
    assert stat.S_IFMT(os.lstat("/dev/null").st_mode) == stat.S_IFCHR
