"""Serve SmolLM2 to clients of the OpenAI protocol: ``python -m tinytorch.serving --port 8000``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tinytorch.models import DownloadError, load_smollm2
from tinytorch.serving.engine import Engine
from tinytorch.serving.protocol import Limits
from tinytorch.serving.worker import EngineWorker

try:
    from tinytorch.serving.connections import Timeouts, make_server
    from tinytorch.serving.server import Api
except ModuleNotFoundError as error:
    package = error.name.partition(".")[0]
    if package not in ("starlette", "uvicorn"):
        raise
    sys.exit(f"error: {package} is missing: pip install 'tinytorch-kv-caching[serving]'")

MODEL_ID = "SmolLM2-135M-Instruct"


def at_least_one(default_help: str) -> typer.models.OptionInfo:
    """Make an option for a positive integer."""
    return typer.Option(min=1, help=default_help)


def main(
    host: Annotated[str, typer.Option(help="Where to listen; others than you reach 0.0.0.0.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free port.")] = 8000,
    num_blocks: Annotated[int, at_least_one("Blocks of 16 tokens, 720 KiB each.")] = 512,
    max_running: Annotated[int, at_least_one("Requests that run side by side.")] = 16,
    max_requests: Annotated[int, at_least_one("Requests that run or wait; then 429.")] = 256,
    max_prompt_tokens: Annotated[int, at_least_one("Longest prompt.")] = 4096,
    max_new_tokens: Annotated[int, at_least_one("Longest answer.")] = 2048,
    max_body_bytes: Annotated[int, at_least_one("Longest body of a request.")] = 2**18,
    max_drafts: Annotated[
        int, typer.Option(min=0, help="Tokens guessed by prompt lookup, a step; 0 guesses none.")
    ] = 0,
) -> None:
    """Serve SmolLM2-135M-Instruct to clients of the OpenAI protocol.

    The first run fetches the model (93 MB). There is no authentication and no encryption: what
    others than you reach, put behind a proxy that has both.
    """
    try:
        model, tokenizer = load_smollm2()
        engine = Engine(model, num_blocks, max_running=max_running, max_drafts=max_drafts)
        api = Api(
            EngineWorker(engine, tokenizer, max_requests),
            MODEL_ID,
            Limits(max_prompt_tokens, max_new_tokens),
            max_body_bytes=max_body_bytes,
        )
    except (DownloadError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    make_server(api.app(), Timeouts(), host, port).run()


if __name__ == "__main__":
    typer.run(main)
