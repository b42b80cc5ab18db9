"""The room, the judge and the command, run by an account that is not root.

Where the tests themselves are run by an ordinary user, all others show that.
"""

import csv
import io
import json
import subprocess

import pytest

from tests.coursework.submissions import BUGS, needs_room
from tests.coursework.test_grading import lost
from tests.own_machine import ROOT, own_machine, why_not

pytestmark = [needs_room, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.fixture(scope="module")
def found() -> dict:
    command = own_machine("tests.coursework.ordinary_user")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_ordinary_users_room_is_as_closed_as_roots(found):
    room = found["room"]
    assert room["code"] == 0, room["log"]
    assert " passed" in room["log"]


def test_an_ordinary_user_grades_as_root_does(found):
    graded = found["grading"]
    assert graded["code"] == 0, graded["log"]
    assert graded["owned"]
    rows = {row["student"]: row for row in csv.DictReader(io.StringIO(graded["marks"]))}
    assert rows["right"]["points"] == "60.0"
    assert rows["unfair"]["points"] == "0.0"
    assert lost(rows["wrong"], rows["right"]) == BUGS["no-prefill"][2]
