"""A week of the course on a hub, step by step, with what must be true after each step."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from playwright.sync_api import Browser

from coursework.course import instructor_notebook, student_notebook
from tests.coursework.submissions import BUGS, solved, with_bug
from tests.hub.hub import COURSE, Desk, submissions_of, wait_until
from tests.own_machine import ROOT, Account

BUG = "reset-keeps-length"
TRESPASS = Path(__file__).with_name("trespass.py")
CLASS = "student,name,late_days\nada,Ada,2\nbob,Bob,2\n"
LATER = "2099-01-01 00:00:00.000000 UTC"
GRADES_ARE_THERE = "() => !!window.formgrader?.loaded && !!formgrader.grades.loaded"
EARLIER = "2020-01-01 00:00:00.000000 UTC"


class Week:
    """The people of a course, and what they do.

    Parameters
    ----------
    environment : Path
        Where Jupyter and nbgrader are installed.
    accounts, passwords : dict
        By the names ``instructor``, ``ada``, ``bob``.
    browser : Browser
    check : callable
        Takes a sentence, whether it holds, and what was seen.
    """

    def __init__(
        self,
        environment: Path,
        accounts: dict[str, Account],
        passwords: dict[str, str],
        browser: Browser,
        check: Callable[..., None],
    ):
        self.tools, self.browser, self.check = environment / "bin", browser, check
        self.accounts, self.passwords = accounts, passwords
        self.instructor, self.ada, self.bob = (accounts[n] for n in ("instructor", "ada", "bob"))
        self.course = self.instructor.home / "course"
        self.submissions = self.instructor.home / "submissions"
        self.graded = self.instructor.home / "submissions-graded"

    def live(self) -> None:
        """Do everything, in its order."""
        self.release()
        ada, bob = (self.desk(name) for name in ("ada", "bob"))
        self.work(ada, bob)
        self.attack(bob)
        self.collect()
        self.grade()
        self.read_an_answer()
        self.give_back(ada, bob)

    def desk(self, name: str) -> Desk:
        """Log somebody in."""
        return Desk(self.browser, self.accounts[name], self.passwords[name])

    def command(self, *words: str, folder: Path | None = None) -> str:
        """Run a command of the environment as the instructor; return what it said."""
        name, *arguments = words
        path = f"{self.tools}:{self.instructor.environment()['PATH']}"  # as if activated
        done = self.instructor.run(
            *(self.tools / name, *arguments),
            folder=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": path},
        )
        self.code = done.returncode
        return done.stdout

    def release(self) -> None:
        """Make the assignment and put the students' notebook into the exchange."""
        said = self.command("python", "-m", "coursework.assignment", str(self.course))
        said += self.command("nbgrader", "release_assignment", "kv_caching", folder=self.course)
        self.check("the assignment is released", self.code == 0, said)
        self.instructor.run("chmod", "+t", str(COURSE / "inbound"), check=True)
        files = [p.name for p in COURSE.glob("outbound/kv_caching/*")]
        self.check("the students' notebook alone is released", files == ["module15.ipynb"], files)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in [COURSE.parent, *COURSE.glob("*")]}
        expected = {"exchange": 0o1777, "outbound": 0o755, "inbound": 0o3733}
        seen = {name: oct(mode) for name, mode in modes.items()}
        self.check("the exchange has these permissions", modes == expected, seen)

    def work(self, ada: Desk, bob: Desk) -> None:
        """Fetch, solve and submit; ada in time, bob after the deadline and twice."""
        for desk in (ada, bob):
            desk.fetch()
            self.check_fetched(desk.account)
        ada.save(solved())
        failures = [
            output
            for cell in ada.run_notebook()
            for output in cell.get("outputs", [])
            if output["output_type"] == "error"
        ]
        self.check("a right notebook runs on the hub, its tests pass", not failures, failures)
        ada.open_assignment_list()
        ada.submit()
        self.deadline = math.ceil(time.time())
        time.sleep(2)
        bob.submit()
        bob.save(with_bug(BUG))
        before = time.time()
        bob.submit()
        self.bob_submitted = (before, time.time())
        self.check("both submissions of bob are there", len(submissions_of(self.bob)) == 2)

    def check_fetched(self, account: Account) -> None:
        """Compare what was fetched with the release, and look for solutions in it."""
        file = account.home / "kv_caching/module15.ipynb"
        cells = nbformat.read(file, 4).cells
        released = [cell.source for cell in student_notebook().cells]
        same = [cell.source for cell in cells] == released
        self.check(f"{account.name} has the release, cell for cell", same)
        hidden = [line for line in _hidden_lines() if line in file.read_text(encoding="utf-8")]
        self.check(
            f"no solution and no hidden test is in {account.name}'s file", not hidden, hidden
        )

    def attack(self, bob: Desk) -> None:
        """Let bob try what an account can try, and leave three forged submissions."""
        done = self.bob.run(self.tools / "python", str(TRESPASS), *self.places())
        self.check("bob reads and changes nothing of others", done.stdout == "[]\n", done.stdout)
        answer = bob.page.context.new_page().goto(f"{bob.address.replace('bob', 'ada')}/lab")
        self.check("the hub keeps bob out of ada's server", answer.status == 403, answer.status)
        source = self.course / "source/kv_caching/module15.ipynb"
        code = (
            "import os, shutil, sys\n"
            "inbound, own, later, earlier, source = sys.argv[1:]\n"
            "os.makedirs(f'{inbound}/ada+kv_caching+{later}+x')\n"
            "shutil.copy(f'{own}/module15.ipynb', f'{inbound}/ada+kv_caching+{later}+x')\n"
            "os.makedirs(f'{inbound}/bob+kv_caching+{later}+x')\n"
            "os.symlink(source, f'{inbound}/bob+kv_caching+{later}+x/module15.ipynb')\n"
            "shutil.copytree(own, f'{inbound}/bob+kv_caching+{earlier}+x')\n"
        )
        own = str(submissions_of(self.bob)[-1])
        words = (str(COURSE / "inbound"), own, LATER, EARLIER, str(source))
        self.bob.run(self.tools / "python", "-c", code, *words, check=True)

    def collect(self) -> None:
        """Collect, once with nbgrader's own command to see what it does, once with the course's."""
        scratch = self.instructor.home / "scratch"
        self.instructor.run("mkdir", str(scratch), check=True)
        said = self.command("nbgrader", "collect", "kv_caching", folder=scratch)
        files = {n: scratch / f"submitted/{n}/kv_caching/module15.ipynb" for n in ("ada", "bob")}
        taken = {n: f.read_text() if f.exists() else "" for n, f in files.items()}
        forged = submissions_of(self.bob)[-2] / "module15.ipynb"
        self.check(
            "seen: nbgrader's collect takes bob's file as ada's, with a warning",
            taken["ada"] == forged.read_text() and "cheating attempt?" in said,
            said,
        )
        solution = (self.course / "source/kv_caching/module15.ipynb").read_text()
        self.check("seen: nbgrader's collect follows bob's link", taken["bob"] == solution, said)
        said = self.command("python", "-m", "coursework.exchange", "collect", "submissions")
        self.check("the course's collect refuses both", said.count("refused: ") == 2, said)
        expected = {"ada": solved(), "bob": with_bug(BUG)}
        for name, notebook in expected.items():
            found = nbformat.read(self.submissions / name / "module15.ipynb", 4)
            same = [c.source for c in found.cells] == [c.source for c in notebook.cells]
            self.check(f"it takes what {name} submitted last", same, said)
        self.check("it says that bob's time is not the true one", "bob: says 2020" in said, said)
        self.check_times()

    def check_times(self) -> None:
        """Compare times and late days with the clock and the class list."""
        class_list = self.instructor.home / "class.csv"
        class_list.write_text(CLASS)
        class_list.chmod(0o644)
        times = self.submissions.with_name("submissions-times.csv")
        deadline = datetime.fromtimestamp(self.deadline, UTC).isoformat()
        said = self.command(
            *("python", "-m", "coursework.late_days", str(class_list)),
            *("--deadline", deadline, "--times", str(times)),
        )
        rows = {row["student"]: row for row in _table(self.instructor.home / "late.csv")}
        days = {name: (row["days_late"], row["days_left"]) for name, row in rows.items()}
        expected = {"ada": ("0", "2"), "bob": ("1", "1")}
        self.check("late days are those of the class list", days == expected, said)
        claimed = submissions_of(self.ada)[0].name.split("+")[2][:19]
        seen = rows["ada"]["submitted"][:19]
        self.check("ada's time is that of her submission", seen == claimed, (seen, claimed))
        time_of_bob = datetime.fromisoformat(rows["bob"]["submitted"]).timestamp()
        now = time_of_bob >= math.floor(self.bob_submitted[0])
        self.check("bob's time is not before he submitted", now, rows["bob"]["submitted"])

    def grade(self) -> None:
        """Grade what was collected, as an ordinary user, in closed rooms."""
        said = self.command("python", "-m", "coursework.grading", str(self.submissions))
        self.check("the instructor, who is not root, grades in closed rooms", self.code == 0, said)
        rows = {row["student"]: row for row in _table(self.graded / "marks.csv")}
        points = {
            cell.metadata.nbgrader.grade_id: float(cell.metadata.nbgrader.points)
            for cell in student_notebook().cells
            if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")
        }
        full = {name: float(rows["ada"][name]) for name in points}
        self.check("ada has every point of every test", full == points, rows["ada"])
        lost = {name for name in points if float(rows["bob"][name]) != points[name]}
        self.check("bob loses the tests of his bug alone", lost == BUGS[BUG][2], lost)

    def read_an_answer(self) -> None:
        """Give points for an answer in the formgrader, under the page's policy."""
        settings = self.instructor.home / ".jupyter"
        settings.mkdir(exist_ok=True)
        shutil.copy(self.graded / "jupyter_server_config.py", settings)
        text = f"c = get_config()\nc.CourseDirectory.root = {str(self.graded)!r}\n"
        (settings / "nbgrader_config.py").write_text(text)
        for place in (settings, *settings.iterdir()):
            os.chown(place, self.instructor.uid, self.instructor.gid)
        desk = self.desk("instructor")
        page = desk.page
        listed = f"{desk.address}/formgrader/api/submitted_notebooks/kv_caching/module15"
        ids = {one["student"]: one["id"] for one in page.request.get(listed).json()}
        answer = page.goto(f"{desk.address}/formgrader/submissions/{ids['ada']}/")
        policy = answer.headers["content-security-policy"]
        self.check("the formgrader's page has its policy", "'nonce-" in policy, policy)
        wait_until(lambda: page.evaluate(GRADES_ARE_THERE), "points in the formgrader")
        score = page.locator("#written_why")
        with page.expect_response(lambda answer: answer.request.method == "PUT"):
            score.fill("2")
            score.press("Tab")
        self.command("python", "-m", "coursework.grading", str(self.submissions))
        rows = {row["student"]: row for row in _table(self.graded / "marks.csv")}
        seen = rows["ada"]["written_why"], rows["ada"]["points"]
        self.check("the points given there are in the marks", seen == ("2.0", "62.0"), seen)

    def give_back(self, ada: Desk, bob: Desk) -> None:
        """Return feedback; each student fetches it."""
        said = self.command("python", "-m", "coursework.exchange", "return", "submissions")
        self.check("two pages are returned", "2 of 2 feedback pages" in said, said)
        pages = {}
        for desk in (ada, bob):
            name = desk.account.name
            found = desk.fetch_feedback()
            own = (self.graded / f"feedback/{name}/kv_caching/module15.html").read_bytes()
            pages[name] = own
            same = {file.read_bytes() for file in found} == {own}
            self.check(f"{name} has the own page and no other", same, found)
            tab = desk.view(found[-1])
            shown = tab.inner_text("body")
            tab.close()
            texts = BeautifulSoup(own, "html.parser").get_text()
            counts = shown.count("Graded: "), texts.count("Graded: ")
            self.check(f"{name} sees it in the browser", counts == (16, 16), counts)
        self.check("the two pages differ", pages["ada"] != pages["bob"])
        done = self.bob.run(self.tools / "python", str(TRESPASS), *self.places())
        self.check("bob still reads nothing of others", done.stdout == "[]\n", done.stdout)

    def places(self) -> tuple[str, str, str]:
        """Return what `trespass` is told: the course, ada's home, the instructor's."""
        return str(COURSE), str(self.ada.home), str(self.instructor.home)


def _hidden_lines() -> list[str]:
    """Return the lines of the instructor's notebook that students must not have, as JSON text."""
    released = {line for cell in student_notebook().cells for line in cell.source.splitlines()}
    lines = {line for cell in instructor_notebook().cells for line in cell.source.splitlines()}
    return [json.dumps(line)[1:-1] for line in lines - released if len(line.strip()) > 20]


def _table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
