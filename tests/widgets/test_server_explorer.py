"""The server explorer's settings, scenarios and drawing."""

import re

import pytest
from traitlets import TraitError

from tinytorch.analysis.server_summary import summarize
from tinytorch.widgets import ServerExplorer
from tinytorch.widgets.server_explorer import FIRST, POLICIES, SETTINGS
from tinytorch.widgets.server_scenarios import BASE, SCENARIOS


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("policy", "dynamic", "one by one.*static.*continuous"),
        ("model", "Mixtral-8x7B", "no operation count for Mixtral-8x7B"),
        ("model", "Lama-3-8B", "close matches: Llama-3-8B"),
        ("device", "NVIDIA T4", "NVIDIA A100 80GB SXM"),
        ("num_requests", 65, "num_requests must be from 1 to 64, got 65"),
        ("rate", 0, "rate must be from 1 to 1,000, got 0"),
        ("block_size", 257, "block_size must be from 1 to 256"),
        ("cache_tokens", 15, "cache_tokens must be from 16 to 16,384"),
        ("selected", -2, "selected must be from -1 to 63"),
        ("scenario", "rush hour", "short beside long"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(name, value, expected):
    explorer = ServerExplorer()
    before = getattr(explorer, name)
    with pytest.raises(TraitError, match=expected):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    with pytest.raises(TraitError, match=expected):
        ServerExplorer(**{name: value})


def test_a_scenario_gives_the_first_values_and_arguments_come_before_them():
    explorer = ServerExplorer("pool too small", rate=7)
    values = SCENARIOS["pool too small"]["values"]
    assert {name: getattr(explorer, name) for name in values} == values | {"rate": 7}
    assert explorer.first_view["rate"] == 7
    assert ServerExplorer().scenario == FIRST


def test_scenarios_set_everything_but_the_request():
    assert set(BASE) == {*SETTINGS, "step"}
    for scenario in SCENARIOS.values():
        assert set(scenario["values"]) == set(BASE)


def test_the_server_is_the_one_described():
    explorer = ServerExplorer(cache_tokens=100, block_size=16, max_running=20)
    explorer.max_tokens_per_step = 3
    server = explorer.server()
    assert (server.num_blocks, server.max_tokens_per_step, server.policy) == (6, 20, "static")
    alone = explorer.server("one by one")
    assert (alone.max_running, alone.policy) == (1, "continuous")
    explorer.cache_tokens, explorer.block_size = 16, 200
    assert explorer.server().num_blocks == 1


BETTER = {
    "short beside long": ({"policy": "continuous"}, 2.0),
    "one 4,000-token prompt": ({"max_tokens_per_step": 256}, 10.0),
    "same system prompt": ({"share_prefixes": True}, 4.0),
    "timestamp first": ({"timestamp_first": False}, None),
    "pool too small": ({"cache_tokens": 1024}, None),
}
"""What beats a scenario's number, and by which factor at least; None where one of them is 0."""


@pytest.mark.parametrize("name", BETTER)
def test_a_scenario_can_be_beaten_by_what_it_is_about(name):
    changes, factor = BETTER[name]
    metric = SCENARIOS[name]["metric"]
    before, after = (
        summarize(ServerExplorer(name, **values).simulation())[metric] for values in ({}, changes)
    )
    more = metric in ("tokens_per_second", "found_prefix")
    assert (after > before) == more
    if factor:
        assert max(before, after) / min(before, after) >= factor


@pytest.mark.parametrize("block_size", [4, 8, 16, 32, 64, 128])
def test_of_a_known_prompt_one_token_is_computed_again(block_size):
    explorer = ServerExplorer("fully cached prompt", block_size=block_size)
    assert summarize(explorer.simulation())["prompt_computed"] == 128 + 15 * 1
    explorer.block_size = 24
    assert summarize(explorer.simulation())["prompt_computed"] == 128 + 15 * (128 - 5 * 24)


def test_a_pass_of_each_scenario_shows_what_it_is_about():
    def events(name):
        explorer = ServerExplorer(name)
        step = explorer.step + 1
        return [one for one in explorer.simulation().events if one["step"] == step]

    computed = [one for one in events("one 4,000-token prompt") if one["event"] == "compute"]
    assert 4000 in [one["tokens"] for one in computed]
    assert "copy" in [one["event"] for one in events("fully cached prompt")]
    assert "share" in [one["event"] for one in events("pool too small")]


def test_its_drawing_has_the_numbers_of_all_policies():
    explorer = ServerExplorer()
    html = explorer.fallback()._repr_html_()
    for policy in POLICIES:
        rate = round(summarize(explorer.simulation(policy))["tokens_per_second"])
        row = re.search(rf"<tr><td>{policy} *</td>.*?</tr>", html)[0]
        assert re.search(rf"> *{rate:,}</td>", row)
    assert re.search(r'role="img" aria-label="Time lines of 20 requests', html)
    assert html.endswith("</svg></div>")
