"""What the server explorer begins with: situations, each with one number to beat."""

from __future__ import annotations

BASE = {
    "policy": "continuous",
    "model": "Llama-3-8B",
    "device": "NVIDIA A100 80GB SXM",
    "seed": 2,
    "num_requests": 16,
    "rate": 50,
    "mean_prompt": 64,
    "mean_answer": 48,
    "system_length": 0,
    "long_prompt": 0,
    "all_at_once": False,
    "timestamp_first": False,
    "same_question": False,
    "cache_tokens": 2048,
    "block_size": 16,
    "max_running": 8,
    "max_tokens_per_step": 512,
    "share_prefixes": True,
    "reserve_longest": False,
    "step": 60,
}
"""What a scenario does not change."""

SYSTEM_PROMPT = {"system_length": 500, "cache_tokens": 8192, "rate": 30}

SCENARIOS = {
    "short beside long": {
        "metric": "tokens_per_second",
        "values": BASE | {"policy": "static", "num_requests": 20, "all_at_once": True},
    },
    "one 4,000-token prompt": {
        "metric": "longest_gap",
        "values": BASE
        | {
            "num_requests": 12,
            "rate": 20,
            "mean_answer": 64,
            "long_prompt": 4000,
            "cache_tokens": 8192,
            "max_tokens_per_step": 8192,
            "step": 39,
        },
    },
    "same system prompt": {
        "metric": "ttft_p50",
        "values": BASE | SYSTEM_PROMPT | {"share_prefixes": False},
    },
    "timestamp first": {
        "metric": "found_prefix",
        "values": BASE | SYSTEM_PROMPT | {"timestamp_first": True},
    },
    "pool too small": {
        "metric": "num_again",
        "values": BASE | {"rate": 100, "cache_tokens": 512, "step": 34},
    },
    "fully cached prompt": {
        "metric": "prompt_computed",
        "values": BASE
        | {"system_length": 127, "mean_prompt": 1, "same_question": True, "step": 16},
    },
}
"""By name: the number to beat (a key of `summarize`), and the settings.

Their `step` is a pass in which it can be seen. The languages have a sentence for each, and what to
try."""
