"""Plays a recorded run of a model, token by token."""

from __future__ import annotations

from itertools import accumulate
from typing import Self

import traitlets
from numpy.typing import ArrayLike
from traitlets import TraitError

from tinytorch.analysis import plots, trace_generation
from tinytorch.analysis.chart import Chart
from tinytorch.core import GPT
from tinytorch.models import ChatTokenizer
from tinytorch.widgets.base import ChapterWidget, IntRange
from tinytorch.widgets.records import check_run, run_record


class GenerationPlayer(ChapterWidget):
    """Shows the text, the cache and the work of a run, step by step.

    Parameters
    ----------
    trace : dict
        A run, as `from_prompt` records it: the prompt, and a list for each thing that
        `tinytorch.analysis.trace_generation` notes.
    step : int
        The step shown, from 0 (the prefill). Default: the last.
    speed : int
        Tokens a second while it plays, from 1 to 50.
    cumulative : bool
        Whether the curves add up the steps.
    log_scale : bool
        Whether the work is drawn on a logarithmic axis.

    Raises
    ------
    traitlets.TraitError
        If a value is out of range, or the trace is not a run.
    """

    module = "generation_player"
    data_traits = ("trace",)
    view_traits = ("step", "speed", "cumulative", "log_scale")

    trace = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    speed = IntRange(1, 50, default=10).tag(sync=True)
    cumulative = traitlets.Bool(True).tag(sync=True)
    log_scale = traitlets.Bool(False).tag(sync=True)

    def __init__(self, trace: dict, **values):
        last = len(trace["text"]) - 1 if isinstance(trace, dict) and trace.get("text") else 0
        super().__init__(trace=trace, **{"step": last, **values})

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
        model, tokenizer, prompt, max_new_tokens
            As in `tinytorch.analysis.trace_generation`.
        time_without_cache : bool
            Also run, and time, the same generation without a cache.
        **values
            Traits of the player.

        Returns
        -------
        GenerationPlayer
        """
        steps = trace_generation(
            model,
            tokenizer,
            prompt,
            max_new_tokens,
            time_without_cache=time_without_cache,
            progress=True,
        )
        if not isinstance(prompt, str):
            prompt = tokenizer.decode(prompt, skip_control_tokens=True)
        return cls(run_record(prompt, model.config.num_layers, steps), **values)

    @traitlets.validate("trace")
    def _check_trace(self, proposal):
        try:
            check_run(proposal["value"])
        except ValueError as error:
            raise TraitError(f"trace: {error}") from None
        return proposal["value"]

    @traitlets.validate("step")
    def _check_step(self, proposal):
        last = len(self.trace.get("text", [0])) - 1
        if not 0 <= proposal["value"] <= last:
            raise TraitError(
                f"step must be from 0 to {last}, the last step of the trace, "
                f"got {proposal['value']}"
            )
        return proposal["value"]

    @traitlets.observe("trace")
    def _show_the_end(self, change):
        if change.old:
            last = len(change.new["text"]) - 1
            self.step = last
            self.set_trait("first_view", self.first_view | {"step": last})

    def fallback(self) -> Chart:
        """Draw the work of the whole run; see `ChapterWidget.fallback`."""
        run = self.trace
        take = accumulate if self.cumulative else list
        lines = {
            "without a cache": list(take(run["operations_without_cache"])),
            "with a cache": list(take(run["operations_with_cache"])),
        }
        scale, word = plots.unit(lines["without a cache"][-1])
        return plots.curves(
            {name: (run["seq_pos"], [y / scale for y in ys]) for name, ys in lines.items()},
            x_label="tokens in the text",
            y_label=f"{word}multiply-adds, {'added up' if self.cumulative else 'this step'}",
            y_log=self.log_scale,
            states=("again", "kept"),
            alt=f"The work of generating {len(run['text'])} tokens: without a cache it grows much "
            f"faster than with one.",
        )
