"""What a student may try against the others: run by that student's account, prints what worked.

``python trespass.py COURSE OTHERS_HOME INSTRUCTORS_HOME``, for the course's folder in the exchange.
"""

import json
import os
import sys
from pathlib import Path

course, other, instructor = map(Path, sys.argv[1:])


def replace_the_course() -> None:
    """Put a course of one's own in the place of the real one."""
    course.rename(course.with_name("moved"))
    course.with_name("moved").rename(course)


ATTEMPTS = {
    "list what others submitted": lambda: os.listdir(course / "inbound"),
    "list the feedback of all": lambda: os.listdir(course / "feedback"),
    "read another's home": lambda: os.listdir(other),
    "read another's notebook": lambda: (other / "kv_caching/module15.ipynb").read_bytes(),
    "read the instructor's home": lambda: os.listdir(instructor),
    "read the solution": lambda: (
        instructor / "course/source/kv_caching/module15.ipynb"
    ).read_bytes(),
    "change the release": lambda: (course / "outbound/kv_caching/module15.ipynb").write_text(""),
    "add to the release": lambda: (course / "outbound/kv_caching/x").touch(),
    "put feedback there": lambda: (course / "feedback/x.html").touch(),
    "remove the course": lambda: course.rmdir(),
    "replace the course": replace_the_course,
    "replace what others submit to": lambda: (course / "inbound").rename(course / "x"),
}


def main() -> None:
    """Try everything; print a JSON list of what was not refused."""
    worked = []
    for name, attempt in ATTEMPTS.items():
        if "feedback" in name and not (course / "feedback").exists():
            continue  # none was returned yet
        try:
            attempt()
        except PermissionError:
            continue
        except OSError as error:
            name = f"{name} ({error.strerror})"
        worked.append(name)
    print(json.dumps(worked))


if __name__ == "__main__":
    main()
