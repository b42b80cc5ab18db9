"""What a simulated server has done, as a few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinytorch.analysis.server_simulation import ServerSimulation


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of them do not exceed; None of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


def summarize(simulation: ServerSimulation) -> dict[str, float | None]:
    """Return the numbers of a run that has ended.

    Parameters
    ----------
    simulation : ServerSimulation

    Returns
    -------
    dict of str to float or None
        Times in seconds; None where there is no such time.
    """
    metrics, requests = simulation.metrics, simulation.requests
    first = [request.time_to_first_token for request in requests if request.token_times]
    later = [request.time_per_token for request in requests if len(request.token_times) > 1]
    gaps = [gap for request in requests for gap in request.gaps]
    places = metrics.num_idle_rows + sum(each.num_running for each in simulation.passes)
    return {
        "tokens_per_second": metrics.tokens_per_second,
        "ttft_p50": percentile(first, 0.5),
        "ttft_p90": percentile(first, 0.9),
        "token_p50": percentile(later, 0.5),
        "token_p90": percentile(later, 0.9),
        "longest_gap": max(gaps, default=None),
        "num_passes": metrics.num_steps,
        "idle_rows": metrics.num_idle_rows / max(places, 1),
        "useful_memory": metrics.useful_memory,
        "found_prefix": metrics.found_prefix,
        "prompt_computed": metrics.num_prompt - metrics.num_found,
        "num_preemptions": sum(request.num_preemptions for request in requests),
        "num_again": sum(request.num_again for request in requests),
        "num_refused": sum(request.refused for request in requests),
    }
