"""Measure how fast figures follow a reader's steps: ``python -m benchmarks.scrub``.

The generation player's slider in a made-up run of 128 tokens and 30 layers, and the attention
stepper's phases in a real run, in headless Chromium. For each step the time of script, style and
layout is taken, and over all steps the main thread's time, painting included.
"""

from __future__ import annotations

import statistics

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.installed import find_chromium
from tests.widgets.runs import small_run
from tinytorch.models import load_smollm2
from tinytorch.widgets import AttentionStepper, GenerationPlayer
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.bundle import host_script, styles, view_script

NUM_TOKENS, NUM_LAYERS = 128, 30
PROMPT = "The lighthouse keeper was tired, so he"
SLIDER = (".tt-w input[type=range]", "input")
PHASES = (".tt-w select", "change")

SCRUB = """async ([[selector, event], order]) => {
    const control = document.querySelector(selector);
    const times = [];
    for (const value of order) {
        const start = performance.now();
        control.value = value;
        control.dispatchEvent(new Event(event));
        document.body.getBoundingClientRect();
        times.push(performance.now() - start);
        await new Promise(requestAnimationFrame);
    }
    return times;
}"""


def main() -> None:
    """Print the medians: of a player with one recording and with three, and of a stepper."""
    order = [*range(NUM_TOKENS), *range(0, NUM_TOKENS, 7), *reversed(range(NUM_TOKENS))]
    run = small_run(NUM_TOKENS, NUM_LAYERS, timed=True)
    stepper = AttentionStepper.from_prompt(*load_smollm2(), PROMPT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for count in (1, 3):
            print(f"player, {NUM_TOKENS} tokens, {NUM_LAYERS} layers, recordings: {count}")
            report(scrub(browser, GenerationPlayer([run] * count), SLIDER, order))
        print(f"stepper, {len(stepper.trace['tokens'])} tokens")
        report(scrub(browser, stepper, PHASES, [step % 5 for step in order]))
        browser.close()


def report(measured: tuple[list[float], float]) -> None:
    """Print what `scrub` measured."""
    times, busy_ms = measured
    print(f"  script, style and layout: median {statistics.median(times):.2f} ms")
    print(f"  main thread, painting included: mean {busy_ms:.2f} ms a step, {len(times)} steps")


def scrub(
    browser: Browser, widget: ChapterWidget, control: tuple[str, str], order: list[int]
) -> tuple[list[float], float]:
    """Set a control of a figure to each value; return each time, and the mean with painting.

    The control is given by its selector and the event that it fires.
    """
    script = host_script() + view_script(type(widget).__name__, widget.module)
    html = f"<style>{styles()}</style>{widget.to_html()}<script>{script}</script>"
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_content(html)
    page.wait_for_function("document.querySelector('.tt-w svg').childElementCount > 0")
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")

    def busy_s() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return next(item["value"] for item in metrics if item["name"] == "TaskDuration")

    before = busy_s()
    times = page.evaluate(SCRUB, [control, order])
    busy_ms = (busy_s() - before) * 1e3 / len(order)
    page.close()
    return times, busy_ms


if __name__ == "__main__":
    main()
