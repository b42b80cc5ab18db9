"""The arithmetic of `benchmarks.serving`, and the tables that it prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tabulate import tabulate

from benchmarks.serving_workload import MOST_TOKENS, Request
from tinytorch.core import GPT
from tinytorch.models import ChatTokenizer

BEGIN, END = "<!-- results of make bench-serving -->", "<!-- end of serving results -->"
MOST_USERS = "16"
CONTINUOUS, STATIC = "tinytorch, continuous", "tinytorch, static"
SHARED, PEER = "tinytorch, shared prefixes", "transformers, static"

GOALS = {
    "continuous batching beside static, tokens/s": 2.0,
    "500 tokens of prompt shared and known, one user, time to first token": 5.0,
    "beside transformers' static batches, tokens/s": 1.0,
}
"""How many times better each should be, at the least."""


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile, in the unit of the samples."""
    p50, p95 = np.percentile(samples, [50, 95])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}


def summarise_runs(
    turns: Sequence[Sequence[dict]],
    requests: Sequence[Request],
    alone: Mapping[str, Sequence[int]],
    tokenizer: ChatTokenizer,
) -> dict:
    """Put the records of several turns into numbers.

    Parameters
    ----------
    turns : sequence of sequence of dict
        For each turn the records of its requests, see `benchmarks.serving_engines`.
    requests : sequence of dict
        What was asked, and perhaps more.
    alone : mapping of str to sequence of int
        For each prompt the tokens that `generate` writes.
    tokenizer : ChatTokenizer

    Returns
    -------
    dict
        ``tokens_per_s``: the median turn, and the slowest and fastest, each from the first
        request sent to the last token. ``first_token_ms``: from sending a request to its first
        token. ``token_ms``: from the first to the last, divided by how many came behind the
        first. Both over the requests of all turns. ``texts``, ``texts_equal``: how many were
        written, and how many of them as alone.
    """
    rates, first, each = [], [], []
    for records in turns:
        took = max(record["last"] for record in records) - min(r["sent"] for r in records)
        asked = requests[: len(records)]
        rates.append(sum(request["count"] for request in asked) / took)
        for record, request in zip(records, asked, strict=True):
            first.append((record["first"] - record["sent"]) * 1e3)
            if request["count"] > 1:
                each.append((record["last"] - record["first"]) * 1e3 / (request["count"] - 1))
    num_texts = sum(len(records) for records in turns)
    return {
        "tokens_per_s": {
            "median": round(float(np.median(rates)), 2),
            "low": round(min(rates), 2),
            "high": round(max(rates), 2),
        },
        "first_token_ms": percentiles(first),
        "token_ms": percentiles(each),
        "texts": num_texts,
        "texts_equal": num_texts - len(differences(turns, requests, alone, tokenizer)),
    }


def differences(
    turns: Sequence[Sequence[dict]],
    requests: Sequence[Request],
    alone: Mapping[str, Sequence[int]],
    tokenizer: ChatTokenizer,
) -> list[tuple[int, list[int]]]:
    """Find texts that leave the one alone: after how many tokens, and the text until there.

    The parameters are those of `summarise_runs`.
    """
    found = []
    for records in turns:
        for record, request in zip(records, requests, strict=False):
            expected = alone[request["text"]]
            count = same_tokens(record, expected, tokenizer)
            if count < len(expected):
                found.append((count, [*request["prompt"], *expected[:count]]))
    return found


def same_tokens(record: dict, expected: Sequence[int], tokenizer: ChatTokenizer) -> int:
    """Count the tokens of a text up to where it leaves the expected one.

    A record with ``text`` alone counts those whose characters all agree.
    """
    if "tokens" in record:
        pairs = zip(record["tokens"], expected, strict=True)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(expected))
    if record["text"] == tokenizer.decode(expected):
        return len(expected)
    begins = (
        record["text"].startswith(tokenizer.decode(expected[:i])) for i in range(len(expected))
    )
    return max(i for i, begin in enumerate(begins) if begin)


def margin(model: GPT, text: Sequence[int]) -> float:
    """Return by how much the best next token of a text leads the second, in logits."""
    logits = np.sort(model.forward(np.array([text]), last_only=True)[0, -1])
    return float(logits[-1] - logits[-2])


def goals(results: dict) -> dict[str, float]:
    """Return how many times better each of `GOALS` is, as measured."""
    rate = {
        name: by_users[MOST_USERS]["tokens_per_s"]["median"]
        for name, by_users in results["mixed"].items()
    }
    prefix = {
        name: by_users["1"]["first_token_ms"]["p50"] for name, by_users in results["prefix"].items()
    }
    measured = [rate[CONTINUOUS] / rate[STATIC], prefix[CONTINUOUS] / prefix[SHARED]]
    if PEER in rate:
        measured.append(rate[CONTINUOUS] / rate[PEER])
    return {name: round(ratio, 2) for name, ratio in zip(GOALS, measured, strict=False)}


def goals_table(results: dict) -> str:
    """Write what was to be reached beside what was."""
    rows = [
        {
            "what": name,
            "goal": f"{GOALS[name]:.1f} times",
            "measured": f"{ratio:.2f} times",
            "reached": "yes" if ratio >= GOALS[name] else "no",
        }
        for name, ratio in goals(results).items()
    ]
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def engines_table(by_engine: dict) -> str:
    """Write the numbers of each engine and number of users as a Markdown table."""
    rows = []
    for users in next(iter(by_engine.values())):
        for name, by_users in by_engine.items():
            run = by_users[users]
            rate, first, each = run["tokens_per_s"], run["first_token_ms"], run["token_ms"]
            rows.append(
                {
                    "users": users,
                    "engine": name,
                    "tokens/s": f"{rate['median']:.1f} ({rate['low']:.1f} to {rate['high']:.1f})",
                    "first token, ms (p50, p95)": f"{first['p50']:,.0f}, {first['p95']:,.0f}",
                    "a token, ms (p50, p95)": f"{each['p50']:.0f}, {each['p95']:.0f}",
                    "texts as alone": f"{run['texts_equal']} of {run['texts']}",
                }
            )
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def texts_report(results: dict) -> str:
    """Say whether any text differs from what `generate` writes alone, and how near the tie was."""
    differing = results["differing_texts"]
    if not differing:
        return "Every text is the one that `generate` writes alone."
    largest = max(text["margin"] for text in differing)
    return (
        f"{len(differing)} texts leave the one that `generate` writes alone. Where they do, the "
        f"best token leads the second by at most {largest:.2g} in logits."
    )


def load_report(load: dict) -> str:
    """Say how the server did under many requests at once."""
    first = load["first_token_ms"]
    return (
        f"{load['requests']} requests at once over HTTP, with answers of at most {MOST_TOKENS} "
        f"tokens: {load['answered']} answered, "
        f"{load['texts_equal']} with the text of `generate` alone, {load['tokens_per_s']:.1f} "
        f"tokens/s. First token after {first['p50'] / 1e3:.1f} s (p50) and "
        f"{first['p95'] / 1e3:.1f} s (p95). The server held {load['idle_mib']:,.0f} MiB before "
        f"and {load['peak_mib']:,.0f} MiB at most; its blocks can hold "
        f"{load['blocks_mib']:,.0f} MiB."
    )


def machine_report(results: dict) -> str:
    """Say on what and when the results were measured."""
    machine = results["machine"]
    packages = {
        f"{package} {version}"
        for used in results["versions"].values()
        for package, version in used.items()
    }
    return (
        f"Measured on {results['date']} on {machine['cores']} cores of an {machine['processor']}, "
        f"{results['num_threads']} threads, with {', '.join(sorted(packages))}. The load average "
        f"was {results['load_average']['before']:.1f} before. llama.cpp's server is asked over "
        "HTTP, the others directly."
    )


def report(results: dict) -> str:
    """Write everything, as it is printed and as the README shows it."""
    parts = [machine_report(results)]
    parts += ["Short answers beside long ones:", engines_table(results["mixed"])]
    parts += ["One system prompt of 500 tokens:", engines_table(results["prefix"])]
    parts += [goals_table(results), texts_report(results), load_report(results["load"])]
    return "\n\n".join(parts)
