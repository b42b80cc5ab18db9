"""Measure the engine in the browser beside wllama (llama.cpp): ``python -m benchmarks.browser``.

Both run the same GGUF file in the same Chromium, without a graphics processor, and continue the
same texts. They take turns, so that a slow moment of the machine does not fall on one of them
alone. wllama is fetched with npm into the user's cache folder; its times are llama.cpp's own.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright
from tabulate import tabulate

import tinytorch.browser
from benchmarks.prompts import LONG_STORY
from benchmarks.run import describe_machine, save, summarise
from tests.browser.installed import find_chromium
from tests.javascript.node import unpacked
from tinytorch.browser.pieces import write_pieces
from tinytorch.models import ChatTokenizer, load_smollm2, smollm2_gguf
from tinytorch.models.download import WHEEL, cache_folder

HERE = Path(__file__).parent
RESULTS = HERE / "browser_results.json"
WLLAMA = "3.13.0"
PROMPT_LENGTHS = (64, 512)
NUM_DECODED = 32
QUESTION = "What is a cache? Answer in one sentence."
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""Headers without which a page gets no shared memory, and so no threads."""

IMPLEMENTATIONS = {
    "tinytorch/browser, 1 thread": ("openers.engine()", False),
    "wllama, 1 thread": ("openers.wllama(1)", False),
    "wllama, 2 threads": ("openers.wllama(2)", True),
}
"""How a page opens each, and whether it must be isolated."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, choices=range(1, 13))
    parser.add_argument("--output", type=Path, default=Path("_build/browser_benchmarks.json"))
    parser.add_argument("--commit", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    results = {
        "machine": describe_machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": arguments.rounds,
        "num_decoded": NUM_DECODED,
        "one_thread": measure_limits(),
        **measure(arguments.rounds),
        "load_average": {"before": load_before, "after": os.getloadavg()[0]},
    }
    save(results, RESULTS if arguments.commit else arguments.output, table)


def measure_limits() -> dict[str, float]:
    """Measure how fast NumPy reads and multiplies with one thread, in a process of its own."""
    code = (
        "import json; from benchmarks.run import measure_bandwidth, measure_peak; "
        "print(json.dumps([measure_bandwidth(), measure_peak()]))"
    )
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=one_thread, check=True, capture_output=True, text=True
    )
    bandwidth, peak = json.loads(answer.stdout)
    return {"memory_bandwidth_gb_per_s": bandwidth, "float32_gflop_per_s": peak}


def measure(rounds: int) -> dict:
    """Time prefill and decoding of every implementation after every prompt length."""
    tokenizer = load_smollm2()[1]
    timings = {name: {length: [] for length in PROMPT_LENGTHS} for name in IMPLEMENTATIONS}
    texts = {name: [] for name in IMPLEMENTATIONS}
    with opened_pages() as (version, pages, kept):
        load_ms = {name: page.evaluate("() => running.loadMs") for name, page in pages.items()}
        for turn in range(rounds + 1):
            for length in PROMPT_LENGTHS:
                prompt = prompt_of(tokenizer, length, turn)
                for name, page in pages.items():
                    answer = page.evaluate(
                        "([prompt, count]) => running.write(prompt, count)", [prompt, NUM_DECODED]
                    )
                    texts[name].append(answer["text"])
                    times = f"{answer['prefillMs']:.0f} ms, then {answer['decodeMs']:.1f} a token"
                    print(
                        f"turn {turn}/{rounds}, {length} tokens, {name}: {times}", file=sys.stderr
                    )
                    if turn > 0:
                        timings[name][length].append(answer)
        first = [time_first_token(*kept) for _ in range(rounds + 1)][1:]
    return {
        "versions": {"chromium": version, "wllama": WLLAMA},
        "load_ms": {name: round(ms) for name, ms in load_ms.items()},
        "first_token": {
            "prompt_tokens": first[0]["tokens"],
            "ms": summarise([answer["ms"] for answer in first]),
        },
        "texts": len(next(iter(texts.values()))),
        "texts_that_all_wrote": sum(
            len(set(same)) == 1 for same in zip(*texts.values(), strict=True)
        ),
        **{
            key: {
                name: {
                    length: summarise([answer[field] for answer in answers])
                    for length, answers in by_length.items()
                }
                for name, by_length in timings.items()
            }
            for key, field in (("prefill_ms", "prefillMs"), ("decode_ms", "decodeMs"))
        },
    }


def time_first_token(context: BrowserContext, url: str) -> dict[str, float]:
    """Time a new page from asking for the model to the first token of an answer.

    Every time but the first, the browser's own storage has the file.
    """
    page = context.new_page()
    page.set_default_timeout(0)
    page.goto(url)
    answer = page.evaluate("(question) => timeFirstToken(question)", QUESTION)
    page.close()
    print(f"first token, file kept: {answer['ms']:.0f} ms", file=sys.stderr)
    return answer


def prompt_of(tokenizer: ChatTokenizer, length: int, turn: int) -> dict:
    """Return a text of `length` tokens; each begins otherwise, since wllama keeps prefixes."""
    letter = chr(ord("A") + turn * len(PROMPT_LENGTHS) + PROMPT_LENGTHS.index(length))
    ids = tokenizer.encode(f"{letter}: {LONG_STORY * 9}")[:length].tolist()
    text = tokenizer.decode(ids)
    if tokenizer.encode(text).tolist() != ids:
        raise RuntimeError(f"the first {length} tokens are not those of their own text")
    return {"ids": ids, "text": text}


@contextmanager
def opened_pages() -> Iterator[tuple[str, dict[str, Page], tuple[BrowserContext, str]]]:
    """Yield Chromium's version, a page of each implementation, and where to time a first token."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "index.html").write_text(
            '<!doctype html><script type="module" src="browser_page.mjs"></script>'
        )
        (folder / "browser_page.mjs").symlink_to(HERE / "browser_page.mjs")
        (folder / "engine").symlink_to(Path(tinytorch.browser.__file__).parent)
        (folder / "wllama").symlink_to(fetch_wllama())
        (folder / "model.gguf").symlink_to(smollm2_gguf())
        write_pieces(smollm2_gguf(), folder / "model", licence="Apache-2.0", origin=WHEEL)
        playwright = stack.enter_context(sync_playwright())
        chromium = playwright.chromium
        browser = chromium.launch(executable_path=find_chromium(), args=FLAGS)
        stack.callback(browser.close)
        pages = {}
        for name, (call, is_isolated) in IMPLEMENTATIONS.items():
            pages[name] = browser.new_page()
            pages[name].set_default_timeout(0)
            pages[name].goto(stack.enter_context(serve(folder, ISOLATION if is_isolated else {})))
            pages[name].evaluate(f"async () => {{ window.running = await {call}; }}")
        kept = browser.new_context(), stack.enter_context(serve(folder, {}))
        yield browser.version, pages, kept


def fetch_wllama() -> Path:
    """Return the folder with wllama's modules, fetched from the npm registry the first time."""
    folder = cache_folder() / f"wllama-{WLLAMA}"
    if not folder.is_dir():
        with unpacked(f"@wllama/wllama@{WLLAMA}", cache_folder()) as package:
            (package / "esm").rename(folder)
    return folder


class Handler(SimpleHTTPRequestHandler):
    """Sends files with some more headers, and is silent."""

    def __init__(self, *arguments, headers: dict[str, str], **options):
        self.more_headers = headers
        super().__init__(*arguments, **options)

    def end_headers(self) -> None:
        """Add the headers."""
        for name, value in self.more_headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments) -> None:
        """Say nothing."""


@contextmanager
def serve(folder: Path, headers: dict[str, str]) -> Iterator[str]:
    """Serve a folder while the block runs, and yield its address."""
    handler = partial(Handler, directory=str(folder), headers=headers)
    server = ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def table(results: dict) -> str:
    """Write the medians as a Markdown table; the ratio is a time divided by tinytorch's."""
    rows = []
    for key, work in (("prefill_ms", "prefill of {}"), ("decode_ms", "a token after {}")):
        ours, *_ = results[key].values()
        for length in ours:
            for name, by_length in results[key].items():
                ms = by_length[length]
                rows.append(
                    {
                        "work": work.format(length),
                        "implementation": name,
                        "median ms": f"{ms['median']:.1f}",
                        "quartiles": f"{ms['low']:.1f} to {ms['high']:.1f}",
                        "ratio": f"{ms['median'] / ours[length]['median']:.2f}",
                    }
                )
    first = results["first_token"]
    waited = "From a click to the first of an answer, {} tokens of prompt, file kept: {:.0f} ms."
    return "\n\n".join(
        [
            tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True),
            waited.format(first["prompt_tokens"], first["ms"]["median"]),
        ]
    )


if __name__ == "__main__":
    main()
