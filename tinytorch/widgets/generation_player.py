"""Plays recorded runs of a model, token by token, without a cache and with one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Self

import traitlets
from numpy.typing import ArrayLike
from traitlets import TraitError

from tinytorch.analysis import plots
from tinytorch.analysis.chart import Chart
from tinytorch.core import GPT
from tinytorch.models import ChatTokenizer
from tinytorch.widgets.base import ChapterWidget, IntRange
from tinytorch.widgets.records import Record, check_run, record_run


@dataclass(frozen=True)
class DrawnRun:
    """A run for paper, and for readers without JavaScript: its lanes, its sums, its curves."""

    run: Record
    chart: Chart

    def _repr_html_(self) -> str:
        lanes = self.lane("Without a cache", "again") + self.lane("With a cache", "kept")
        return (
            f'<div class="tt-player tt-drawn"><p>The last step of {escape(self.summary())}</p>'
            f'<div class="tt-lanes">{lanes}</div></div>{self.chart._repr_html_()}'
        )

    def lane(self, title: str, state: str) -> str:
        """Write the text as the last step sees it: what is computed again or kept, what is new."""
        read = [*self.run["prompt_tokens"], *self.run["text"][:-1]]
        newest = 0 if len(self.run["text"]) == 1 else len(read) - 1
        texts = {state: read[:newest], "now": read[newest:], "written": self.run["text"][-1:]}
        spans = "".join(
            f'<span class="tt-{name}">{escape(one_line("".join(tokens)))}</span>'
            for name, tokens in texts.items()
            if tokens
        )
        meaning = {"again": "computed again", "kept": "kept, not computed"}[state]
        note = f"{newest:,} tokens {meaning}, {len(read) - newest:,} computed now"
        head = f'<div class="tt-head"><strong>{title}</strong><span>{note}</span></div>'
        return f'<div class="tt-lane">{head}<p class="tt-tokens">{spans}</p></div>'

    def summary(self) -> str:
        """Say what the cache saved, and what it takes."""
        work, time = (saving(self.run, of) for of in ("operations", "ms"))
        saved = f"{work:.1f} times less work" + (f", {time:.1f} times less time" if time else "")
        mib = self.run["cache_bytes"][-1] / 2**20
        new, prompt = len(self.run["text"]), len(self.run["prompt_tokens"])
        return (
            f"{new} tokens after a prompt of {prompt}: with a cache {saved}, "
            f"for {mib:.2g} MiB of keys and values."
        )


def saving(run: Record, of: str) -> float | None:
    """How many times less work or time a recorded run took with a cache than without.

    Parameters
    ----------
    run : dict
        As `record_run` returns it.
    of : {"operations", "ms"}

    Returns
    -------
    float or None
        None if the run was not timed without a cache.
    """
    with_cache = {"operations": "operations_with_cache", "ms": "ms"}[of]
    without = run.get(f"{of}_without_cache")
    return sum(without) / sum(run[with_cache]) if without else None


class GenerationPlayer(ChapterWidget):
    """Shows the text, the cache and the work of a run, step by step.

    Parameters
    ----------
    trace : dict or list of dict
        A run, or several to choose from, as `record_run` records them: the texts of the prompt's
        tokens, and a list for each thing that `tinytorch.analysis.trace_generation` notes.
    recording : int
        Which of the runs is shown, from 0.
    step : int
        The step shown, from 0 (the prefill).
    speed : int
        Tokens a second while it plays, from 1 to 50.
    real_speed : bool
        Whether both ways of generating play at the speed that was measured, if it was.
    cumulative : bool
        Whether the curves add up the steps.
    log_scale : bool
        Whether the work is drawn on a logarithmic axis.
    autoplay : bool
        Whether it plays once, when it is first seen; never for readers who want less motion.

    Raises
    ------
    traitlets.TraitError
        If a value is out of range, or the trace is not a run.
    """

    module = "generation_player"
    data_traits = ("recordings", "autoplay")
    view_traits = ("recording", "step", "speed", "real_speed", "cumulative", "log_scale")

    recordings = traitlets.List().tag(sync=True)
    autoplay = traitlets.Bool(False).tag(sync=True)
    recording = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    speed = IntRange(1, 50, default=10).tag(sync=True)
    real_speed = traitlets.Bool(False).tag(sync=True)
    cumulative = traitlets.Bool(True).tag(sync=True)
    log_scale = traitlets.Bool(False).tag(sync=True)

    def __init__(self, trace: Record | list[Record], **values):
        super().__init__(recordings=listed(trace), **values)

    @classmethod
    def from_prompt(
        cls,
        model: GPT,
        tokenizer: ChatTokenizer,
        prompt: str | ArrayLike,
        max_new_tokens: int = 60,
        *,
        time_without_cache: bool = False,
        **values,
    ) -> Self:
        """Record a run on a prompt of your own.

        Parameters
        ----------
        model, tokenizer, prompt, max_new_tokens, time_without_cache
            As in `record_run`.
        **values
            Traits of the player.

        Returns
        -------
        GenerationPlayer
        """
        options = {"time_without_cache": time_without_cache}
        return cls(record_run(model, tokenizer, prompt, max_new_tokens, **options), **values)

    @property
    def trace(self) -> Record:
        """The run that is shown. Setting it replaces all runs."""
        return self.recordings[self.recording]

    @trace.setter
    def trace(self, trace: Record | list[Record]) -> None:
        self.recordings = listed(trace)

    @property
    def last_step(self) -> int:
        """The number of the shown run's last step."""
        return len(self.trace["text"]) - 1

    @traitlets.validate("recordings")
    def _check_recordings(self, proposal):
        if problem := problem_of(proposal["value"]):
            raise TraitError(f"trace: {problem}")
        return proposal["value"]

    @traitlets.validate("recording")
    def _check_recording(self, proposal):
        if problem_of(self.recordings):  # traits are checked in any order: the trace is refused
            return proposal["value"]
        last = len(self.recordings) - 1
        if not 0 <= proposal["value"] <= last:
            raise TraitError(f"recording must be from 0 to {last}, got {proposal['value']}")
        return proposal["value"]

    @traitlets.validate("step")
    def _check_step(self, proposal):
        if problem_of(self.recordings) or not 0 <= self.recording < len(self.recordings):
            return proposal["value"]  # what is wrong with those is told
        if not 0 <= proposal["value"] <= self.last_step:
            raise TraitError(
                f"step must be from 0 to {self.last_step}, the last step of the trace, "
                f"got {proposal['value']}"
            )
        return proposal["value"]

    @traitlets.observe("recordings")
    def _show_the_start(self, change):
        if change.old:
            self.recording = self.step = 0
            self.set_trait("first_view", self.first_view | {"recording": 0, "step": 0})

    @traitlets.observe("recording")
    def _stay_within_the_run(self, change):
        self.step = min(self.step, self.last_step)

    def fallback(self) -> DrawnRun:
        """Show the whole of the run; see `ChapterWidget.fallback`."""
        run = self.trace
        take = accumulate if self.cumulative else list
        lines = {
            "without a cache": list(take(run["operations_without_cache"])),
            "with a cache": list(take(run["operations_with_cache"])),
        }
        scale, word = plots.unit(lines["without a cache"][-1])
        chart = plots.curves(
            {name: (run["seq_pos"], [y / scale for y in ys]) for name, ys in lines.items()},
            x_label="tokens in the text",
            y_label=f"{word}multiply-adds, {'added up' if self.cumulative else 'this step'}",
            y_log=self.log_scale,
            states=("again", "kept"),
            alt=f"The work of generating {len(run['text'])} tokens: without a cache it grows much "
            f"faster than with one.",
        )
        return DrawnRun(run, chart)


def problem_of(runs: list[Record]) -> str:
    """Say what is wrong with the runs of a player, if anything."""
    if not runs:
        return "a player needs at least one run"
    try:
        for run in runs:
            check_run(run)
    except ValueError as error:
        return str(error)
    return ""


def one_line(text: str) -> str:
    """Put spaces where a text has new lines."""
    return re.sub("\n+", " ", text)


def listed(trace: Record | list[Record]) -> list[Record]:
    """Take one run for a list of one."""
    return trace if isinstance(trace, list) else [trace]
