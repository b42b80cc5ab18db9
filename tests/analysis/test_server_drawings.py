"""The time lines on paper hold the stretches and numbers of their runs."""

import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis import get_model
from tinytorch.analysis.drawings.server_timeline import FILLS, server_timelines
from tinytorch.analysis.server_clock import DEVICES
from tinytorch.analysis.server_simulation import Server, ServerSimulation
from tinytorch.analysis.server_summary import summarize
from tinytorch.analysis.server_workload import server_workload


def run(policy):
    server = Server(
        model=get_model("Llama-3-8B"),
        device=DEVICES["NVIDIA L4"],
        num_blocks=10,
        max_running=4,
        policy=policy,
    )
    sizes = {"rate": 50, "mean_prompt": 20, "mean_answer": 20}
    return ServerSimulation(server_workload(4, 9, **sizes), server).run()


def test_time_lines_have_a_box_for_each_stretch_and_a_line_for_each_wait():
    runs = {policy: run(policy) for policy in ("static", "continuous")}
    drawing = server_timelines(runs)
    stretches = [one for each in runs.values() for r in each.requests for one in r.stretches]
    boxes = [FILLS[state] for state, *_ in stretches if state in FILLS]
    assert {"now", "kept", "again", "free"} == set(boxes)
    assert fills(drawing) == [*boxes, "now", "kept", "again", "free"]  # and the legend
    waits = [state for state, *_ in stretches if state not in FILLS]
    assert len(elements(drawing, "polyline")) == len(waits)
    for policy, each in runs.items():
        rate = summarize(each)["tokens_per_second"]
        assert f"{policy}: {rate:,.0f} tokens/s" in texts(drawing)
        assert f"{policy}: {rate:,.0f} tokens a second" in drawing.alt


def test_a_box_is_as_wide_as_its_time():
    simulation = run("continuous")
    drawing = server_timelines({"continuous": simulation})
    first = [one for one in simulation.requests[0].stretches if one[0] in FILLS]
    boxes = elements(drawing, "rect")[: len(first)]
    widths = [float(box.get("width")) for box in boxes]
    times = [end - start for _, start, end in first]
    assert [w / max(widths) for w in widths] == pytest.approx(
        [t / max(times) for t in times], rel=0.01
    )
