"""Models and runs as the plain records that the widgets' JavaScript reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.analysis import ModelSpec, trace_generation
from tinytorch.analysis.model_zoo import DIMENSIONS
from tinytorch.core import GPT
from tinytorch.models import ChatTokenizer

Record = dict[str, object]

COPIED = (
    "name",
    "attention",
    *DIMENSIONS,
    "vocab_size",
    "num_parameters",
    "max_context",
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

NAME_LENGTH = 40


def model_record(spec: ModelSpec) -> Record:
    """Describe a model by what its costs depend on."""
    return {name: getattr(spec, name) for name in COPIED} | {
        "mlp_matrices": 3 if spec.mlp == "swiglu" else 2
    }


def run_record(
    prompt_tokens: Sequence[str], num_layers: int, steps: Sequence[Record], name: str = ""
) -> Record:
    """Turn a recorded run into columns, which take less room than rows.

    Parameters
    ----------
    prompt_tokens : sequence of str
        The text of each token of the prompt.
    num_layers : int
    steps : sequence of dict
        As `tinytorch.analysis.trace_generation` returns them.
    name : str
        What the run is called where there are several. Default: how its prompt begins.

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
    prompt = list(prompt_tokens)
    name = name or "".join(prompt)[:NAME_LENGTH].strip()
    return {"name": name, "prompt_tokens": prompt, "num_layers": num_layers, **columns}


def record_run(
    model: GPT,
    tokenizer: ChatTokenizer,
    prompt: str | ArrayLike,
    max_new_tokens: int = 60,
    *,
    time_without_cache: bool = False,
    name: str = "",
) -> Record:
    """Run a model on a prompt, and keep what a player shows of it.

    Parameters
    ----------
    model, tokenizer, prompt, max_new_tokens
        As in `tinytorch.analysis.trace_generation`.
    time_without_cache : bool
        Also run, and time, the same generation without a cache.
    name : str
        What the run is called where there are several. Default: how its prompt begins.

    Returns
    -------
    dict
    """
    tokens = tokenizer.encode(prompt) if isinstance(prompt, str) else np.asarray(prompt)
    options = {"time_without_cache": time_without_cache, "progress": True}
    steps = trace_generation(model, tokenizer, tokens, max_new_tokens, **options)
    texts = tokenizer.decode_stream(tokens)
    return run_record(list(texts), model.config.num_layers, steps, name)


def check_run(run: object) -> None:
    """Refuse what is not a run.

    Raises
    ------
    ValueError
        If a part is missing, or the columns are empty or not equally long, or the first step does
        not take in the prompt.
    """
    if not isinstance(run, dict):
        raise ValueError(f"a run is a dict, as record_run returns it, got {type(run).__name__}")
    missing = sorted({"name", "prompt_tokens", "num_layers", *STEP_FIELDS} - set(run))
    if missing:
        raise ValueError(f"a run needs {missing}; GenerationPlayer.from_prompt records one")
    columns = [*STEP_FIELDS, *(field for field in run if field == "ms_without_cache")]
    lengths = {field: len(run[field]) for field in columns}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"a run needs the same number of steps everywhere, got {lengths}")
    if len(run["prompt_tokens"]) != run["seq_pos"][0]:
        raise ValueError(
            f"the first step takes in the prompt: {len(run['prompt_tokens'])} prompt_tokens, "
            f"but {run['seq_pos'][0]} tokens in the cache"
        )
