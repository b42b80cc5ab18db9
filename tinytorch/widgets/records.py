"""Models and runs as the plain records that the widgets' JavaScript reads."""

from __future__ import annotations

from collections.abc import Sequence

from tinytorch.analysis import ModelSpec
from tinytorch.analysis.model_zoo import DIMENSIONS

Record = dict[str, object]

COPIED = (
    "name",
    "attention",
    *DIMENSIONS,
    "vocab_size",
    "num_parameters",
    "window",
    "num_windowed_layers",
    "kv_elements_per_token_per_layer",
)

STEP_FIELDS = {
    "text": "text",
    "seq_pos": "tokens in the cache",
    "cache_bytes": "bytes in the cache",
    "operations_with_cache": "multiply-adds",
    "operations_without_cache": "multiply-adds",
    "ms": "milliseconds",
}
"""What a run holds for each step, as `tinytorch.analysis.trace_generation` records it."""


def model_record(spec: ModelSpec) -> Record:
    """Describe a model by what its costs depend on."""
    return {name: getattr(spec, name) for name in COPIED} | {
        "mlp_matrices": 3 if spec.mlp == "swiglu" else 2
    }


def run_record(prompt: str, num_layers: int, steps: Sequence[Record]) -> Record:
    """Turn a recorded run into columns, which take less room than rows.

    Parameters
    ----------
    prompt : str
    num_layers : int
    steps : sequence of dict
        As `tinytorch.analysis.trace_generation` returns them.

    Returns
    -------
    dict
    """
    fields = list(STEP_FIELDS)
    if steps and "ms_without_cache" in steps[0]:
        fields.append("ms_without_cache")
    columns = {field: [step[field] for step in steps] for field in fields}
    for field in fields:
        if field.startswith("ms"):
            columns[field] = [round(ms, 2) for ms in columns[field]]
    return {"prompt": prompt, "num_layers": num_layers, **columns}


def check_run(run: object) -> None:
    """Refuse what is not a run.

    Raises
    ------
    ValueError
        If a part is missing, or the columns are empty or not equally long.
    """
    expected = {"prompt", "num_layers", *STEP_FIELDS}
    missing = sorted(expected - set(run)) if isinstance(run, dict) else sorted(expected)
    if missing:
        raise ValueError(f"a run needs {missing}; GenerationPlayer.from_prompt records one")
    lengths = {field: len(run[field]) for field in STEP_FIELDS}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"a run needs the same number of steps everywhere, got {lengths}")
