"""Counts what a generation takes, in three ways, with and without a cache."""

from __future__ import annotations

from itertools import accumulate

import traitlets
from traitlets import TraitError

from tinytorch.analysis import (
    MODEL_ZOO,
    ModelSpec,
    forward_operations,
    generation_score_pairs,
    get_model,
    kv_projections,
    plots,
)
from tinytorch.analysis.chart import Chart
from tinytorch.analysis.costs import has_operation_count
from tinytorch.analysis.model_zoo import DIMENSIONS
from tinytorch.core import ModelConfig
from tinytorch.widgets.base import ChapterWidget, IntRange
from tinytorch.widgets.records import model_record

OWN = "your own"
OWN_DIMENSIONS = (*DIMENSIONS, "vocab_size")
COUNTED = ("kv_projections", "score_pairs", "whole_model")
COUNTABLE = [spec for spec in MODEL_ZOO.values() if has_operation_count(spec)]


def countable_model(name: str) -> str:
    """Return the name of a model whose operations are counted; raise a TraitError of others."""
    try:
        spec = get_model(name)
    except ValueError as error:
        raise TraitError(f"model: {error}") from None
    if spec not in COUNTABLE:
        raise TraitError(
            f"model: no operation count for {spec.name}; there is one for "
            + ", ".join(each.name for each in COUNTABLE)
        )
    return spec.name


class OperationExplorer(ChapterWidget):
    """Draws the work for each next token, or added up, as a prompt and a model have it.

    Parameters
    ----------
    model : str
        A name of `tinytorch.analysis.MODEL_ZOO` whose operations are counted (no windows, experts
        or latent vectors), or "your own" for the dimensions below.
    prompt_length, new_tokens : int
        Tokens, from 1 to 8,192.
    counted : {"kv_projections", "score_pairs", "whole_model"}
        As in `tinytorch.analysis.analyze_kvcache_speedup`.
    cumulative, log_scale : bool
        Whether the passes are added up, and whether the axis is logarithmic.
    num_layers, embed_dim, num_heads, num_kv_heads, head_dim, mlp_dim, vocab_size : int
        Dimensions of a model of your own, with two matrices in its MLP.

    Raises
    ------
    traitlets.TraitError
        If a value is out of range, or there is no count for the model.
    """

    module = "operation_explorer"
    data_traits = ("models",)
    view_traits = (
        "model",
        "prompt_length",
        "new_tokens",
        "counted",
        "cumulative",
        "log_scale",
        *OWN_DIMENSIONS,
    )

    models = traitlets.List([model_record(spec) for spec in COUNTABLE], read_only=True).tag(
        sync=True
    )
    model = traitlets.Unicode("GPT-2 small").tag(sync=True)
    prompt_length = IntRange(1, 8192, default=4).tag(sync=True)
    new_tokens = IntRange(1, 8192, default=100).tag(sync=True)
    counted = traitlets.Enum(COUNTED, "whole_model").tag(sync=True)
    cumulative = traitlets.Bool(True).tag(sync=True)
    log_scale = traitlets.Bool(False).tag(sync=True)
    num_layers = IntRange(1, 1000, default=6).tag(sync=True)
    embed_dim = IntRange(1, 100_000, default=384).tag(sync=True)
    num_heads = IntRange(1, 1000, default=6).tag(sync=True)
    num_kv_heads = IntRange(1, 1000, default=6).tag(sync=True)
    head_dim = IntRange(1, 10_000, default=64).tag(sync=True)
    mlp_dim = IntRange(1, 1_000_000, default=1536).tag(sync=True)
    vocab_size = IntRange(1, 10_000_000, default=4000).tag(sync=True)

    @traitlets.validate("model")
    def _check_model(self, proposal):
        name = proposal["value"]
        return name if name == OWN else countable_model(name)

    def spec(self) -> ModelSpec | ModelConfig:
        """Return the chosen model, or one of the chosen dimensions."""
        if self.model != OWN:
            return get_model(self.model)
        return ModelConfig(**{name: getattr(self, name) for name in OWN_DIMENSIONS})

    def work(self, *, use_cache: bool) -> list[int]:
        """Count what each pass of the generation takes.

        Parameters
        ----------
        use_cache : bool

        Returns
        -------
        list of int
            Units of `counted`, for each new token.
        """
        first = self.prompt_length
        lengths = range(first, first + self.new_tokens)
        if self.counted == "whole_model":
            spec = self.spec()
            queries = [1 if use_cache and length > first else length for length in lengths]
            passes = zip(queries, lengths, strict=True)
            return [sum(forward_operations(spec, new, length).values()) for new, length in passes]
        count = kv_projections if self.counted == "kv_projections" else generation_score_pairs
        sums = [
            count(n, use_cache=use_cache, prompt_length=first)
            for n in range(1, self.new_tokens + 1)
        ]
        return [after - before for before, after in zip([0, *sums], sums, strict=False)]

    def fallback(self) -> Chart:
        """Draw the work of each pass; see `ChapterWidget.fallback`."""
        lengths = range(self.prompt_length, self.prompt_length + self.new_tokens)
        works = [self.work(use_cache=use_cache) for use_cache in (False, True)]
        if self.cumulative:
            works = [list(accumulate(work)) for work in works]
        scale, unit = self.words.unit(max(works[0]), f"operations.units.{self.counted}")
        lines = [(lengths, [y / scale for y in ys]) for ys in works]
        alt = "operations.drawn_alt_total" if self.cumulative else "operations.drawn_alt"
        model = self.words.phrase("common.your_own") if self.model == OWN else self.model
        return plots.curves(
            dict(zip(self.words.table("common.ways"), lines, strict=True)),
            x_label=self.words.phrase("common.tokens_in_the_text"),
            y_label=unit,
            y_log=self.log_scale,
            states=("again", "kept"),
            alt=self.words.phrase(alt, model=model),
            signs=self.words.signs,
        )
