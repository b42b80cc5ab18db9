"""Measure grading: ``python -m benchmarks.grading``.

Three classes are graded with `coursework.grading`, as an instructor does it: ten submissions by one
worker, then copies of the ten by two, and many more copies by two of which one is killed half-way.
The questions are the same in all, so that each copy must have the marks of its original.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from tabulate import tabulate

from benchmarks.run import describe_machine, save, summarise
from coursework.course import student_notebook
from tests.coursework.other_solutions import BY_NAME, STACKED, with_cells
from tests.coursework.processes import busy_workers
from tests.coursework.submissions import BUGS, Notebook, solved, with_bug
from tests.coursework.submissions import save as save_submission

HERE = Path(__file__).parent
RESULTS = HERE / "grading_results.json"
ORIGINALS: dict[str, Callable[[], Notebook]] = {
    "reference": solved,
    "stacked": lambda: with_cells(STACKED),
    "by-name": lambda: with_cells(BY_NAME),
    "untouched": student_notebook,
    **{name: lambda name=name: with_bug(name) for name in sorted(BUGS)[:6]},
}
"""Two solutions of other hands, six of the bug zoo, the reference and the release: ten."""

LINE = re.compile(r"(\d+)/(\d+) (\S+): (?:[\d.]+ of [\d.]+ points, ([\d.]+) s|(.*))")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=100, help="copies for two workers")
    parser.add_argument("--many", type=int, default=1_000, help="copies for a killed worker")
    parser.add_argument("--output", type=Path, default=Path("_build/grading_benchmarks.json"))
    parser.add_argument("--commit", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    results = {
        "machine": describe_machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **measure(arguments.students, arguments.many),
        "load_average": {"before": load_before, "after": os.getloadavg()[0]},
    }
    save(results, RESULTS if arguments.commit else arguments.output, table)


def measure(students: int, many: int) -> dict:
    """Grade the three classes, and compare the marks of copies with those of the originals."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = grade(make_class(folder / "alone", len(ORIGINALS)), jobs=1)
        secret = folder / "alone-graded/secret.txt"
        results = {"alone": alone}
        for key, size, is_killed in (("class", students, False), ("many", many, True)):
            place = make_class(folder / key, size)
            (folder / f"{key}-graded").mkdir()
            shutil.copy(secret, folder / f"{key}-graded")
            results[key] = grade(place, jobs=2, is_killed=is_killed)
            results[key]["marks_of_one"] = count_equal(place, folder / "alone")
        return results


def make_class(folder: Path, size: int) -> Path:
    """Write so many submissions, the originals in turn, and return the folder."""
    files = [save_submission(make(), folder, f"{name}-0000") for name, make in ORIGINALS.items()]
    names = list(ORIGINALS)
    for index in range(len(files), size):
        place = folder / f"{names[index % len(names)]}-{index // len(names):04}"
        shutil.copytree(files[index % len(files)].parent, place)
    for extra in names[size:]:
        shutil.rmtree(folder / f"{extra}-0000")
    return folder


def grade(folder: Path, jobs: int, *, is_killed: bool = False) -> dict:
    """Grade a class in a process of its own; kill one of its workers half-way, if that is asked.

    Returns
    -------
    dict
        ``seconds`` of the whole command; ``seconds_each``, what a worker took for a submission;
        ``peak_mib``, the most memory that the grader's own process held; ``killed_after``, how many
        were graded when the worker was killed.
    """
    command = [sys.executable, "-m", "coursework.grading", str(folder), "--jobs", str(jobs)]
    start, each, killed_after, peak = time.perf_counter(), [], None, 0.0
    with subprocess.Popen(
        command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        for line in run.stdout:
            peak = peak_mib(run.pid) or peak
            found = LINE.match(line)
            print(line, end="", file=sys.stderr)
            if not found:
                continue
            number, total = int(found[1]), int(found[2])
            each += [float(found[4])] if found[4] else []
            if is_killed and killed_after is None and number >= total / 2:
                killed_after = kill_one(run.pid) and number
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}")
    return {
        "submissions": total,
        "workers": jobs,
        "seconds": round(time.perf_counter() - start, 1),
        "seconds_each": summarise(each),
        "graded": len(each),
        "peak_mib": round(peak, 1),
    } | ({"killed_after": killed_after} if is_killed else {})


def kill_one(pid: int) -> bool:
    """Kill a worker that is grading something; return whether there was one."""
    for worker in busy_workers(pid):
        try:
            worker.kill()
        except psutil.NoSuchProcess:
            continue
        return True
    return False


def peak_mib(pid: int) -> float | None:
    """Return the most memory that a process has held, by the system's word, if it is there."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else None


def count_equal(folder: Path, originals: Path) -> int:
    """Return how many of a class have the marks of their originals.

    Raises
    ------
    RuntimeError
        If one has not.
    """
    right = read_marks(originals)
    wrong = [
        student
        for student, row in read_marks(folder).items()
        if row != right[f"{student.rpartition('-')[0]}-0000"]
    ]
    if wrong:
        raise RuntimeError(f"marks differ from those of the originals: {', '.join(wrong)}")
    return len(read_marks(folder))


def read_marks(folder: Path) -> dict[str, list[str]]:
    """Return the cells of marks.csv by student."""
    file = folder.with_name(f"{folder.name}-graded") / "marks.csv"
    with file.open(encoding="utf-8", newline="") as stream:
        return {row[0]: row[1:] for row in list(csv.reader(stream))[1:]}


def table(results: dict) -> str:
    """Write the results as a Markdown table."""
    rows = []
    for key in ("alone", "class", "many"):
        run = results[key]
        each = run["seconds_each"]
        killed = f", one killed after {run['killed_after']}" if run.get("killed_after") else ""
        rows.append(
            {
                "submissions": f"{run['submissions']:,}",
                "workers": f"{run['workers']}{killed}",
                "graded": f"{run['graded']:,}",
                "marks of one worker": f"{run.get('marks_of_one', run['graded']):,}",
                "minutes": f"{run['seconds'] / 60:.1f}",
                "seconds each, median": f"{each['median']:.1f}",
                "grader's peak, MiB": f"{run['peak_mib']:.0f}",
            }
        )
    machine = results["machine"]
    where = f"{machine['cores']} cores of an {machine['processor']}"
    written = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    return f"{written}\n\nMeasured on {results['date']} on {where}."


if __name__ == "__main__":
    main()
