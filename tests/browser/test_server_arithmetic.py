"""The server explorer's scheduler in a browser against Python's, event by event, to the bit."""

import json
import random
from collections import Counter
from dataclasses import asdict

import pytest

from tests.browser.server_passes import KnownTexts, mask_of
from tests.browser.single import SITE, answer_with
from tinytorch.analysis import get_model
from tinytorch.analysis.server_clock import DEVICES
from tinytorch.analysis.server_simulation import Server, ServerSimulation
from tinytorch.analysis.server_summary import percentile, summarize
from tinytorch.analysis.server_workload import server_workload
from tinytorch.serving import Step
from tinytorch.widgets import ServerExplorer
from tinytorch.widgets.server_explorer import POLICIES, WORKLOAD, server_record
from tinytorch.widgets.server_scenarios import SCENARIOS

NUM_RUNS = 300
NUM_DRAWN = 120
MODELS = ("SmolLM2-135M", "GPT-2 small", "Llama-3-8B", "Llama-3.1-405B")
RUN = """async (runs) => {
    const [{ serverWorkload }, { ServerSimulation }, { summarize }] = await Promise.all(
        ["workload", "simulation", "summary"].map((name) => import(`/server_${name}.mjs`)),
    );
    const found = runs.map(([view, server]) => {
        const arrivals = serverWorkload(view);
        const run = new ServerSimulation(arrivals, server, true).run();
        return {
            arrivals: arrivals.map((one) => [one.time, one.prompt, one.maxNewTokens]),
            events: run.events,
            passes: run.passes,
            summary: summarize(run),
            stretches: run.requests.map(({ stretches }) => stretches),
            times: run.requests.map(({ tokenTimes }) => tokenTimes),
        };
    });
    return JSON.stringify(found);
}"""


STEPS = """async (runs) => {
    const names = ["workload", "simulation", "prefixes", "mask"];
    const [{ serverWorkload }, { ServerSimulation }, { prefixRuns }, { raggedMask }] =
        await Promise.all(names.map((name) => import(`/server_${name}.mjs`)));
    const flat = (runs, before) => runs.flatMap(({ start, blocks, tokens, holders, runs }) => [
        { start, blocks, tokens, holders, before },
        ...flat(runs, blocks.at(-1)),
    ]);
    const found = runs.map(([view, server]) => {
        const simulation = new ServerSimulation(serverWorkload(view), server);
        return Array.from(simulation.steps(), ({ numNew }) => ({
            runs: flat(prefixRuns(simulation), null),
            mask: { ...raggedMask(numNew), masks: undefined },
        }));
    });
    return JSON.stringify(found);
}"""


KNOWN = {"system_length": 47, "mean_prompt": 1, "same_question": True, "timestamp_first": False}
"""Prompts that are the same and fill blocks of 1, 3, 8 and 16: the last one has to be copied."""


def random_workload(choose: random.Random) -> dict:
    workload = {
        "seed": choose.randrange(2**34),
        "num_requests": choose.randint(1, 10),
        "rate": choose.choice([10, 100, 1000]),
        "mean_prompt": choose.choice([1, 5, 30]),
        "mean_answer": choose.choice([1, 4, 12]),
        "system_length": choose.choice([0, 7, 47]),
        "long_prompt": choose.choice([0] * 9 + [200]),
        "all_at_once": choose.random() < 0.3,
        "timestamp_first": choose.random() < 0.1,
        "same_question": choose.random() < 0.3,
    }
    return workload | (KNOWN if choose.random() < 0.2 else {})


def random_settings(choose: random.Random, workload: dict) -> dict:
    """Draw settings under which a few requests fit in memory, and sometimes not all of them."""
    longest = max(len(one.prompt) + one.max_new_tokens for one in server_workload(**workload))
    places = longest * choose.uniform(0.8, 3)
    block_size = choose.choice([1, 3, 8, 8, 16, 40])
    max_running = choose.randint(1, 6)
    return {
        "num_blocks": max(int(places / block_size), 1),
        "block_size": block_size,
        "max_running": max_running,
        "max_tokens_per_step": choose.randint(max_running, choose.choice([8, 64, 300])),
        "policy": choose.choice(["continuous", "continuous", "static"]),
        "share_prefixes": choose.random() < 0.7,
        "reserve_longest": choose.random() < 0.2,
    }


def both(model: str, device: str, settings: dict) -> tuple[Server, dict]:
    """Return a server, and the record of it that JavaScript reads."""
    spec, machine = get_model(model), DEVICES[device]
    record = settings | {"model": server_record(spec), "device": asdict(machine)}
    return Server(model=spec, device=machine, **settings), record


def camel_case(record: dict) -> dict:
    def renamed(name: str) -> str:
        first, *others = name.split("_")
        return first + "".join(other.title() for other in others)

    return {renamed(name): value for name, value in record.items()}


@pytest.fixture(scope="module")
def simulate(browser):
    """Run workloads in a page with the modules."""
    page = browser.new_page()
    answer_with(page, {})
    page.goto(SITE)
    yield lambda runs: json.loads(page.evaluate(RUN, runs))
    page.close()


def assert_equal(arrivals: list, simulation: ServerSimulation, found: dict) -> None:
    given = [[one.time, list(one.prompt), one.max_new_tokens] for one in arrivals]
    assert found["arrivals"] == given
    assert found["events"] == simulation.events
    assert found["passes"] == [camel_case(asdict(one)) for one in simulation.passes]
    assert found["summary"] == summarize(simulation)
    requests = simulation.requests
    assert found["stretches"] == [[list(one) for one in each.stretches] for each in requests]
    assert found["times"] == [each.token_times for each in requests]


def test_every_event_of_random_workloads_is_the_same(simulate):
    choose = random.Random(0)
    workloads = [random_workload(choose) for _ in range(NUM_RUNS)]
    servers = [
        both(choose.choice(MODELS), choose.choice(list(DEVICES)), random_settings(choose, one))
        for one in workloads
    ]
    records = [record for _, record in servers]
    found = simulate(list(zip(workloads, records, strict=True)))
    seen, states = Counter(), Counter()
    for workload, (server, _), other in zip(workloads, servers, found, strict=True):
        arrivals = server_workload(**workload)
        simulation = ServerSimulation(arrivals, server).run()
        assert_equal(arrivals, simulation, other)
        seen.update(event["event"] for event in simulation.events)
        states.update(one[0] for each in simulation.requests for one in each.stretches)
    assert set(seen) == {
        *("arrive", "refuse", "admit", "share", "copy", "allocate", "compute", "generate"),
        *("preempt", "free", "finish"),
    }
    assert set(states) == {"queued", "prefill", "again", "decode", "preempted", "idle"}
    assert min(seen.values()) >= 10, seen
    assert min(states.values()) >= 10, states


@pytest.mark.everywhere
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_event_of_a_scenario_is_the_same(simulate, scenario):
    explorer = ServerExplorer(scenario)
    workload = {name: getattr(explorer, name) for name in WORKLOAD}
    runs = []
    for policy in POLICIES:
        server = explorer.server(policy)
        settings = {
            name: getattr(server, name)
            for name in server.__dataclass_fields__
            if name not in ("model", "device")
        }
        runs.append((workload, both(server.model.name, server.device.name, settings)[1]))
    for policy, found in zip(POLICIES, simulate(runs), strict=True):
        assert_equal(server_workload(**workload), explorer.simulation(policy), found)


def in_order(runs: list[dict]) -> list[dict]:
    return sorted(runs, key=lambda run: run["blocks"])


def test_trees_and_masks_of_random_workloads_are_those_of_python(browser):
    choose = random.Random(3)
    workloads = [random_workload(choose) for _ in range(NUM_DRAWN)]
    servers = [both("SmolLM2-135M", "NVIDIA L4", random_settings(choose, one)) for one in workloads]
    page = browser.new_page()
    answer_with(page, {})
    page.goto(SITE)
    records = [record for _, record in servers]
    found = json.loads(page.evaluate(STEPS, list(zip(workloads, records, strict=True))))
    page.close()
    seen = Counter()
    for workload, (server, _), steps in zip(workloads, servers, found, strict=True):
        simulation = ServerSimulation(server_workload(**workload), server)
        known = KnownTexts(simulation)
        for step, shown in zip(simulation.steps(), steps, strict=True):
            runs = known.runs()
            assert in_order(shown["runs"]) == in_order(runs)
            assert shown["mask"] == mask_of(step)
            seen.update(kinds(runs, step))
    assert set(seen) == {"shared", "free", "parts", "joined", "cut off", "mixed", "padded"}
    assert min(seen.values()) >= 10, seen


def kinds(runs: list[dict], step: Step) -> set[str]:
    """Name what a pass has to show."""
    behind = Counter(run["before"] for run in runs if run["before"] is not None)
    queries = [len(chunk.tokens) for chunk in step.chunks]
    found = {
        "shared": any(len(run["holders"]) > 1 for run in runs),
        "free": any(not run["holders"] for run in runs),
        "parts": max(behind.values(), default=0) > 1,
        "joined": any(len(run["blocks"]) > 1 for run in runs),
        "cut off": any(run["before"] is None and run["start"] for run in runs),
        "mixed": min(queries, default=1) == 1 < max(queries, default=1),
        "padded": len(queries) > 1,
    }
    return {name for name, is_there in found.items() if is_there}


def test_percentiles_are_equal(browser):
    page = browser.new_page()
    answer_with(page, {})
    page.goto(SITE)
    choose = random.Random(1)
    lists = [[choose.random() for _ in range(count)] for count in (0, 1, 2, 9, 10, 11, 64)]
    found = page.evaluate(
        """async (lists) => {
            const { percentile } = await import("/server_summary.mjs");
            return lists.map((one) => [0.5, 0.9, 1].map((share) => percentile(one, share)));
        }""",
        lists,
    )
    page.close()
    assert found == [[percentile(one, share) for share in (0.5, 0.9, 1)] for one in lists]
