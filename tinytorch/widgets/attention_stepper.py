"""Steps through attention in a real head, without a cache and with one."""

from __future__ import annotations

from typing import Self

import numpy as np
import traitlets
from traitlets import TraitError

from tinytorch.analysis.attention_trace import (
    cached_difference,
    changes_without_mask,
    telling_heads,
)
from tinytorch.analysis.costs import forward_operations, kv_cache_bytes
from tinytorch.analysis.drawings import Drawing, attention
from tinytorch.core import GPT
from tinytorch.generation import generate
from tinytorch.models import ChatTokenizer
from tinytorch.widgets.base import ChapterWidget, IntRange

NUM_CHANNELS = 8
"""Of a query, key, value or output, evenly spread: what a reader can look at."""

NUM_PHASES = 5
FIELDS = (
    *("tokens", "prompt_length", "heads", "difference", "layers", "changes"),
    *("num_layers", "group", "row_operations", "row_bytes"),
)


class AttentionStepper(ChapterWidget):
    """Shows which rows of a head are computed, computed again or kept, step by step.

    Parameters
    ----------
    trace : dict
        A run, as `from_prompt` records it.
    head : int
        Which of the recorded heads is shown, from 0.
    step : int
        The step shown, from 0 (the prefill).
    phase : int
        From 0: project, write, score, softmax, mix.
    unmasked : bool
        Whether it is shown what happens to kept keys without the causal mask.

    Raises
    ------
    traitlets.TraitError
        If a value is out of range, or the trace is not one.
    """

    module = "attention_stepper"
    data_traits = ("trace",)
    view_traits = ("head", "step", "phase", "unmasked")

    trace = traitlets.Dict().tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    phase = IntRange(0, NUM_PHASES - 1, default=NUM_PHASES - 1).tag(sync=True)
    unmasked = traitlets.Bool(False).tag(sync=True)

    def __init__(self, trace: dict, **values):
        super().__init__(trace=trace, **values)

    @classmethod
    def from_prompt(
        cls, model: GPT, tokenizer: ChatTokenizer, prompt: str, max_new_tokens: int = 9, **values
    ) -> Self:
        """Record a greedy run on a prompt, in the heads that tell most.

        Parameters
        ----------
        model : GPT
        tokenizer : ChatTokenizer
        prompt : str
        max_new_tokens : int
        **values
            Traits of the stepper.

        Returns
        -------
        AttentionStepper
        """
        start = tokenizer.encode(prompt)
        tokens = generate(model, start, max_new_tokens)
        layers = sorted({0, 1, model.num_layers // 2, model.num_layers - 1})
        changes = changes_without_mask(model, tokens)[:, layers]
        operations = forward_operations(model.config, 1)
        trace = {
            "tokens": list(tokenizer.decode_stream(tokens)),
            "prompt_length": len(start),
            "heads": [head_record(trace) for trace in telling_heads(model, tokens)],
            "difference": cached_difference(model, tokens, len(start)),
            "num_layers": model.num_layers,
            "group": model.num_heads // model.num_kv_heads,
            "row_operations": operations["projections"] + operations["mlp"],
            "row_bytes": kv_cache_bytes(model.config, 1),
            "layers": layers,
            "changes": np.round(changes, 4).tolist(),
        }
        return cls(trace, **values)

    @traitlets.validate("trace")
    def _check_trace(self, proposal):
        if missing := lacking(proposal["value"]):
            raise TraitError(f"trace needs {missing}; AttentionStepper.from_prompt records one")
        return proposal["value"]

    @traitlets.validate("head", "step")
    def _check_place(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if lacking(self.trace):  # traits are checked in any order: the trace is refused
            return value
        last = {"head": len(self.trace["heads"]) - 1, "step": self.last_step}[name]
        if not 0 <= value <= last:
            raise TraitError(f"{name} must be from 0 to {last}, got {value}")
        return value

    @property
    def last_step(self) -> int:
        """The step that takes in the last token; step 0 takes in the prompt."""
        return len(self.trace["tokens"]) - self.trace["prompt_length"]

    def fallback(self) -> Drawing:
        """Draw what the newest token looks at; see `ChapterWidget.fallback`."""
        row = self.trace["prompt_length"] + self.step
        shown = self.trace["heads"][self.head]
        scores, weights = (shown[name][row - 1][:row] for name in ("scores", "weights"))
        return attention.lookup(self.trace["tokens"][:row], scores, weights)


def lacking(trace: dict) -> list[str]:
    """Return the parts that a trace does not have."""
    return [field for field in FIELDS if field not in trace]


def head_record(trace) -> dict[str, object]:
    """Return a `HeadTrace` as the plain numbers that the view reads, rounded to what it shows."""
    width = trace.query.shape[1]
    channels = np.arange(NUM_CHANNELS) * width // NUM_CHANNELS
    shown = {name: getattr(trace, name)[:, channels] for name in ("query", "key", "value")}
    return {
        "kind": trace.kind,
        "layer": trace.layer,
        "head": trace.head,
        "kv_head": trace.kv_head,
        "channels": channels.tolist(),
        "width": width,
        **{name: np.round(part, 2).tolist() for name, part in shown.items()},
        "output": np.round(trace.output[:, channels], 2).tolist(),
        "products": np.round(np.tril(trace.query @ trace.key.T), 1).tolist(),
        "scores": np.round(trace.scores, 2).tolist(),
        "weights": np.round(trace.weights, 4).tolist(),
    }
