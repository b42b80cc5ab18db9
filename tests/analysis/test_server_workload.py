"""The requests of the server explorer: those of a workload, with one thing changed."""

import pytest

from tinytorch.analysis.server_workload import VOCAB_SIZE, server_workload
from tinytorch.serving import make_workload

SIZES = {"rate": 20, "mean_prompt": 30, "mean_answer": 10}


def drawn(**changes):
    return server_workload(3, 9, **SIZES, **changes)


def prompts(arrivals):
    return [arrival.prompt for arrival in arrivals]


def test_without_a_change_they_are_those_of_a_workload():
    longest = {"max_prompt": 240, "max_answer": 80}
    assert drawn() == make_workload(3, 9, VOCAB_SIZE, **SIZES, **longest)


def test_a_system_prompt_begins_all_prompts():
    plain, with_system = prompts(drawn()), prompts(drawn(system_length=40))
    assert len({prompt[:40] for prompt in with_system}) == 1
    assert len({prompt[:1] for prompt in plain}) > 1


def test_a_timestamp_stands_first_and_is_the_only_change():
    plain, stamped = (prompts(drawn(system_length=40, timestamp_first=on)) for on in (False, True))
    assert [prompt[1:] for prompt in stamped] == plain
    assert len({prompt[0] for prompt in stamped}) == 9
    assert min(prompt[0] for prompt in stamped) >= VOCAB_SIZE > max(max(plain))


def test_the_same_question_is_the_first_one():
    assert set(prompts(drawn(same_question=True))) == {drawn()[0].prompt}


def test_one_prompt_is_long():
    changed = drawn(long_prompt=500)
    assert [len(prompt) for prompt in prompts(changed)].count(500) == 1
    assert [(one.time, one.max_new_tokens) for one in changed] == [
        (one.time, one.max_new_tokens) for one in drawn()
    ]


def test_all_arrive_at_once():
    assert {arrival.time for arrival in drawn(all_at_once=True)} == {0.0}
    assert prompts(drawn(all_at_once=True)) == prompts(drawn())


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="rate=0 must be above 0"):
        server_workload(1, 2, rate=0, mean_prompt=3, mean_answer=3)
