"""Measure how fast figures follow a reader's steps: ``python -m benchmarks.scrub``.

In headless Chromium: the generation player's slider in a made-up run of 128 tokens and 30 layers,
the attention stepper's phases in a real run, a slider of both explorers, all switches of a cache
lab, the temperature of a live race, and the passes of a server. For each step the time of script,
style and layout is taken, and over all steps the main thread's time, painting included.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.installed import find_chromium
from tests.browser.single import SITE, answer_with, document
from tests.widgets.runs import small_run
from tests.widgets.sessions import Session
from tinytorch.models import load_smollm2
from tinytorch.widgets import (
    AttentionStepper,
    CacheLab,
    CacheMemoryExplorer,
    GenerationPlayer,
    LiveRace,
    OperationExplorer,
    ServerExplorer,
    record_lab,
)
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.cache_lab import SWITCHES

NUM_TOKENS, NUM_LAYERS = 128, 30
PROMPT = "The lighthouse keeper was tired, so he"
MOST_MS = 8
"""The median that a step may take: half a frame of a screen that shows 60 in a second."""

MODEL_BYTES = 98_000_000  # a site with a model, whose live race has a form
PLACES = range(0, 1001, 4)  # of the explorers' sliders

SCRUB = """async ([[selector, event], order]) => {
    const controls = document.querySelectorAll(selector);
    const times = [];
    for (const value of order) {
        const start = performance.now();
        if (event === "click") controls[value].click();
        else {
            controls[0].value = value;
            controls[0].dispatchEvent(new Event(event));
        }
        document.body.getBoundingClientRect();
        times.push(performance.now() - start);
        await new Promise(requestAnimationFrame);
    }
    return times;
}"""

IS_DRAWN = """(selector) => {
    const drawing = document.querySelector(".tt-w svg");
    return document.querySelector(selector) && drawing?.childElementCount !== 0;
}"""


@dataclass(frozen=True)
class Steps:
    """What a reader does with a figure.

    Parameters
    ----------
    title : str
    widget : ChapterWidget
    control : tuple of str
        A selector, and the event that the control fires. With "click", a value is which of the
        selected elements is clicked.
    order : list of int or float
        The control's values, one after the other.
    """

    title: str
    widget: ChapterWidget
    control: tuple[str, str]
    order: list[float]


def all_steps() -> Iterator[Steps]:
    """Make each figure, and say how its reader goes through it."""
    order = [*range(NUM_TOKENS), *range(0, NUM_TOKENS, 7), *reversed(range(NUM_TOKENS))]
    run = small_run(NUM_TOKENS, NUM_LAYERS, timed=True)
    slider = (".tt-w input[type=range]", "input")
    for count in (1, 3):
        title = f"player, {NUM_TOKENS} tokens, {NUM_LAYERS} layers, recordings: {count}"
        yield Steps(title, GenerationPlayer([run] * count), slider, order)
    model, tokenizer = load_smollm2()
    stepper = AttentionStepper.from_prompt(model, tokenizer, PROMPT)
    title = f"stepper, {len(stepper.trace['tokens'])} tokens"
    yield Steps(title, stepper, (".tt-w select", "change"), [step % 5 for step in order])
    places = [*PLACES, *reversed(PLACES)]
    for title, widget, name in (
        ("operation explorer, new tokens", OperationExplorer(), "New tokens"),
        ("cache memory explorer, context", CacheMemoryExplorer(), "Context, tokens"),
    ):
        yield Steps(title, widget, (f".tt-w [type=range][aria-label='{name}']", "input"), places)
    race = LiveRace.from_prompt(model, tokenizer, PROMPT, 20)
    yield Steps("live race, temperature", race, slider, [step % 21 / 10 for step in order])
    passes = (".tt-w .tt-transport input", "input")
    yield Steps("server explorer, 256 passes", ServerExplorer("pool too small"), passes, order)
    text = tokenizer.encode(PROMPT)
    sessions = dict.fromkeys(SWITCHES, lambda: Session(model))
    lab = CacheLab(record_lab(tokenizer, text, 4, sessions), "right")
    title = f"cache lab, {len(sessions)} switches"
    yield Steps(title, lab, (".tt-w tbody input", "click"), [i % len(sessions) for i in order])


def main() -> None:
    """Print the medians."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for steps in all_steps():
            print(steps.title)
            report(scrub(browser, steps))
        browser.close()


def report(measured: tuple[list[float], float]) -> None:
    """Print what `scrub` measured."""
    times, busy_ms = measured
    median = statistics.median(times)
    kept = "within" if median <= MOST_MS else "OVER"
    print(f"  script, style and layout: median {median:.2f} ms, {kept} the limit of {MOST_MS} ms")
    print(f"  main thread, painting included: mean {busy_ms:.2f} ms a step, {len(times)} steps")


def scrub(browser: Browser, steps: Steps) -> tuple[list[float], float]:
    """Set a control of a figure to each value; return each time, and the mean with painting."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    answer_with(page, document(steps.widget, MODEL_BYTES))
    page.goto(SITE)
    page.wait_for_function(IS_DRAWN, arg=steps.control[0])
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")

    def busy_s() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return next(item["value"] for item in metrics if item["name"] == "TaskDuration")

    before = busy_s()
    times = page.evaluate(SCRUB, [steps.control, steps.order])
    busy_ms = (busy_s() - before) * 1e3 / len(steps.order)
    page.close()
    return times, busy_ms


if __name__ == "__main__":
    main()
