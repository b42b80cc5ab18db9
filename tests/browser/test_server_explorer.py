"""The server explorer on a page of its own: its numbers are Python's, and it can be worked."""

import re

import pytest

from tests.browser.drivers import Locator, expect
from tests.browser.drivers.only import FINGER, NO_SCRIPT
from tests.browser.figures import TEXTS
from tests.browser.pages import overflow, violations
from tests.browser.single import single
from tinytorch.analysis.server_summary import summarize
from tinytorch.widgets import ServerExplorer
from tinytorch.widgets.server_explorer import POLICIES
from tinytorch.widgets.server_scenarios import SCENARIOS

PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
STILL = {"reduced_motion": "reduce"}
STATES = {
    "queued": "line.tt-queued",
    "preempted": "line.tt-preempted",
    "prefill": "rect.tt-now",
    "decode": "rect.tt-kept",
    "again": "rect.tt-is-again",
    "idle": "rect.tt-is-idle",
}


def rates(explorer: ServerExplorer) -> list[str]:
    """Return the tokens a second with each policy, as the cards have them."""
    numbers = [summarize(explorer.simulation(policy)) for policy in POLICIES]
    return [f"{each['tokens_per_second']:,.0f}" for each in numbers]


def shown_rates(view: Locator) -> list[str]:
    """Return the tokens a second on the cards, once all three are computed."""
    expect(view.locator(".tt-cards[aria-busy]")).to_have_count(0)
    return view.locator(".tt-card strong").all_inner_texts()


def words(view: Locator) -> str:
    return view.locator(".tt-words").inner_text().replace("\u00a0", " ")


def stretches(view: Locator) -> dict[str, int]:
    line = view.locator("svg.tt-timeline")
    return {state: line.locator(name).count() for state, name in STATES.items()}


def drawn(explorer: ServerExplorer) -> dict[str, int]:
    all_states = [one[0] for each in explorer.simulation().requests for one in each.stretches]
    return {state: all_states.count(state) for state in STATES}


def test_the_first_view_has_the_numbers_of_python(browser):
    explorer = ServerExplorer()
    with single(browser, explorer) as (_, view):
        assert shown_rates(view) == rates(explorer)
        assert stretches(view) == drawn(explorer)
        numbers = summarize(explorer.simulation())
        idle = view.locator("tr", has_text="Places that wait").locator("td").nth(1)
        expect(idle).to_have_text(f"{100 * numbers['idle_rows']:.3g} %")
        rate = f"{numbers['tokens_per_second']:,.0f}"
        goal = f"Number to beat: {rate} tokens a second. Try continuous batches."
        expect(view.locator(".tt-goal")).to_have_text(goal)
        now = explorer.simulation().passes[60]
        assert words(view).startswith(f"Pass 61 of 376, at {1000 * now.start:.0f} ms: 3 requests")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_sets_everything_and_its_number_is_python_s(browser, name):
    with single(browser, ServerExplorer(), **STILL) as (_, view):
        button = view.get_by_role("button", name=name, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        explorer = ServerExplorer(name)
        assert shown_rates(view) == rates(explorer)
        assert stretches(view) == drawn(explorer)
        assert f"Pass {explorer.step + 1} of" in words(view)
        repeated = 1 if name == "pool too small" else 0
        expect(view.locator(".tt-repeated")).to_have_count(repeated)


def test_what_a_reader_sets_is_computed_anew_and_can_beat_the_number(browser):
    explorer = ServerExplorer("one 4,000-token prompt")
    with single(browser, explorer) as (page, view):
        view.get_by_text("Settings").click()
        field = view.get_by_role("spinbutton", name="Most tokens a pass")
        field.fill("256")
        page.keyboard.press("Enter")
        explorer.max_tokens_per_step = 256
        gap = summarize(explorer.simulation())["longest_gap"]
        expect(view.locator(".tt-goal")).to_contain_text(f"Now {1000 * gap:.3g} ms: better.")
        view.get_by_label("all arrive at once").check()
        view.get_by_label("Model").select_option("SmolLM2-1.7B")
        view.get_by_label("Device").select_option("NVIDIA L4")
        explorer.all_at_once, explorer.model = True, "SmolLM2-1.7B"
        explorer.device = "NVIDIA L4"
        assert shown_rates(view) == rates(explorer)
        view.get_by_role("button", name="Reset").click()
        assert shown_rates(view) == rates(ServerExplorer("one 4,000-token prompt"))


def test_the_memory_of_a_pass_is_the_same_however_it_is_reached(browser):
    explorer = ServerExplorer("fully cached prompt", step=30, selected=5)
    with single(browser, explorer, **STILL) as (page, view):
        pool = view.locator("svg.tt-pool")
        straight = pool.inner_html(), view.locator(".tt-batch").inner_html()
        page.keyboard.press("Tab")
        view.get_by_role("button", name="Pass back").click()
        assert pool.inner_html() != straight[0]
        view.get_by_role("button", name="Pass forward").click()
        assert (pool.inner_html(), view.locator(".tt-batch").inner_html()) == straight
        expect(pool).to_have_attribute("aria-label", re.compile("of 128 blocks held"))


def test_a_marked_request_tells_its_block_table(browser):
    explorer = ServerExplorer("pool too small", step=25)
    steps = explorer.simulation().events
    computed = [one for one in steps if one["step"] == 26 and one["event"] == "compute"]
    with single(browser, explorer) as (_, view):
        for event in computed[:3]:
            view.get_by_label("Mark request").select_option(str(event["request"]))
            table = ", ".join(str(block) for block in event["blocks"])
            expect(view.locator(".tt-table")).to_contain_text(f"block table {table};")
            marked = view.locator(".tt-block.tt-mine").count()
            assert marked == len(event["blocks"])
        held = {block for event in computed for block in event["blocks"]}
        expect(view.locator(".tt-note", has_text="blocks held")).to_contain_text(
            f"{len(held)} of 32 blocks held"
        )
        view.locator(".tt-batch li").first.click()
        chosen = view.get_by_label("Mark request").input_value()
        assert chosen == str(computed[0]["request"])


def test_a_batch_of_many_is_not_drawn_whole_and_says_so(browser):
    explorer = ServerExplorer(num_requests=30, max_running=30, step=5)
    with single(browser, explorer) as (_, view):
        running = explorer.simulation().passes[5].num_running
        drawn_rows = view.locator(".tt-batch li").count()
        assert running > drawn_rows == 16
        expect(view.get_by_text(f"and {running - drawn_rows} more")).to_be_visible()


@pytest.mark.everywhere
def test_keys_step_and_play_and_a_press_on_the_time_line_goes_there(browser):
    with single(browser, ServerExplorer()) as (page, view):
        scrubber = view.get_by_role("slider", name="Pass")
        view.get_by_role("button", name="Pass back").focus()
        for key, value in (
            ("ArrowRight", "61"),
            ("ArrowLeft", "60"),
            ("End", "375"),
            ("Home", "0"),
        ):
            page.keyboard.press(key)
            expect(scrubber).to_have_value(value)
        scrubber.focus()
        page.keyboard.press("Space")
        expect(view.get_by_role("button", name="Pause")).to_be_visible()
        expect(scrubber).not_to_have_value("0")
        page.keyboard.press("Space")
        expect(view.get_by_role("button", name="Play")).to_be_visible()
        line = view.locator("svg.tt-timeline")
        box = line.bounding_box()
        line.click(position={"x": box["width"] - 10, "y": 16 * 17 + 8})
        expect(view.get_by_label("Mark request")).to_have_value("17")
        assert int(scrubber.input_value()) > 365


def test_nothing_plays_for_a_reader_who_wants_less_motion(browser):
    with single(browser, ServerExplorer(), **STILL) as (_, view):
        view.get_by_role("button", name="To the end").click()
        expect(view.get_by_role("slider", name="Pass")).to_have_value("375")


def test_a_request_that_fits_nowhere_is_refused_in_words(browser):
    explorer = ServerExplorer(cache_tokens=16, block_size=16)
    with single(browser, explorer) as (_, view):
        refused = summarize(explorer.simulation())["num_refused"]
        assert refused > 10
        expect(view.get_by_text("refused: longer than the pool")).to_have_count(refused)
        row = view.locator("tr", has_text="Requests refused").locator("td")
        assert row.all_inner_texts() == [str(refused)] * 3


def test_nothing_at_all_fits(browser):
    explorer = ServerExplorer("same system prompt", cache_tokens=64)
    with single(browser, explorer) as (page, view):
        assert words(view) == "No request fits in the memory."
        view.get_by_role("button", name="Play").click()
        view.get_by_role("button", name="Pass forward").click()
        page.keyboard.press("End")
        assert violations(page) == []


def test_a_link_opens_its_view_with_one_simulation(browser):
    fragment = "#ServerExplorer&policy=continuous&rate=7&all_at_once=false&step=12"
    with single(browser, ServerExplorer(), fragment=fragment) as (_, view):
        explorer = ServerExplorer(policy="continuous", rate=7, all_at_once=False)
        assert shown_rates(view) == rates(explorer)
        expect(view.get_by_role("slider", name="Pass")).to_have_value("12")
        expect(view.get_by_role("radio", name="continuous")).to_be_checked()


@FINGER
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["pool too small", "same system prompt"])
def test_it_is_accessible_in_both_themes_and_on_a_phone(browser, scheme, name):
    options = {"color_scheme": scheme, **PHONE, **STILL}
    with single(browser, ServerExplorer(name, selected=3), **options) as (page, view):
        view.get_by_text("Settings").click()
        view.get_by_text("Data as a table").click()
        rows = view.locator("details tbody tr")
        expect(rows.first).to_be_visible()
        assert rows.count() == len(ServerExplorer(name).simulation().requests)
        assert violations(page) == []
        assert overflow(page) <= 0
        small = view.locator("button, select, summary, input[type=range], .tt-check").evaluate_all(
            "(all) => all.filter((e) => e.getClientRects().length && e.offsetHeight < 44).length"
        )
        assert small == 0
        page.set_viewport_size({"width": 1280, "height": 900})
        assert violations(page) == []


CORNERS = [
    {"num_requests": 64, "mean_answer": 256, "model": "Llama-3.1-405B", "device": "NVIDIA L4"},
    {"model": "SmolLM2-135M", "device": "NVIDIA H100 SXM", "cache_tokens": 16384, "block_size": 4},
    {"num_requests": 1},
]
"""Long and short times, many rows and blocks, and few."""


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("values", CORNERS, ids=["long", "short", "one"])
def test_no_label_lies_over_another_at_any_corner(browser, width, values):
    options = {"viewport": {"width": width, "height": 900}}
    with single(browser, ServerExplorer(selected=0, **values), **options) as (page, view):
        expect(view.locator(".tt-cards[aria-busy]")).to_have_count(0)
        assert view.evaluate(TEXTS) == []
        assert overflow(page) <= 0


def test_what_changed_is_announced(browser):
    with single(browser, ServerExplorer()) as (_, view):
        view.get_by_role("radio", name="continuous").check()
        expect(view.get_by_role("status")).to_contain_text("continuous: 836 tokens a second")


@NO_SCRIPT
@pytest.mark.parametrize("width", [390, 1280])
def test_it_has_numbers_and_time_lines_without_javascript(browser, width):
    options = {"java_script_enabled": False, "viewport": {"width": width, "height": 900}}
    with single(browser, ServerExplorer(), **options) as (page, view):
        expect(view).to_have_count(0)
        expect(page.locator("svg[role=img]")).to_be_visible()
        expect(page.get_by_role("row", name="continuous 836")).to_be_visible()
        assert overflow(page) <= 0
