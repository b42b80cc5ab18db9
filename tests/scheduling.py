"""Which tests one process runs together, and what begins first, where several run them."""

import re

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/browser/engine/",
    "tests/browser/test_languages.py",
    "tests/browser/test_same_everywhere.py",
)
"""What shares a page with a loaded model, the German site, or what was read in Chromium."""

OTHER_BROWSER = re.compile(r"[\[-](firefox|webkit)[\]-]")
"""In the name of a test that runs in another browser than Chromium."""

LONGEST = (
    "tests/coursework/test_grading.py",
    "tests/browser/engine/",
    "tests/coursework/",
    "tests/browser/",
    "tests/book/",
    "tests/serving/",
    "tests/models/",
)
"""What begins first, so that no process ends long before the other."""


def scope_of(nodeid: str) -> str:
    """Return what a test runs together with: what is of its file and its browser, or `TOGETHER`."""
    file, _, name = nodeid.partition("::")
    if together := next((place for place in TOGETHER if file.startswith(place)), ""):
        return together
    other = OTHER_BROWSER.search(name)
    return f"{file} in {other[1]}" if other else file


def rank(scope: str) -> int:
    """Return where a scope stands in `LONGEST`, or behind it."""
    found = (index for index, place in enumerate(LONGEST) if scope.startswith(place))
    return next(found, len(LONGEST))


class LongestFirst(LoadScopeScheduling):
    """Gives the process that has nothing left the first scope of those that wait."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=rank), last=False)
        super()._assign_work_unit(node)
