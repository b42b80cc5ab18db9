"""Plays recorded runs of a model, token by token, without a cache and with one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Literal, Self

import traitlets
from numpy.typing import ArrayLike
from traitlets import TraitError

from tinytorch.analysis import plots
from tinytorch.analysis.chart import Chart
from tinytorch.core import GPT
from tinytorch.models import ChatTokenizer
from tinytorch.widgets.base import ChapterWidget, IntRange
from tinytorch.widgets.language import Language
from tinytorch.widgets.records import Record, check_run, record_run


@dataclass(frozen=True)
class DrawnRun:
    """A run for paper, and for readers without JavaScript: its lanes, its sums, its curves."""

    run: Record
    chart: Chart
    words: Language

    def _repr_html_(self) -> str:
        lanes = self.lane("common.lanes.without", "again") + self.lane("common.lanes.with", "kept")
        return (
            f'<div class="tt-player tt-drawn"><p>{escape(self.summary())}</p>'
            f'<div class="tt-lanes">{lanes}</div></div>{self.chart._repr_html_()}'
        )

    def lane(self, title: str, state: Literal["again", "kept"]) -> str:
        """Write the text as the last step sees it: what is computed again or kept, what is new."""
        read = [*self.run["prompt_tokens"], *self.run["text"][:-1]]
        newest = 0 if len(self.run["text"]) == 1 else len(read) - 1
        texts = {state: read[:newest], "now": read[newest:], "written": self.run["text"][-1:]}
        spans = "".join(
            f'<span class="tt-{name}">{escape(one_line("".join(tokens)))}</span>'
            for name, tokens in texts.items()
            if tokens
        )
        keys = {"again": "player.drawn_again", "kept": "player.drawn_kept"}
        past, now = (self.words.number(count) for count in (newest, len(read) - newest))
        note = self.words.phrase(keys[state], past=past, now=now)
        name = self.words.phrase(title)
        head = f'<div class="tt-head"><strong>{name}</strong><span>{note}</span></div>'
        return f'<div class="tt-lane">{head}<p class="tt-tokens">{spans}</p></div>'

    def summary(self) -> str:
        """Say what the cache saved, and what it takes."""
        time = saving(self.run, "ms")
        values = {
            "new": len(self.run["text"]),
            "prompt": len(self.run["prompt_tokens"]),
            "work": self.words.number(saving(self.run, "operations"), ".1f"),
            "mib": self.words.number(self.run["cache_bytes"][-1] / 2**20, ".2g"),
        }
        if time is None:
            return self.words.phrase("player.drawn", **values)
        return self.words.phrase(
            "player.drawn_timed", time=self.words.number(time, ".1f"), **values
        )


@dataclass(frozen=True)
class Savings:
    """What a cache saved in a run, in three large numbers."""

    work: float
    time: float
    mib: float
    tokens: int
    words: Language

    def _repr_html_(self) -> str:
        number, phrase = self.words.number, self.words.phrase
        times, mib = "numbers.times", "numbers.bytes.MiB"
        shown = [
            phrase(times, n=number(self.work, ".1f")),
            phrase(times, n=number(self.time, ".1f")),
            phrase(mib, n=number(self.mib, ".1f")),
        ]
        texts = self.words.table("player.savings")
        items = "".join(
            f"<li><strong>{value}</strong> {text}</li>"
            for value, text in zip(shown, texts, strict=True)
        )
        values = {name: value for name, value in vars(self).items() if name != "words"}
        data = escape(json.dumps(values))
        caption = phrase("player.savings_of", tokens=number(self.tokens))
        return (
            f'<ul class="tt-numbers" data-savings="{data}">{items}</ul>'
            f'<p class="tt-caption">{caption}</p>'
        )


def savings(run: Record) -> Savings:
    """Say what a cache saved in a whole run, which was timed without one too, and what it took.

    Parameters
    ----------
    run : dict
        As `record_run` returns it.

    Returns
    -------
    Savings
        A notebook shows it as HTML, in the language of figures.
    """
    return Savings(
        work=saving(run, "operations"),
        time=saving(run, "ms"),
        mib=run["cache_bytes"][-1] / 2**20,
        tokens=len(run["text"]),
        words=Language(ChapterWidget.language),
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
        columns = ("operations_without_cache", "operations_with_cache")
        works = [list(take(run[column])) for column in columns]
        scale, unit = self.words.unit(works[0][-1], "common.multiply_adds")
        lines = [(run["seq_pos"], [y / scale for y in ys]) for ys in works]
        y_label = "player.drawn_y_total" if self.cumulative else "player.y"
        chart = plots.curves(
            dict(zip(self.words.table("common.ways"), lines, strict=True)),
            x_label=self.words.phrase("common.tokens_in_the_text"),
            y_label=self.words.phrase(y_label, unit=unit),
            y_log=self.log_scale,
            states=("again", "kept"),
            alt=self.words.phrase("player.drawn_alt", tokens=len(run["text"])),
            signs=self.words.signs,
        )
        return DrawnRun(run, chart, self.words)


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
