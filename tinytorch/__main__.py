"""Ask SmolLM2 something: ``python -m tinytorch "Why is the sky blue?"``."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from tinytorch.generation import stream
from tinytorch.models import DownloadError, load_smollm2


def main(
    prompt: Annotated[str, typer.Argument(help="A question, or with --raw a text to continue.")],
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep keys and values, or recompute them.")
    ] = True,
    raw: Annotated[bool, typer.Option(help="Continue the text; do not ask it as a chat.")] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 200,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 always takes the most likely token.")
    ] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Repeats the draws of a temperature.")] = None,
) -> None:
    """Stream the answer of SmolLM2-135M-Instruct, and say how fast it came.

    The first run fetches the model (93 MB).
    """
    try:
        model, tokenizer = load_smollm2()
        tokens = tokenizer.encode(prompt) if raw else tokenizer.encode_chat(prompt)
        steps = stream(
            model,
            tokens,
            max_new_tokens,
            use_cache=cache,
            temperature=temperature,
            seed=seed,
            stop_tokens=tokenizer.stop_tokens,
        )
    except (DownloadError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error

    times = [time.perf_counter()]

    def timed():
        for new in steps:
            times.append(time.perf_counter())
            yield new[0]

    for text in tokenizer.decode_stream(timed()):
        print(text, end="", flush=True)
    print()
    print(_speed(len(tokens), times, cache), file=sys.stderr)


def _speed(prompt_length: int, times: list[float], cache: bool) -> str:
    first, decoded = times[1] - times[0], len(times) - 2
    report = f"[{prompt_length} prompt tokens in {first:.2f} s"
    if decoded:
        report += f"; {decoded} tokens at {decoded / (times[-1] - times[1]):.1f} tokens/s"
    return f"{report}; {'with' if cache else 'without'} KV cache]"


if __name__ == "__main__":
    typer.run(main)
