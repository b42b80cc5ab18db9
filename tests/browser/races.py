"""What a reader does at the live race, and reads in it."""

from tests.browser.drivers import Locator, Page, expect
from tinytorch.analysis import forward_operations, kv_cache_bytes
from tinytorch.models import load_smollm2

NAME = "LiveRace"
WIDGET = f"[data-afm={NAME}] .tt-w"
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
CALM = {"reduced_motion": "reduce"}
PROMPT = "The cat sat on the mat, and"
WITHIN = 60_000


def button(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("button", name=name)


def verdict(widget: Locator) -> Locator:
    return widget.locator(".tt-verdict")


def counts(widget: Locator) -> list[int]:
    """Return how many tokens each lane has."""
    heads = widget.locator(".tt-head span").all_inner_texts()
    return [int(head.split()[0]) for head in heads]


def texts(widget: Locator) -> list[str]:
    return widget.locator(".tt-tokens").all_inner_texts()


def workers_left(page: Page) -> int:
    """Return how many workers a page has, once those that were stopped have ended."""
    for _ in range(100):
        if not page.workers:
            break
        page.wait_for_timeout(50)
    return len(page.workers)


def ask_for(widget: Locator, prompt: str, new_tokens: int) -> None:
    widget.get_by_label("Your prompt").fill(prompt)
    field = widget.get_by_label("New tokens", exact=True)
    field.fill(str(new_tokens))
    field.press("Enter")


def load_model(widget: Locator) -> None:
    button(widget, "Load the model").click()
    expect(button(widget, "Start the race")).to_be_visible(timeout=WITHIN)


def expected_rows(prompt_length: int, new_tokens: int) -> list[list[str]]:
    """Return what tinytorch's formulas give for the multiply-adds and the cache."""
    config = load_smollm2()[0].config

    def work(queries: int, keys: int) -> int:
        return sum(forward_operations(config, queries, keys).values())

    lengths = range(prompt_length, prompt_length + new_tokens)
    without = sum(work(length, length) for length in lengths)
    later = sum(work(1, length) for length in lengths[1:])
    with_cache = work(prompt_length, prompt_length) + later
    kept = kv_cache_bytes(config, lengths[-1])
    return [
        [rounded(without), rounded(with_cache), f"{without / with_cache:.1f}×"],
        ["0", f"{kept:,}", ""],
    ]


def rounded(count: int) -> str:
    for size, word in ((1e12, "trillion"), (1e9, "billion")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count / 1e6:.3g} million"
