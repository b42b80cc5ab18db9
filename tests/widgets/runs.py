"""A small recorded run, made by hand."""

from tinytorch.widgets.records import run_record

PROMPT_TOKENS = ("One,", " two")


def small_run(num_steps: int = 6, num_layers: int = 3, *, timed: bool = False) -> dict:
    """A run whose numbers are easy to compute: 100 operations a token, and 40 ms if timed."""
    lengths = range(2, 2 + num_steps)
    steps = [
        {
            "text": f" {length}",
            "seq_pos": length,
            "cache_bytes": 8 * num_layers * length,
            "operations_with_cache": 200 if length == 2 else 100,
            "operations_without_cache": 100 * length,
            "ms": 0.5,
        }
        | (
            {"ms": 80.0 if length == 2 else 40.0, "ms_without_cache": 40.0 * length}
            if timed
            else {}
        )
        for length in lengths
    ]
    return run_record(PROMPT_TOKENS, num_layers, steps)
