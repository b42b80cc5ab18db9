"""The scheduler without a model: texts are made up, so thousands of steps take a second."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.checks import ReplayedEvents, check_scheduler
from tinytorch import serving
from tinytorch.serving import BlockPool, Request, Scheduler, prompt_lookup

PLAIN_FILES = ["blocks", "prefix", "request", "request_queue", "scheduler"]
PLAIN_MODULES = {"__future__", "array", "collections", "dataclasses", "hashlib"}


def next_token(tokens):
    """A made-up model: the same text always goes on the same way."""
    return (sum(tokens) * 7 + len(tokens)) % 3


def choose(chunk):
    if not chunk.samples:
        return []
    text = list(chunk.request.tokens)
    for draft in [*chunk.drafts, None]:
        text.append(next_token(text))
        if text[-1] != draft:
            break
    return text[len(chunk.request.tokens) :]


def expected_text(request):
    text = list(request.prompt)
    for _ in range(request.max_new_tokens):
        text.append(next_token(text))
    return text


def new_scheduler(num_blocks=20, block_size=4, **settings):
    replayed = ReplayedEvents()
    scheduler = Scheduler(BlockPool(num_blocks, block_size), on_event=replayed, **settings)
    return scheduler, replayed


def run_step(scheduler):
    step = scheduler.schedule()
    scheduler.commit([choose(chunk) for chunk in step.chunks])
    return step


def run(scheduler, replayed, limit=1_000):
    steps = []
    while scheduler.waiting or scheduler.running:
        steps.append(run_step(scheduler))
        check_scheduler(scheduler, replayed)
        assert len(steps) < limit
    return steps


def names(replayed, *wanted):
    return [
        (event["event"], event["request"]) for event in replayed.events if event["event"] in wanted
    ]


@st.composite
def schedules(draw):
    requests = draw(
        st.lists(
            st.tuples(
                st.integers(0, 12),
                st.lists(st.integers(0, 2), min_size=1, max_size=14),
                st.integers(1, 10),
            ),
            min_size=1,
            max_size=9,
        )
    )
    block_size = draw(st.integers(1, 6))
    needed = max(-(-(len(prompt) + new - 1) // block_size) for _, prompt, new in requests)
    max_running = draw(st.integers(1, 5))
    drafter = draw(st.sampled_from([None, prompt_lookup]))
    return {
        "requests": sorted(requests, key=lambda request: request[0]),
        "num_blocks": needed + draw(st.integers(0, 10)),
        "block_size": block_size,
        "max_running": max_running,
        "max_tokens_per_step": draw(st.integers(max_running, 20)),
        "policy": draw(st.sampled_from(["continuous", "continuous", "static"])),
        "share_prefixes": draw(st.booleans()),
        "reserve_longest": draw(st.booleans()),
        "drafter": drafter,
        "max_drafts": draw(st.integers(1, 4)),
    }


def simulate(requests, **kwargs):
    scheduler, replayed = new_scheduler(**kwargs)
    due = [(at, Request(prompt, new)) for at, prompt, new in requests]
    sent = [request for _, request in due]
    while due or scheduler.waiting or scheduler.running:
        while due and due[0][0] <= scheduler.num_steps:
            scheduler.add(due.pop(0)[1])
        first = [*scheduler.running, *scheduler.waiting][:1]
        running = [(request, request.num_preemptions) for request in scheduler.running]
        step = run_step(scheduler)
        served = [chunk.request for chunk in step.chunks]
        assert all(request in served for request, n in running if request.num_preemptions == n)
        assert step.num_tokens <= scheduler.max_tokens_per_step
        assert served[:1] == first
        check_scheduler(scheduler, replayed)
    return sent, scheduler, replayed


def test_every_request_gets_its_text_and_the_events_tell_the_whole_story():
    seen = set()

    @settings(max_examples=600)
    @given(schedules())
    def check(schedule):
        sent, scheduler, replayed = simulate(**schedule)
        for request in sent:
            assert (request.status, request.tokens) == ("finished", expected_text(request))
        assert scheduler.pool.num_free == scheduler.pool.num_blocks
        assert replayed.ended == {
            request.request_id: ("finish", request.max_new_tokens) for request in sent
        }
        assert simulate(**schedule)[2].events == replayed.events
        if schedule["reserve_longest"]:
            assert not names(replayed, "preempt")
        seen.update(event["event"] for event in replayed.events)

    check()
    assert seen >= {"share", "copy", "preempt", "free"}


def test_a_prompt_enters_in_chunks_beside_decoding():
    scheduler, replayed = new_scheduler(max_tokens_per_step=6, max_running=3)
    scheduler.add(Request([1] * 3, 9))
    scheduler.add(Request([2] * 12, 2))
    steps = run(scheduler, replayed)
    computed = [[len(chunk.tokens) for chunk in step.chunks] for step in steps]
    assert computed == [[3, 3], [1, 5], [1, 4], [1, 1], *[[1]] * 5]


def test_a_new_request_joins_as_soon_as_another_ends():
    scheduler, replayed = new_scheduler(max_running=2)
    for length in (2, 5, 3):
        scheduler.add(Request([1, 2], length))
    rows = [[c.request.request_id for c in step.chunks] for step in run(scheduler, replayed)]
    assert rows == [[0, 1], [0, 1], [1, 2], [1, 2], [1, 2]]


def test_a_static_batch_waits_for_its_slowest():
    scheduler, replayed = new_scheduler(max_running=2, policy="static")
    for length in (2, 5, 3):
        scheduler.add(Request([1, 2], length))
    rows = [[c.request.request_id for c in step.chunks] for step in run(scheduler, replayed)]
    assert rows == [[0, 1], [0, 1], [1], [1], [1], [2], [2], [2]]


def test_a_static_batch_is_full_even_if_its_prompts_exceed_the_budget():
    scheduler, replayed = new_scheduler(max_running=2, policy="static", max_tokens_per_step=4)
    for _ in range(3):
        scheduler.add(Request([1, 2, 3, 4], 2))
    rows = [[c.request.request_id for c in step.chunks] for step in run(scheduler, replayed)]
    assert rows == [[0], [0, 1], [1], [1], [2], [2]]


def test_the_last_comer_gives_way_and_is_computed_again():
    scheduler, replayed = new_scheduler(num_blocks=4, block_size=2, share_prefixes=False)
    first, second = Request([1, 2, 3], 5), Request([2, 2], 3)
    scheduler.add(first)
    scheduler.add(second)
    run(scheduler, replayed)
    assert (first.num_preemptions, second.num_preemptions) == (0, 1)
    assert names(replayed, "admit", "preempt", "finish") == [
        ("admit", 0),
        ("admit", 1),
        ("preempt", 1),
        ("finish", 0),
        ("admit", 1),
        ("finish", 1),
    ]
    assert second.tokens == expected_text(second)


def test_a_request_waits_until_its_whole_prompt_finds_room():
    scheduler, replayed = new_scheduler(num_blocks=4, block_size=2, share_prefixes=False)
    scheduler.add(Request([1, 2, 3], 2))
    scheduler.add(Request([1, 2, 3, 4, 5], 2))
    scheduler.add(Request([1], 1))  # would fit, but may not overtake
    rows = [[c.request.request_id for c in step.chunks] for step in run(scheduler, replayed)]
    assert rows == [[0], [0], [1, 2], [1]]


def test_a_beginning_that_is_known_is_shared():
    scheduler, replayed = new_scheduler(block_size=4)
    scheduler.add(Request(list(range(10)), 4))
    run_step(scheduler)
    second = Request([*range(8), 5, 5, 5], 2)
    scheduler.add(second)
    step = run_step(scheduler)
    assert second.num_found == 8
    assert step.chunks[1].tokens == [5, 5, 5]
    assert second.table.block_ids[:2] == scheduler.running[0].table.block_ids[:2]
    run(scheduler, replayed)


def test_of_a_prompt_that_is_known_whole_one_token_is_computed_in_a_copy():
    scheduler, replayed = new_scheduler(block_size=4)
    scheduler.add(Request(list(range(8)), 6))
    run_step(scheduler)
    scheduler.add(Request(list(range(8)), 6))
    step = run_step(scheduler)
    assert step.chunks[1].tokens == [7]
    ((source, target),) = step.copies
    first, second = (request.table.block_ids for request in scheduler.running)
    assert (first[1], second[1], first[0]) == (source, target, second[0])
    run(scheduler, replayed)
    again = Request(list(range(8)), 6)
    scheduler.add(again)
    assert run_step(scheduler).copies == []  # nobody else holds the block any more
    assert again.num_found == 7


def test_texts_that_arrive_together_are_computed_once():
    scheduler, replayed = new_scheduler(block_size=4, num_blocks=40)
    requests = [Request([*range(12), i], 3) for i in range(4)]
    for request in requests:
        scheduler.add(request)
    steps = run(scheduler, replayed)
    assert [request.num_found for request in requests] == [0, 12, 12, 12]
    assert [len(chunk.tokens) for chunk in steps[1].chunks] == [1, 1, 1, 1]


def test_the_text_of_an_ended_request_is_found_by_the_next_turn():
    scheduler, replayed = new_scheduler(block_size=4)
    first = Request([1, 2, 0], 7)
    scheduler.add(first)
    run(scheduler, replayed)
    second = Request([*first.tokens, 2, 2], 2)
    scheduler.add(second)
    run(scheduler, replayed)
    assert second.num_found == 8  # of the 9 whose keys were computed, the full blocks


def test_without_sharing_nothing_is_found():
    scheduler, replayed = new_scheduler(share_prefixes=False)
    for _ in range(2):
        scheduler.add(Request(list(range(9)), 2))
        run(scheduler, replayed)
    assert scheduler.pool.known == {}
    assert not names(replayed, "share")


def test_the_longest_text_is_reserved_at_once():
    scheduler, replayed = new_scheduler(block_size=4, reserve_longest=True)
    scheduler.add(Request([1, 2, 3], 10))
    run_step(scheduler)
    assert len(scheduler.running[0].table.block_ids) == 3
    run(scheduler, replayed)
    (allocation,) = [event for event in replayed.events if event["event"] == "allocate"]
    assert allocation["blocks"] == [0, 1, 2]


def test_drafts_give_way_before_requests_do():
    scheduler, replayed = new_scheduler(
        num_blocks=3, block_size=4, drafter=lambda tokens, room: [9] * room, max_drafts=4
    )
    scheduler.add(Request([1, 2], 8))
    scheduler.add(Request([2, 1], 2))
    step = scheduler.schedule()
    scheduler.commit([choose(chunk) for chunk in step.chunks])
    step = scheduler.schedule()
    assert [chunk.drafts for chunk in step.chunks] == [[9] * 4, []]
    scheduler.commit([choose(chunk) for chunk in step.chunks])
    check_scheduler(scheduler, replayed)
    run(scheduler, replayed)
    assert not names(replayed, "preempt")


def test_a_wrong_draft_gives_its_block_back():
    scheduler, replayed = new_scheduler(
        block_size=4, drafter=lambda tokens, room: [9] * room, max_drafts=4
    )
    scheduler.add(Request([1, 2], 8))
    run_step(scheduler)
    step = scheduler.schedule()
    assert len(step.chunks[0].request.table.block_ids) == 2
    scheduler.commit([choose(chunk) for chunk in step.chunks])
    assert len(step.chunks[0].request.table.block_ids) == 1
    check_scheduler(scheduler, replayed)


def test_a_stop_token_ends_a_text():
    scheduler, replayed = new_scheduler()
    text = expected_text(Request([1, 2], 8))
    request = Request([1, 2], 8, frozenset([text[3]]))
    scheduler.add(request)
    run(scheduler, replayed)
    assert request.tokens == text[: text.index(text[3], 2) + 1]


def test_cancelling_frees_blocks_at_once():
    scheduler, replayed = new_scheduler(max_running=1)
    first, second = Request([1, 2], 8), Request([1, 2], 8)
    scheduler.add(first)
    scheduler.add(second)
    run_step(scheduler)
    for request in (first, second, second):
        scheduler.cancel(request)
        check_scheduler(scheduler, replayed)
    assert replayed.ended == {0: ("cancel", 1), 1: ("cancel", 0)}
    assert scheduler.schedule().chunks == []


def test_a_step_that_failed_is_computed_again():
    scheduler, replayed = new_scheduler()
    requests = [Request([1, 2], 4), Request([2, 1], 4)]
    for request in requests:
        scheduler.add(request)
    run_step(scheduler)
    scheduler.schedule()
    scheduler.abort()
    check_scheduler(scheduler, replayed)
    run(scheduler, replayed)
    assert [request.tokens for request in requests] == [expected_text(r) for r in requests]


def test_a_step_ends_before_the_next_begins():
    scheduler, _ = new_scheduler()
    request = Request([1], 2)
    with pytest.raises(RuntimeError, match=r"^commit without a step: call schedule first$"):
        scheduler.commit([])
    scheduler.add(request)
    scheduler.schedule()
    message = r"^step 1 is not over: commit or abort it first$"
    with pytest.raises(RuntimeError, match=message):
        scheduler.schedule()
    with pytest.raises(RuntimeError, match=message):
        scheduler.cancel(request)
    scheduler.commit([[5]])
    assert request.tokens == [1, 5]


@pytest.mark.parametrize("new", [[], [7, 5], [8, 8, 5], [8, 9, 9, 5]], ids=str)
def test_tokens_that_cannot_follow_the_drafts_are_refused(new):
    scheduler, _ = new_scheduler(drafter=lambda tokens, room: [8, 9][:room])
    request = Request([1], 9)
    scheduler.add(request)
    scheduler.schedule()
    scheduler.commit([[3]])
    scheduler.schedule()
    message = re.escape(f"{new} cannot follow drafts [8, 9], samples=True")
    with pytest.raises(ValueError, match=f"^{message}$"):
        scheduler.commit([new])
    scheduler.commit([[8, 2]])
    assert request.tokens == [1, 3, 8, 2]


@pytest.mark.parametrize("name", PLAIN_FILES)
def test_the_scheduler_needs_no_arrays_clocks_or_chance(name):
    source = Path(serving.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    others = {module for module in modules if module.split(".")[0] not in PLAIN_MODULES}
    assert others <= {f"tinytorch.serving.{plain}" for plain in PLAIN_FILES}


BAD_SETTINGS = {
    "budget": ({"max_tokens_per_step": 0}, "max_tokens_per_step must be an integer of at least 1"),
    "running": ({"max_running": 0}, "max_running must be an integer of at least 1, got 0"),
    "drafts": ({"max_drafts": -1}, "max_drafts must be an integer of at least 1, got -1"),
    "policy": ({"policy": "fast"}, "policy must be one of ('continuous', 'static'), got 'fast'"),
    "both": (
        {"max_running": 9, "max_tokens_per_step": 8},
        "max_running=9 exceeds max_tokens_per_step=8: each running request needs a token",
    ),
}


@pytest.mark.parametrize(("kwargs", "message"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_settings_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        new_scheduler(**kwargs)


BAD_REQUESTS = {
    "empty": (Request([], 3), "prompt_length must be an integer of at least 1, got 0"),
    "nothing new": (Request([1], 0), "max_new_tokens must be an integer of at least 1, got 0"),
    "too long": (
        Request([1] * 7, 3),
        "7 prompt tokens and 3 new ones need 3 blocks, there are 2",
    ),
}


@pytest.mark.parametrize(("request_", "message"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_requests_that_can_never_run_are_refused(request_, message):
    scheduler, replayed = new_scheduler(num_blocks=2, block_size=4)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scheduler.add(request_)
    assert (replayed.events, scheduler.num_requests, request_.status) == ([], 0, "new")


def test_a_request_is_added_once_and_cancelled_where_it_is():
    scheduler, _ = new_scheduler()
    request = Request([1], 2)
    with pytest.raises(ValueError, match=r"^the request was not added here$"):
        scheduler.cancel(request)
    scheduler.add(request)
    with pytest.raises(ValueError, match=r"^request 0 is waiting already$"):
        scheduler.add(request)
