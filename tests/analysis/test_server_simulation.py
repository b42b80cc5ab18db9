"""A simulated server: its time adds up, and each request's story has no gap."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.checks import ReplayedEvents
from tinytorch.analysis import decode_bytes, forward_operations, get_model
from tinytorch.analysis.server_clock import DEVICES
from tinytorch.analysis.server_simulation import Server, ServerSimulation
from tinytorch.analysis.server_summary import percentile, summarize
from tinytorch.analysis.server_workload import server_workload
from tinytorch.serving import Arrival

MODEL, DEVICE = get_model("SmolLM2-135M"), DEVICES["NVIDIA L4"]
WAITING = ("queued", "preempted")


def new_server(**changes):
    return Server(**{"model": MODEL, "device": DEVICE, "num_blocks": 40} | changes)


def decode_seconds(length):
    """How long a pass over one text takes that has `length` tokens when it ends."""
    read = decode_bytes(MODEL, length, bits_per_weight=16, bits_per_element=16)
    operations = 2 * sum(forward_operations(MODEL, 1, length).values())
    return max(read / DEVICE.bytes_per_second, operations / DEVICE.operations_per_second)


def test_a_request_alone_takes_a_prefill_and_a_pass_for_each_token_more():
    simulation = ServerSimulation([Arrival(0.25, tuple(range(20)), 5)], new_server()).run()
    (request,) = simulation.requests
    assert len(simulation.passes) == 5
    first, *others = simulation.passes
    assert first.num_tokens == 20
    assert request.time_to_first_token == pytest.approx(first.end - 0.25)
    assert [one.end - one.start for one in others] == pytest.approx(
        [decode_seconds(length) for length in range(21, 25)]
    )
    assert request.token_times == [one.end for one in simulation.passes]
    assert [state for state, *_ in request.stretches] == ["prefill", "decode"]
    assert (first.num_held, first.num_filled) == (32, 20)


@st.composite
def runs(draw):
    workload = server_workload(
        draw(st.integers(0, 999)),
        draw(st.integers(1, 8)),
        rate=draw(st.sampled_from([5, 100, 5000])),
        mean_prompt=draw(st.sampled_from([1, 8, 40])),
        mean_answer=draw(st.sampled_from([1, 4, 12])),
        system_length=draw(st.sampled_from([0, 0, 9, 32])),
        long_prompt=draw(st.sampled_from([0, 0, 150])),
        all_at_once=draw(st.booleans()),
        timestamp_first=draw(st.booleans()),
        same_question=draw(st.booleans()),
    )
    block_size = draw(st.integers(1, 20))
    max_running = draw(st.integers(1, 5))
    server = new_server(
        block_size=block_size,
        num_blocks=max(draw(st.integers(40, 400)) // block_size, 1),
        max_running=max_running,
        max_tokens_per_step=draw(st.integers(max_running, 200)),
        policy=draw(st.sampled_from(["continuous", "static"])),
        share_prefixes=draw(st.booleans()),
        reserve_longest=draw(st.booleans()),
    )
    return ServerSimulation(workload, server).run()


@settings(max_examples=250)
@given(runs())
def test_time_and_memory_add_up_and_no_request_is_lost(simulation):
    server, passes = simulation.server, simulation.passes
    places = server.num_blocks * server.block_size
    arrivals = {request.arrived_at for request in simulation.requests}
    for before, after in itertools.pairwise(passes):
        assert after.start == before.end or (after.start > before.end and after.start in arrivals)
    for one in passes:
        assert one.end > one.start
        assert 1 <= one.num_tokens <= server.max_tokens_per_step
        assert one.num_filled <= one.num_held
        assert one.num_held + one.num_cached <= places
    for request in simulation.requests:
        assert request.status == ("new" if request.refused else "finished")
        assert len(request.token_times) == (0 if request.refused else request.max_new_tokens)
        assert_story(request)
    again = sum(request.num_again for request in simulation.requests)
    computed = sum(one.num_tokens for one in passes)
    if not server.share_prefixes:
        whole = sum(one.max_cached for one in simulation.requests if not one.refused)
        assert computed == whole + again
    replay(simulation)


def assert_story(request):
    """Stretches lie end to end from arrival on, and tokens come out where it computes."""
    ends = [request.arrived_at]
    for state, start, end in request.stretches:
        assert end > start == ends[-1]
        if state == "idle":
            assert start >= request.token_times[-1]
        elif state in WAITING:
            assert not [time for time in request.token_times if start < time <= end]
        ends.append(end)
    again = [state for state, *_ in request.stretches if state == "again"]
    assert bool(again) == bool(request.num_again)
    assert request.num_preemptions or not again


def replay(simulation):
    """The events are a scheduler's, in the order of time."""
    known = [event for event in simulation.events if event["event"] != "refuse"]
    refused = len(simulation.events) - len(known)
    assert refused == sum(request.refused for request in simulation.requests)
    times = [event["time"] for event in simulation.events]
    assert times == sorted(times)
    replayed = ReplayedEvents()
    for event in known:
        replayed(event)
    assert replayed.waiting == replayed.running == []
    assert len(replayed.ended) == len(simulation.requests) - refused


def test_static_batches_leave_places_empty_and_continuous_ones_do_not():
    workload = server_workload(2, 12, rate=9, mean_prompt=20, mean_answer=20, all_at_once=True)
    idle = {}
    for policy in ("static", "continuous"):
        simulation = ServerSimulation(workload, new_server(policy=policy, max_running=4)).run()
        stretches = [one for request in simulation.requests for one in request.stretches]
        idle[policy] = sum(end - start for state, start, end in stretches if state == "idle")
        drawn = sum(one.num_idle * (one.end - one.start) for one in simulation.passes)
        assert idle[policy] == pytest.approx(drawn)
    assert idle["static"] > 0 == idle["continuous"]


def test_a_request_that_could_never_run_is_refused_and_others_go_on():
    arrivals = [Arrival(0.0, (1, 2, 3), 4), Arrival(0.1, tuple(range(700)), 4)]
    simulation = ServerSimulation([*arrivals, Arrival(0.2, (7,), 2)], new_server()).run()
    assert [request.refused for request in simulation.requests] == [False, True, False]
    numbers = summarize(simulation)
    assert (numbers["num_refused"], numbers["num_passes"]) == (1, 6)
    assert simulation.requests[2].token_times


def test_the_numbers_are_those_of_the_requests():
    workload = server_workload(5, 10, rate=400, mean_prompt=30, mean_answer=9)
    simulation = ServerSimulation(workload, new_server(max_running=3)).run()
    numbers = summarize(simulation)
    first = sorted(request.token_times[0] - request.arrived_at for request in simulation.requests)
    assert numbers["ttft_p50"] == first[4]
    assert numbers["ttft_p90"] == first[8]
    written = sum(arrival.max_new_tokens for arrival in workload)
    took = simulation.passes[-1].end - workload[0].time
    assert numbers["tokens_per_second"] == pytest.approx(written / took)
    gaps = [
        later - earlier
        for request in simulation.requests
        for earlier, later in itertools.pairwise(request.token_times)
    ]
    assert numbers["longest_gap"] == max(gaps)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 2), (0.75, 3), (0.76, 4), (1.0, 4), (0.01, 1)]
)
def test_a_percentile_is_one_of_the_values(share, expected):
    assert percentile([3, 1, 4, 2], share) == expected
    assert percentile([], share) is None
