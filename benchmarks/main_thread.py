"""Measure what a page's own thread does while a model runs: ``python -m benchmarks.main_thread``.

A race and a lab of the built site, in headless Chromium, on a machine that does nothing else. A
task of over 50 ms is what a reader feels: https://w3c.github.io/longtasks/
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.browser.conftest import FLAGS, SITE
from tests.browser.figures import shown
from tests.browser.installed import find_chromium
from tests.browser.races import ask_for, button, load_model, verdict
from tests.browser.server import serve
from tinytorch.widgets.live_race import PROMPTS

WITHIN = 300_000  # ms
NEW_TOKENS = 60
LONG_TASKS = """() => {
    window.longTasks = [];
    const note = (list) => longTasks.push(...list.getEntries().map(({ duration }) => duration));
    new PerformanceObserver(note).observe({ type: "longtask" });
}"""


def race(widget: Locator) -> None:
    """Race on the longest prompt that the figure offers."""
    ask_for(widget, PROMPTS["a long letter"], NEW_TOKENS)
    button(widget, "Start the race").click()
    expect(verdict(widget)).to_contain_text("Both texts are equal: ", timeout=WITHIN)


def load_lab(widget: Locator) -> None:
    """Load the model; the lab runs its chosen switch at once."""
    button(widget, "Load the model").click()
    expect(widget).to_contain_text("Computed in this page.", timeout=WITHIN)


def run_all(widget: Locator) -> None:
    """Run all switches of a lab."""
    button(widget, "Run all").click()
    expect(widget.get_by_role("status")).to_have_text("All switches were run", timeout=WITHIN)


MEASURED = {"LiveRace": (load_model, race), "CacheLab": (load_lab, run_all)}


def main() -> None:
    """Print how busy the page's own thread is, and its tasks of over 50 ms."""
    with sync_playwright() as playwright, serve(SITE) as url:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name, runs in MEASURED.items():
            with shown(browser, url, name, reduced_motion="reduce") as (page, widget):
                page.evaluate(LONG_TASKS)
                for run in runs:
                    print(f"{name}, {run.__name__}: {measure(page, widget, run)}")
        browser.close()


def measure(page: Page, widget: Locator, run: Callable[[Locator], None]) -> str:
    """Run something; say what the page's own thread did meanwhile."""
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")

    def spent() -> tuple[float, float]:
        metrics = client.send("Performance.getMetrics")["metrics"]
        found = {item["name"]: item["value"] for item in metrics}
        return found["TaskDuration"], found["Timestamp"]

    page.evaluate("longTasks.length = 0")
    busy, start = spent()
    run(widget)
    busy, seconds = (after - before for after, before in zip(spent(), (busy, start), strict=True))
    long_tasks = page.evaluate("longTasks")
    client.detach()
    tasks = f"{len(long_tasks)} tasks of over 50 ms"
    if long_tasks:
        tasks += f", the longest {max(long_tasks):.0f} ms"
    return f"busy {busy:.2f} of {seconds:.1f} s; {tasks}"


if __name__ == "__main__":
    main()
