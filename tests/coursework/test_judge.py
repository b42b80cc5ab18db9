"""The judge: right work gets its points whatever is asked, each mistake loses its own tests."""

import time

import numpy as np
import pytest
from nbformat.v4 import new_code_cell

from coursework.bounds import Limits
from coursework.course import instructor_notebook, student_notebook
from coursework.judge import WITH_CACHE, WITHOUT_CACHE, judge, points_of_tests
from coursework.judge.compare import WrongAnswerError, require_close, require_text
from coursework.judge.draw import STYLES, Draw
from coursework.judge.session import clean
from tests.coursework.submissions import (
    BUGS,
    INTEGRATION,
    cell_of,
    changed,
    needs_room,
    solved,
    with_bug,
)
from tinytorch import GPT, generate

pytestmark = needs_room
QUICK = Limits(cell_seconds=3, student_seconds=60)
ENABLING = {test.__name__ for test in WITH_CACHE}


def lost(verdicts) -> set[str]:
    return {name for name, verdict in verdicts.items() if verdict.points == 0}


def extended(source: str, after: str = "setup"):
    """Return a solution with a cell of the student's own."""
    notebook = solved()
    place = notebook.cells.index(cell_of(notebook, after))
    notebook.cells.insert(place + 1, new_code_cell(source))
    return notebook


def test_the_judge_has_a_test_for_each_that_the_assignment_gives_points_for():
    names = [test.__name__ for test in (*WITHOUT_CACHE, *WITH_CACHE)]
    assert sorted(names) == sorted(points_of_tests())
    assert sum(points_of_tests().values()) == 60
    cells = {c.metadata.nbgrader.grade_id: c for c in instructor_notebook().cells if c.metadata}
    assert all(cells[name].metadata.nbgrader.points == p for name, p in points_of_tests().items())


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_the_reference_gets_everything_whatever_is_asked(seed):
    verdicts = judge(solved(), Limits(), seed)
    assert {verdict.message for verdict in verdicts.values()} == {""}
    assert sum(verdict.points for verdict in verdicts.values()) == 60


def test_the_untouched_release_gets_nothing():
    verdicts = judge(student_notebook(), Limits())
    assert sum(verdict.points for verdict in verdicts.values()) == 0
    assert {verdict.message for verdict in verdicts.values()} == {"not done yet"}


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_loses_its_own_tests_and_no_other(bug):
    verdicts = judge(with_bug(bug), Limits())
    assert lost(verdicts) == BUGS[bug][2]
    assert all(len(verdicts[name].message) > 20 for name in lost(verdicts))


HONEST = {
    "warns and logs": extended(
        "import logging, warnings, sys\n"
        "class Loud(KVCache):\n"
        "    def update(self, layer_idx, key, value):\n"
        "        warnings.warn('update'); logging.warning('update'); print('x', file=sys.stderr)\n"
        "        return super().update(layer_idx, key, value)\n"
        "KVCache = Loud",
        after="kv_cache",
    ),
    "prints a lot": extended("def note(*a):\n    print('x' * 10**6)\nnote()\nprint(1)"),
    "commands of IPython": extended("%matplotlib inline\n%timeit 1 + 1\n!ls\nlen?\nrows = 3"),
    "a timed cell": extended("%%time\nbefore = 1"),
    "annotations": extended(
        "def helper(cache: tt.KVCache, model: tt.GPT) -> None: ...\nassert tt.Profiler"
    ),
    "a dataclass": extended(
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1"
    ),
    "numbers of NumPy": changed(
        "analyses",
        "def cache_bytes(l, h, d, t, batch_size=1, bytes_per_element=4):\n"
        "    return np.int64(2) * l * h * d * t * batch_size * bytes_per_element\n"
        "def operation_ratios(n):\n"
        "    return np.array([(n + 1) / 2])[0], (2 * n + 1) / 3",
    ),
    "an error in a cell of its own": extended("1 / 0"),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_work_keeps_its_points(name):
    verdicts = judge(HONEST[name], Limits(), only={"test_cache_update", "test_memory"})
    assert lost(verdicts) == set()


def test_locked_cells_that_are_missing_or_changed_are_as_released():
    notebook = solved()
    cell_of(notebook, "attend_rows").source = "def attend_rows(*a): return None"
    gone = {"setup", "enable_helpers", "test_cache_allocate", "test_same_text"}
    notebook.cells = [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in gone
    ]
    only = {"test_cache_allocate", "test_enable_layers", "test_second_text"}
    assert lost(judge(notebook, Limits(), only=only)) == set()


ENDS = {
    "ends": "import os\nos._exit(1)",
    "blocks": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "crashes": "import ctypes\nctypes.string_at(0)",
    "stops": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("place", ["in a cell", "in a call"])
def test_a_guest_that_ends_or_blocks_loses_that_test_only(name, place):
    source = ENDS[name]
    if place == "in a call":
        body = "\n".join(f"    {line}" for line in source.splitlines())
        source = f"def profile_naive(model, prompt, num_tokens):\n{body}"
    only = {"test_profile_naive", "test_memory", "test_speedup"}
    verdicts = judge(changed("profile_naive", source), Limits(cell_seconds=1), only=only)
    assert lost(verdicts) == {"test_profile_naive"}
    reason = "stopped after 1 s" if name in ("blocks", "stops") else "the process ended"
    assert reason in verdicts["test_profile_naive"].message


def test_the_whole_submission_has_a_limit():
    source = "while True: pass"
    start = time.monotonic()
    verdicts = judge(
        changed("kv_cache", f"class KVCache:\n    {source}"), QUICK, only=["test_memory"]
    )
    assert lost(verdicts) == set()
    slow = "import time\nclass KVCache:\n    def __init__(self, *a, **b): time.sleep(60)"
    limits = Limits(cell_seconds=2, student_seconds=3)
    verdicts = judge(changed("kv_cache", slow), limits)
    assert time.monotonic() - start < 30
    assert "the time for the whole submission is over" in verdicts["test_padding"].message


def test_memory_of_a_guest_is_bounded():
    eat = "def cache_bytes(*a):\n    import os\n    for _ in range(4):\n"
    eat += "        if not os.fork():\n            x = bytearray(400 << 20)\n"
    eat += "            import time; time.sleep(9)\n    import time; time.sleep(9)"
    limits = Limits(memory_gib=1, cell_seconds=9)
    verdicts = judge(changed("analyses", eat), limits, only=["test_memory", "test_profile_naive"])
    assert lost(verdicts) == {"test_memory"}
    assert "more than 1 GiB of memory" in verdicts["test_memory"].message


def test_a_cell_that_failed_is_named_with_the_error_that_follows():
    notebook = changed("kv_cache", "class KVCache(\n")
    verdicts = judge(notebook, Limits(), only=["test_cache_reset", "test_memory"])
    assert lost(verdicts) == {"test_cache_reset"}
    message = verdicts["test_cache_reset"].message
    assert "'KVCache' is not defined" in message
    assert "kv_cache: SyntaxError" in message


@pytest.mark.parametrize("style", STYLES)
def test_drawn_texts_are_checked_as_generating_them_would(style):
    draw = Draw(5)
    model = draw.model(2, style)
    prompt = draw.text(model, 4, batch_size=2)
    text = generate(model, prompt, 12, use_cache=False)
    require_text(model, text, prompt, 12, "right")
    require_text(model, text.tolist(), prompt, 12, "a list")
    for column in (0, 4, 15):
        wrong = text.copy()
        wrong[1, column] = (wrong[1, column] + 1) % model.vocab_size
        with pytest.raises(WrongAnswerError):
            require_text(model, wrong, prompt, 12, "wrong")
    for wrong in (
        text[:, :-1],
        text.astype(float),
        text + 1000,
        text - 100,
        None,
        "text",
        [[1], []],
    ):
        with pytest.raises((WrongAnswerError, ValueError)):
            require_text(model, wrong, prompt, 12, "no text")


@pytest.mark.parametrize(
    "found", [None, [1.0, 2.0], np.ones(3), np.ones(2, bool), np.array([1, np.nan]), np.ones(2) + 2]
)
def test_what_is_not_close_is_wrong(found):
    require_close(np.array([1, 2], np.float32), np.array([1.0, 2.0]), "right")
    with pytest.raises(WrongAnswerError):
        require_close(found, np.array([1.0, 2.0]), "wrong")


def test_a_seed_draws_the_same_and_another_something_else():
    models = [Draw(seed).model(2, "grouped heads") for seed in (1, 1, 2)]
    assert models[0].config == models[1].config
    weights = [model.described()["weights"] for model in models]
    assert np.array_equal(weights[0], weights[1])
    assert weights[0].shape != weights[2].shape or not np.array_equal(weights[0], weights[2])
    assert type(models[0].forward(np.array([[1]]))) is np.ndarray
    assert isinstance(models[0], GPT)
    assert sum(Draw(3).split(17)) == 17


def test_messages_of_students_are_one_plain_line():
    assert clean("\x1b[31mred\x1b[0m\nsecond\n") == "red"
    assert clean("a\x07\x9b\u202eb") == "a???b"
    assert clean("x" * 1000) == "x" * 300 + "..."
    assert clean("\ud800") == "?"


def test_integration_needs_a_cache_and_not_only_the_right_text():
    naive = (
        "def generate_cached(model, cache, prompt, num_tokens, num_pads=(0,)):\n"
        "    pads, rows = list(num_pads), []\n"
        "    for row, n in zip(prompt, pads):\n"
        "        text = row[None, n:]\n"
        "        for _ in range(num_tokens):\n"
        "            best = model.forward(text, last_only=True)[:, -1:].argmax(-1)\n"
        "            text = np.concatenate([text, best], axis=1)\n"
        "        rows.append(np.concatenate([row[None, :n], text], axis=1))\n"
        "    return np.concatenate(rows)"
    )
    verdicts = judge(changed("generate_cached", naive), Limits(), only=INTEGRATION)
    assert lost(verdicts) == INTEGRATION
    for verdict in verdicts.values():
        assert "a pass must take in new tokens only" in verdict.message
