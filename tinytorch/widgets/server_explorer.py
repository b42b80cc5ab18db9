"""Serves made-up requests pass by pass, with the scheduler of `tinytorch.serving`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import traitlets

from tinytorch.analysis import ModelSpec, get_model, table
from tinytorch.analysis.costs import decode_bytes
from tinytorch.analysis.drawings.canvas import Drawing
from tinytorch.analysis.drawings.server_timeline import server_timelines
from tinytorch.analysis.server_clock import DEVICES
from tinytorch.analysis.server_simulation import Server, ServerSimulation
from tinytorch.analysis.server_summary import summarize
from tinytorch.analysis.server_workload import server_workload
from tinytorch.widgets.base import ChapterWidget, IntRange
from tinytorch.widgets.operation_explorer import COUNTABLE, countable_model
from tinytorch.widgets.records import Record, model_record
from tinytorch.widgets.server_scenarios import SCENARIOS

POLICIES = ("one by one", "static", "continuous")
WORKLOAD = (
    "seed",
    "num_requests",
    "rate",
    "mean_prompt",
    "mean_answer",
    "system_length",
    "long_prompt",
    "all_at_once",
    "timestamp_first",
    "same_question",
)
"""Traits that are arguments of `server_workload`."""

SETTINGS = (
    "policy",
    "model",
    "device",
    *WORKLOAD,
    "cache_tokens",
    "block_size",
    "max_running",
    "max_tokens_per_step",
    "share_prefixes",
    "reserve_longest",
)
MOST_BLOCKS = 2048
"""A pool has no more, so that each can be drawn."""

FIRST = "short beside long"


def server_record(spec: ModelSpec) -> Record:
    """Describe a model by what a pass over several texts costs, see `pass_cost`."""
    bytes_read = {"bits_per_weight": 8, "bits_per_element": 8}
    read, with_row = (decode_bytes(spec, 0, batch_size=n, **bytes_read) for n in (0, 1))
    return model_record(spec) | {"read_elements": read, "row_elements": with_row - read}


@dataclass(frozen=True)
class DrawnServer:
    """Numbers and time lines for paper, and for readers without JavaScript."""

    numbers: str
    drawing: Drawing

    def _repr_html_(self) -> str:
        return f'<div class="tt-drawn">{self.numbers}</div>{self.drawing._repr_html_()}'


class ServerExplorer(ChapterWidget):
    """Shows how a server spends its passes and its blocks on requests that come one by one.

    The scheduler and the pool of blocks are those of `tinytorch.serving`. A pass takes as long as
    its bytes or its operations do on the device, whichever is longer, see
    `tinytorch.analysis.server_clock.pass_cost`. There is no model: texts are made up.

    Parameters
    ----------
    scenario : str
        A name of `tinytorch.widgets.server_scenarios.SCENARIOS`: it gives the number to beat, and
        the first value of all traits below.
    policy : {"one by one", "static", "continuous"}
        How requests are batched. One by one is a batch of 1.
    model : str
        A name of `tinytorch.analysis.MODEL_ZOO` whose operations are counted (no windows, experts
        or latent vectors). Weights and cache have 16 bits.
    device : str
        A name of `tinytorch.analysis.server_clock.DEVICES`.
    seed : int
    num_requests : int
        From 1 to 64.
    rate : int
        Requests that arrive in a second, in the mean: from 1 to 1,000.
    mean_prompt, mean_answer : int
        Mean tokens of a prompt, from 1 to 1,024, and of an answer, from 1 to 256; lengths are
        exponential, up to 8 times the mean.
    system_length, long_prompt, all_at_once, timestamp_first, same_question
        As for `tinytorch.analysis.server_workload.server_workload`.
    cache_tokens : int
        Tokens for which the pool has memory, from 16 to 16,384: the blocks are as many as fit in,
        and at most 2,048.
    block_size : int
        Tokens in a block, from 1 to 256.
    max_running : int
        Requests side by side, from 1 to 64.
    max_tokens_per_step : int
        Tokens that a pass computes at most, from 1 to 16,384, and never fewer than `max_running`:
        longer prompts are read in chunks.
    share_prefixes, reserve_longest : bool
        As for `tinytorch.serving.Scheduler`.
    step : int
        The pass that is shown, from 0; the last one if there are fewer.
    selected : int
        The request whose blocks are marked, from 0; -1 for none.

    Raises
    ------
    traitlets.TraitError
        If a value is out of range, or there is no such scenario, model or device.
    """

    module = "server_explorer"
    data_traits = ("models", "devices", "scenarios")
    view_traits = ("scenario", *SETTINGS, "step", "selected")

    models = traitlets.List([server_record(spec) for spec in COUNTABLE], read_only=True).tag(
        sync=True
    )
    devices = traitlets.List([asdict(device) for device in DEVICES.values()], read_only=True).tag(
        sync=True
    )
    scenarios = traitlets.Dict(SCENARIOS, read_only=True).tag(sync=True)
    scenario = traitlets.Enum(list(SCENARIOS), FIRST).tag(sync=True)
    policy = traitlets.Enum(POLICIES, "continuous").tag(sync=True)
    model = traitlets.Unicode("Llama-3-8B").tag(sync=True)
    device = traitlets.Enum(list(DEVICES), "NVIDIA A100 80GB SXM").tag(sync=True)
    seed = IntRange(0, 9999, default=2).tag(sync=True)
    num_requests = IntRange(1, 64, default=16).tag(sync=True)
    rate = IntRange(1, 1000, default=50).tag(sync=True)
    mean_prompt = IntRange(1, 1024, default=64).tag(sync=True)
    mean_answer = IntRange(1, 256, default=48).tag(sync=True)
    system_length = IntRange(0, 4096, default=0).tag(sync=True)
    long_prompt = IntRange(0, 8192, default=0).tag(sync=True)
    all_at_once = traitlets.Bool(False).tag(sync=True)
    timestamp_first = traitlets.Bool(False).tag(sync=True)
    same_question = traitlets.Bool(False).tag(sync=True)
    cache_tokens = IntRange(16, 16_384, default=2048).tag(sync=True)
    block_size = IntRange(1, 256, default=16).tag(sync=True)
    max_running = IntRange(1, 64, default=8).tag(sync=True)
    max_tokens_per_step = IntRange(1, 16_384, default=512).tag(sync=True)
    share_prefixes = traitlets.Bool(True).tag(sync=True)
    reserve_longest = traitlets.Bool(False).tag(sync=True)
    step = IntRange(0, 1_000_000, default=60).tag(sync=True)
    selected = IntRange(-1, 63, default=-1).tag(sync=True)

    def __init__(self, scenario: str = FIRST, **values):
        first = SCENARIOS.get(scenario, {"values": {}})["values"]
        super().__init__(**{"scenario": scenario, **first, **values})

    @traitlets.validate("model")
    def _check_model(self, proposal):
        return countable_model(proposal["value"])

    def server(self, policy: str | None = None) -> Server:
        """Return the server that the traits describe.

        Parameters
        ----------
        policy : str, optional
            One of the policies, instead of the chosen one.
        """
        policy = policy or self.policy
        one_by_one = policy == "one by one"
        return Server(
            model=get_model(self.model),
            device=DEVICES[self.device],
            num_blocks=min(max(self.cache_tokens // self.block_size, 1), MOST_BLOCKS),
            block_size=self.block_size,
            max_running=1 if one_by_one else self.max_running,
            max_tokens_per_step=max(self.max_tokens_per_step, self.max_running),
            policy="continuous" if one_by_one else policy,
            share_prefixes=self.share_prefixes,
            reserve_longest=self.reserve_longest,
        )

    def simulation(self, policy: str | None = None) -> ServerSimulation:
        """Serve the requests to their end.

        Parameters
        ----------
        policy : str, optional
            One of the policies, instead of the chosen one.

        Returns
        -------
        ServerSimulation
            See `tinytorch.analysis.server_summary.summarize` for its numbers.
        """
        arrivals = server_workload(**{name: getattr(self, name) for name in WORKLOAD})
        return ServerSimulation(arrivals, self.server(policy)).run()

    def fallback(self) -> DrawnServer:
        """Write the numbers of all policies and draw time lines; see `ChapterWidget.fallback`."""
        words = self.words
        runs = {policy: self.simulation(policy) for policy in POLICIES}
        rows = []
        for policy, run in runs.items():
            numbers = summarize(run)
            first = numbers["ttft_p50"]
            texts = (
                words.phrase(f"server.policies.{policy}"),
                words.number(round(numbers["tokens_per_second"])),
                "" if first is None else words.number(1e3 * first, ",.1f"),
                words.number(100 * numbers["idle_rows"], ",.1f"),
            )
            rows.append(dict(zip(words.table("server.drawn_columns"), texts, strict=True)))
        chosen = "static" if self.policy == "continuous" else self.policy
        drawn = {policy: runs[policy] for policy in (chosen, "continuous")}
        return DrawnServer(table(rows), server_timelines(drawn))
