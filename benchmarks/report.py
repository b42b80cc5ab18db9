"""The tables that ``make bench`` prints and the README shows."""

from __future__ import annotations

import json
from pathlib import Path

from tabulate import tabulate

from tinytorch.analysis import decode_bytes, get_model

RESULTS = Path(__file__).parent / "results.json"
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- results of make bench -->", "<!-- end of results -->"


def peers_table(results: dict) -> str:
    """Write medians and quartiles of every implementation as a Markdown table.

    Parameters
    ----------
    results : dict
        As `benchmarks.run` writes them.

    Returns
    -------
    str
        The ratio is a peer's median divided by tinytorch's: above 1, tinytorch is faster. The
        bandwidth is the bytes that a decoding step must read, divided by its time.
    """
    rows = []
    for work, key in (("prefill", "prefill_ms"), ("decode", "decode_ms")):
        lengths = results[key]["tinytorch"]
        for length in lengths:
            for name, by_length in results[key].items():
                ms = by_length[length]
                rows.append(
                    {
                        "work": f"prefill of {length} tokens"
                        if work == "prefill"
                        else f"one token after {length}",
                        "implementation": name,
                        "median ms": f"{ms['median']:.1f}",
                        "quartiles": f"{ms['low']:.1f} to {ms['high']:.1f}",
                        "ratio": f"{ms['median'] / lengths[length]['median']:.2f}",
                        "bandwidth": ""
                        if work == "prefill"
                        else f"{_bandwidth_share(results, int(length), ms['median']):.0%}",
                    }
                )
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def updates_table(results: dict) -> str:
    """Write what adding one token to a cache of 30 layers costs as a Markdown table."""
    updates = results["cache_update"]
    rows = [
        {"tokens in the cache": f"{int(length):,}"}
        | {
            f"{name}, ms": f"{times[length]['median']:.2f} (± {times[length]['spread'] / 2:.2f})"
            for name, times in updates.items()
        }
        for length in updates["KVCache"]
    ]
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def process_report(results: dict) -> str:
    """Say what a process takes that loads and runs the model."""
    process = results["process"]
    return (
        f"Loading the unpacked model takes {process['load_s']:.2f} s. A process that loads it and "
        f"generates 64 tokens after {process['prompt_tokens']:.0f} peaks at "
        f"{process['peak_mib']:.0f} MiB, weights included. `import tinytorch` adds "
        f"{process['import_ms']:.0f} ms to `import numpy`."
    )


def machine_report(results: dict) -> str:
    """Say on what and when the results were measured."""
    machine, versions = results["machine"], results["versions"]
    peers = ", ".join(
        f"{package} {version}" for used in versions.values() for package, version in used.items()
    )
    return (
        f"Measured on {results['date']} on {machine['cores']} cores of an {machine['processor']}, "
        f"{results['num_threads']} threads, with {peers}. A plain matrix-vector product in NumPy "
        f"reads {results['memory_bandwidth_gb_per_s']:.1f} GB/s there, which is 100% bandwidth "
        "below."
    )


def _bandwidth_share(results: dict, prompt_length: int, ms: float) -> float:
    seq_len = prompt_length + results["num_decoded"] // 2
    bytes_per_s = decode_bytes(get_model("SmolLM2-135M"), seq_len) / ms * 1e3
    return bytes_per_s / (results["memory_bandwidth_gb_per_s"] * 1e9)


def report(results: dict) -> str:
    """Join all of the above."""
    parts = (machine_report, peers_table, updates_table, process_report)
    return "\n\n".join(write(results) for write in parts)


def update_readme(results: dict, readme: Path = README) -> None:
    """Put the report between the README's markers, see `put_between`."""
    put_between(readme, BEGIN, END, report(results))


def put_between(readme: Path, begin: str, end: str, report: str) -> None:
    """Put a report between two markers of a file, and leave the rest as it is.

    Raises
    ------
    ValueError
        If a marker is missing; nothing is written then.
    """
    text = readme.read_text(encoding="utf-8")
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{readme} must hold {begin} and, behind it, {end}")
    readme.write_text(f"{before}{begin}\n\n{report}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    update_readme(json.loads(RESULTS.read_text(encoding="utf-8")))
