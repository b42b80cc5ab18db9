"""Shows what caches take, beside the weights and in a device's memory."""

from __future__ import annotations

import numpy as np
import traitlets
from traitlets import TraitError

from tinytorch.analysis import MODEL_ZOO, ModelSpec, get_model, kv_cache_bytes, plots
from tinytorch.analysis.chart import Chart
from tinytorch.widgets.base import ChapterWidget, IntRange
from tinytorch.widgets.records import model_record

BITS = (32, 16, 8, 4)
OWN = "your own"
OWN_DIMENSIONS = ("num_layers", "num_kv_heads", "head_dim", "million_parameters")


class CacheMemoryExplorer(ChapterWidget):
    """Computes the memory of a model's cache, and how much of it a device holds.

    Parameters
    ----------
    model : str
        A name of `tinytorch.analysis.MODEL_ZOO`, or "your own" for the dimensions below.
    compare : str
        Another one to show beside it, or "".
    seq_len : int
        Tokens in each sequence, from 1 to 1,048,576.
    batch_size : int
        Sequences, from 1 to 4,096.
    bits_per_element, bits_per_weight : {32, 16, 8, 4}
        Of the cache and of the weights. Scales of quantised numbers are not counted.
    device_gb : int
        Memory of the device in GB (10^9 bytes), from 1 to 10,000.
    num_layers, num_kv_heads, head_dim, million_parameters : int
        Of a model of your own, with full attention in all layers.

    Raises
    ------
    traitlets.TraitError
        If a value is out of range, or there is no such model.
    """

    module = "cache_memory_explorer"
    data_traits = ("models",)
    view_traits = (
        "model",
        "compare",
        "seq_len",
        "batch_size",
        "bits_per_element",
        "bits_per_weight",
        "device_gb",
        *OWN_DIMENSIONS,
    )

    models = traitlets.List(
        [model_record(spec) for spec in MODEL_ZOO.values()], read_only=True
    ).tag(sync=True)
    model = traitlets.Unicode("Llama-2-7B").tag(sync=True)
    compare = traitlets.Unicode("Llama-3-8B").tag(sync=True)
    seq_len = IntRange(1, 2**20, default=4096).tag(sync=True)
    batch_size = IntRange(1, 4096, default=8).tag(sync=True)
    bits_per_element = traitlets.Enum(BITS, 16).tag(sync=True)
    bits_per_weight = traitlets.Enum(BITS, 16).tag(sync=True)
    device_gb = IntRange(1, 10_000, default=80).tag(sync=True)
    num_layers = IntRange(1, 256, default=32).tag(sync=True)
    num_kv_heads = IntRange(1, 256, default=8).tag(sync=True)
    head_dim = IntRange(1, 1024, default=128).tag(sync=True)
    million_parameters = IntRange(1, 4_000_000, default=8_030).tag(sync=True)

    @traitlets.validate("model", "compare")
    def _check_model(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if (name, value) in (("compare", ""), ("model", OWN)):
            return value
        try:
            spec = get_model(value)
        except ValueError as error:
            raise TraitError(f"{name}: {error}") from None
        if spec.name not in MODEL_ZOO:
            raise TraitError(f"{name}: {spec.name} is a teaching model, not one of MODEL_ZOO")
        return spec.name

    def spec(self, name: str) -> ModelSpec:
        """Return a public model, or the one of the chosen dimensions."""
        if name != OWN:
            return get_model(name)
        width = self.num_kv_heads * self.head_dim
        return ModelSpec(
            name=OWN,
            num_layers=self.num_layers,
            embed_dim=width,
            num_heads=self.num_kv_heads,
            num_kv_heads=self.num_kv_heads,
            head_dim=self.head_dim,
            mlp_dim=4 * width,
            vocab_size=1,
            max_context=2**20,
            num_parameters=self.million_parameters * 10**6,
            source="the reader",
        )

    def fallback(self) -> Chart:
        """Draw cache against context; see `ChapterWidget.fallback`."""
        lengths = np.unique(np.geomspace(64, 2**20, 57).astype(int))
        lines = {}
        for name in filter(None, dict.fromkeys((self.model, self.compare))):
            spec = self.spec(name)
            sizes = [
                kv_cache_bytes(
                    spec,
                    int(length),
                    batch_size=self.batch_size,
                    bits_per_element=self.bits_per_element,
                )
                for length in lengths
            ]
            shown = self.words.phrase("common.your_own") if name == OWN else name
            lines[shown] = (lengths, [size / 2**30 for size in sizes])
        models, *others = lines
        for other in others:
            models = self.words.phrase("memory.drawn_and", model=models, other=other)
        sizes = {"sequences": self.batch_size, "bits": self.bits_per_element}
        return plots.curves(
            lines,
            x_label=self.words.phrase("memory.x"),
            y_label=self.words.phrase("memory.drawn_y", **sizes),
            x_log=True,
            y_log=True,
            alt=self.words.phrase("memory.drawn_alt", models=models),
            signs=self.words.signs,
        )
