"""nbgrader's exchange: what is taken from it, what is refused, and to whom feedback goes."""

import json
import os
import pwd
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import (
    ExchangeFetchFeedback,
    ExchangeReleaseAssignment,
    ExchangeSubmit,
)
from traitlets.config import Config
from typer.testing import CliRunner

from coursework.course import ASSIGNMENT, make_course
from coursework.exchange import app, read_inbound
from coursework.grading import Progress
from coursework.late_days import read_times
from coursework.marks import GRADED, Outcome
from coursework.received import digest_of

ME = pwd.getpwuid(os.getuid()).pw_name
NAME = "module15.ipynb"
NOW = "2026-11-29 08:00:00.000000 UTC"
runner = CliRunner()


class Exchange:
    """An exchange with the released assignment, and a student's side of it: all of one account."""

    def __init__(self, folder: Path):
        self.folder, self.root = folder, folder / "exchange"
        self.course, self.home = self.root / "tinytorch", folder / "home"
        self.inbound = self.course / "inbound"
        self.submissions = folder / "submissions"
        self.graded = folder / "submissions-graded"

    def make(self) -> None:
        """Make the folders, and release the assignment with nbgrader."""
        self.root.mkdir()
        self.root.chmod(0o1777)
        self.home.mkdir()
        make_course(self.folder / "course")
        self.do(ExchangeReleaseAssignment, root=self.folder / "course")
        shutil.copytree(self.course / "outbound" / ASSIGNMENT, self.home / ASSIGNMENT)

    def do(self, step: type, **settings: object) -> None:
        """Take a step of nbgrader's."""
        config = Config()
        config.Exchange.root = str(self.root)
        config.Exchange.cache = str(self.folder / "cache")
        config.Exchange.assignment_dir = str(self.home)
        config.CourseDirectory.course_id = "tinytorch"
        config.CourseDirectory.assignment_id = ASSIGNMENT
        config.CourseDirectory.update({name: str(value) for name, value in settings.items()})
        about = {"coursedir": CourseDirectory(config=config)}
        step(authenticator=Authenticator(config=config), config=config, **about).start()

    def submit(self, text: str = "{}") -> Path:
        """Submit a notebook with nbgrader; return what it put into the exchange."""
        before = set(self.inbound.iterdir())
        (self.home / ASSIGNMENT / NAME).write_text(text)
        self.do(ExchangeSubmit)
        (new,) = set(self.inbound.iterdir()) - before
        return new

    def plant(self, student: str = ME, time: str = NOW, assignment: str = ASSIGNMENT) -> Path:
        """Make an entry by hand."""
        entry = self.inbound / f"{student}+{assignment}+{time}+x"
        entry.mkdir()
        return entry

    def call(self, command: str):
        """Run a command of the course on this exchange."""
        return runner.invoke(app, [command, str(self.submissions), "--course", str(self.course)])

    def note(self, text: str, status: str = GRADED) -> None:
        """Say that a file was graded, and put a page there."""
        page = self.graded / "feedback" / ME / ASSIGNMENT / "module15.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"feedback on {text}")
        Progress(self.graded).note(digest_of(text.encode()), Outcome(ME, status))


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    Exchange(folder).make()
    return folder


@pytest.fixture
def exchange(released, tmp_path) -> Exchange:
    shutil.copytree(released, tmp_path / "copy")
    return Exchange(tmp_path / "copy")


def test_the_newest_submission_is_taken_with_its_time(exchange):
    exchange.submit('{"first": 1}')
    before = datetime.now(UTC).replace(microsecond=0)
    exchange.submit('{"last": 1}')
    done = exchange.call("collect")
    assert done.exit_code == 0, done.output
    assert json.loads((exchange.submissions / ME / NAME).read_text()) == {"last": 1}
    times = read_times(exchange.folder / "submissions-times.csv", before)
    assert list(times) == [ME]
    assert before <= times[ME] <= datetime.now(UTC)


def test_other_assignments_and_other_files_are_passed_over(exchange):
    exchange.plant(assignment="other")
    (exchange.inbound / "notes.txt").touch()
    assert read_inbound(exchange.inbound) == ({}, [])


def link(file: Path) -> None:
    secret = file.parents[4] / "course/source/kv_caching/module15.ipynb"
    assert secret.exists()
    file.symlink_to(secret)


WRONG_FILES = {
    "a link to the solution": (link, "cannot be opened"),
    "a folder": (Path.mkdir, "no ordinary file"),
    "a pipe": (os.mkfifo, "no ordinary file"),
    "no notebook": (lambda file: None, "No such file"),
    "a large file": (
        lambda file: (file.touch(), os.truncate(file, 20_000_000)),
        "more than 10 MB",
    ),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_what_is_no_file_of_the_students_is_refused(exchange, name):
    make, reason = WRONG_FILES[name]
    make(exchange.plant() / NAME)
    collected, refused = read_inbound(exchange.inbound)
    assert collected == {}
    assert len(refused) == 1
    assert reason in refused[0]


def test_an_entry_that_is_a_link_is_refused(exchange):
    entry = exchange.submit()
    (exchange.inbound / f"{ME}+{ASSIGNMENT}+2099-01-01 00:00:00.0 UTC+y").symlink_to(entry)
    collected, refused = read_inbound(exchange.inbound)
    assert list(collected) == [ME]
    assert "no folder that can be read" in refused[0]


def test_nobody_submits_for_another(exchange):
    (exchange.plant(student="somebody-else") / NAME).write_text("{}")
    done = exchange.call("collect")
    assert done.exit_code == 1
    assert f"belongs to {ME}, not to somebody-else" in done.output
    assert not exchange.submissions.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_that_another_put_there_is_refused(exchange):
    entry = exchange.submit()
    os.chown(entry / NAME, 12_345, 12_345)
    assert "belongs to somebody else" in read_inbound(exchange.inbound)[1][0]
    os.chown(entry, 12_345, 12_345)
    assert f"belongs to user 12345, not to {ME}" in read_inbound(exchange.inbound)[1][0]


@pytest.mark.parametrize("name", ["\x1b[31m", "a b", "=1", "-x", "../x".replace("/", "\\")])
def test_a_name_that_is_no_id_is_refused_and_shown_as_text(exchange, name):
    (exchange.plant(student=name) / NAME).write_text("{}")
    done = exchange.call("collect")
    assert "does not begin with a student's id" in done.output
    assert "\x1b" not in done.output


def test_a_time_before_the_file_was_written_does_not_count(exchange):
    (exchange.plant(time="2020-01-01 00:00:00.000000 UTC") / NAME).write_text("{}")
    collected, _ = read_inbound(exchange.inbound)
    assert abs((datetime.now(UTC) - collected[ME].submitted).total_seconds()) < 60
    assert "says 2020-01-01" in exchange.call("collect").output


def test_a_time_of_another_form_is_refused(exchange):
    (exchange.plant(time="2026-11-29 09:00:00.000000 CET") / NAME).write_text("{}")
    assert "expected nbgrader's, in UTC" in read_inbound(exchange.inbound)[1][0]


def test_feedback_comes_to_the_student_who_submitted(exchange):
    exchange.submit('{"a": 1}')
    exchange.call("collect")
    exchange.note('{"a": 1}')
    done = exchange.call("return")
    assert done.exit_code == 0, done.output
    assert (exchange.course / "feedback").stat().st_mode & 0o777 == 0o711
    exchange.do(ExchangeFetchFeedback)
    (page,) = (exchange.home / ASSIGNMENT / "feedback").glob("*/module15.html")
    assert page.read_text() == 'feedback on {"a": 1}'
    assert page.stat().st_mode & 0o777 == 0o644


def test_feedback_on_an_earlier_file_is_not_returned(exchange):
    exchange.submit('{"a": 1}')
    exchange.call("collect")
    exchange.note('{"a": 1}')
    exchange.submit('{"b": 2}')
    exchange.call("collect")
    done = exchange.call("return")
    assert done.exit_code == 1
    assert f"{ME}: not returned: this file is not graded yet" in done.output
    assert list((exchange.course / "feedback").iterdir()) == []


def test_what_was_not_graded_has_no_feedback(exchange):
    exchange.submit("x")
    exchange.call("collect")
    exchange.note("x", "not graded: not JSON")
    assert "not returned: not graded: not JSON" in exchange.call("return").output


@pytest.mark.parametrize("secret", [b"", b"../../x", b"a" * 127, "é".encode() * 64])
def test_a_secret_that_is_none_names_no_file(exchange, secret):
    entry = exchange.submit()
    (entry / "submission_secret.txt").write_bytes(secret)
    exchange.call("collect")
    exchange.note("{}")
    assert "hand the page back yourself" in exchange.call("return").output


def test_a_course_that_is_not_there_is_said(tmp_path):
    done = runner.invoke(app, ["collect", str(tmp_path / "s"), "--course", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert "No such file" in done.output
