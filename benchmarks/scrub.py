"""Measure how fast the generation player follows its slider: ``python -m benchmarks.scrub``.

A made-up run of 128 tokens in 30 layers, in headless Chromium. For each step the time of script,
style and layout is taken, and over all steps the main thread's time, painting included.
"""

from __future__ import annotations

import statistics

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.installed import find_chromium
from tests.widgets.runs import small_run
from tinytorch.widgets import WIDGETS, GenerationPlayer
from tinytorch.widgets.bundle import site_script, styles

NUM_TOKENS, NUM_LAYERS = 128, 30

SCRUB = """async (order) => {
    const scrubber = document.querySelector(".tt-w input[type=range]");
    const times = [];
    for (const step of order) {
        const start = performance.now();
        scrubber.value = step;
        scrubber.dispatchEvent(new Event("input"));
        document.body.getBoundingClientRect();
        times.push(performance.now() - start);
        await new Promise(requestAnimationFrame);
    }
    return times;
}"""


def main() -> None:
    """Print the medians, of a player with one recording and of one with three."""
    order = [*range(NUM_TOKENS), *range(0, NUM_TOKENS, 7), *reversed(range(NUM_TOKENS))]
    print(f"{len(order)} steps of a run of {NUM_TOKENS} tokens in {NUM_LAYERS} layers")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for count in (1, 3):
            times, busy_ms = scrub(browser, count, order)
            print(f"recordings: {count}")
            print(f"  script, style and layout: median {statistics.median(times):.2f} ms")
            print(f"  main thread, painting included: mean {busy_ms:.2f} ms a step")
        browser.close()


def scrub(browser: Browser, count: int, order: list[int]) -> tuple[list[float], float]:
    """Move a player's slider; return the time of each step, and the mean with painting."""
    player = GenerationPlayer([small_run(NUM_TOKENS, NUM_LAYERS, timed=True)] * count)
    script = site_script({widget.__name__: widget.module for widget in WIDGETS})
    html = f"<style>{styles()}</style>{player.to_html()}<script>{script}</script>"
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_content(html)
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")

    def busy_s() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return next(item["value"] for item in metrics if item["name"] == "TaskDuration")

    before = busy_s()
    times = page.evaluate(SCRUB, order)
    busy_ms = (busy_s() - before) * 1e3 / len(order)
    page.close()
    return times, busy_ms


if __name__ == "__main__":
    main()
