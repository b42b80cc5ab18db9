"""What the benchmark of grading counts, compares and prints."""

import csv
import os
import subprocess
import sys

import pytest

from benchmarks.grading import (
    LINE,
    ORIGINALS,
    count_equal,
    make_class,
    peak_mib,
    table,
)


def test_lines_of_the_grader_are_read():
    assert LINE.match("12/100 ada-0001: 60 of 60 points, 5.2 s").groups() == (
        *("12", "100", "ada-0001"),
        *("5.2", None),
    )
    assert LINE.match("3/9 bob: not graded: no")[4] is None
    assert LINE.match("9 of 10 submissions graded") is None


@pytest.mark.parametrize("size", [3, 10, 23])
def test_a_class_is_made_of_the_originals_in_turn(tmp_path, size):
    folder = make_class(tmp_path / "class", size)
    names = sorted(entry.name for entry in folder.iterdir())
    assert len(names) == size
    counts = [sum(name.startswith(f"{one}-") for name in names) for one in ORIGINALS]
    assert max(counts) - min(counts) <= 1
    texts = {(folder / name / "module15.ipynb").read_bytes() for name in names}
    assert len(texts) == min(size, 10)


def write_marks(folder, rows):
    folder.with_name(f"{folder.name}-graded").mkdir()
    file = folder.with_name(f"{folder.name}-graded") / "marks.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([["student", "points"], *rows])


def test_a_copy_with_other_marks_is_an_error(tmp_path):
    write_marks(tmp_path / "one", [["by-name-0000", "60"], ["stacked-0000", "57"]])
    write_marks(tmp_path / "same", [["by-name-0007", "60"], ["stacked-0000", "57"]])
    write_marks(tmp_path / "other", [["by-name-0007", "57"], ["stacked-0000", "57"]])
    assert count_equal(tmp_path / "same", tmp_path / "one") == 2
    with pytest.raises(RuntimeError, match="by-name-0007"):
        count_equal(tmp_path / "other", tmp_path / "one")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_is_what_a_process_held_and_no_longer_holds():
    code = "x = b'1' * (200 << 20); del x; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        run.stdout.readline()
        assert 200 < peak_mib(run.pid) < 260
        run.communicate(b"\n")
    assert peak_mib(2**22 + os.getpid()) is None


def test_the_table_has_a_row_for_each_class():
    run = {
        "submissions": 1_000,
        "workers": 2,
        "seconds": 354.0,
        "seconds_each": {"median": 5.24, "low": 5.0, "high": 6.0},
        "graded": 1_000,
        "peak_mib": 211.4,
    }
    results = {
        "machine": {"cores": 2, "processor": "Processor"},
        "date": "2026-11-29",
        "alone": run,
        "class": run | {"marks_of_one": 1_000},
        "many": run | {"marks_of_one": 1_000, "killed_after": 500},
    }
    lines = table(results).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:5]]
    assert cells[1] == ["1,000", "2", "1,000", "1,000", "5.9", "5.2", "211"]
    assert cells[2][1] == "2, one killed after 500"
    assert lines[-1].startswith("Measured on 2026-11-29 on 2 cores")
