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
        "text": "Static batching: where a text has ended, its place stays empty until the longest "
        "of the batch has ended.",
        "hint": "Try continuous batches.",
        "metric": "tokens_per_second",
        "values": BASE | {"policy": "static", "num_requests": 20, "all_at_once": True},
    },
    "one 4,000-token prompt": {
        "text": "One prompt of 4,000 tokens is read in a single pass, and meanwhile nobody else "
        "gets a token.",
        "hint": "Try fewer tokens a pass.",
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
        "text": "All prompts begin with the same 500 tokens, and without sharing each request "
        "computes them for itself.",
        "hint": "Try to share blocks.",
        "metric": "ttft_p50",
        "values": BASE | SYSTEM_PROMPT | {"share_prefixes": False},
    },
    "timestamp first": {
        "text": "Sharing is on, but in front of the same 500 tokens each prompt has a time of its "
        "own, so no block is known.",
        "hint": "Try without the timestamp.",
        "metric": "found_prefix",
        "values": BASE | SYSTEM_PROMPT | {"timestamp_first": True},
    },
    "pool too small": {
        "text": "Blocks run out, so the request that came last gives its own back, and later "
        "computes them again.",
        "hint": "Try more memory, or fewer places in a batch.",
        "metric": "num_again",
        "values": BASE | {"rate": 100, "cache_tokens": 512, "step": 34},
    },
    "fully cached prompt": {
        "text": "All ask the same 128 tokens. Of a prompt that is known whole one token is still "
        "computed, since the next one comes out of its pass; no setting beats that.",
        "hint": "Try a block size that does not divide 128.",
        "metric": "prompt_computed",
        "values": BASE
        | {"system_length": 127, "mean_prompt": 1, "same_question": True, "step": 16},
    },
}
"""By name: a sentence, what to try, the number to beat (a key of `summarize`), and the settings.

Their `step` is a pass in which it can be seen."""
