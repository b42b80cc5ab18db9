"""The player on the built landing page: its lanes, its controls, its clocks."""

import itertools
import re

import pytest

from tests.browser.drivers import Locator, expect
from tests.browser.drivers.only import FINGER, TAP
from tests.browser.figures import cells, data_of, fixed, legend, shown
from tests.browser.pages import overflow, violations

CHART = "Multiply-adds, by step"
CALM = {"reduced_motion": "reduce"}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


EVENLY = "#GenerationPlayer&real_speed=false"


def opened_player(browser, site_url, fragment=EVENLY, **options):
    """Open the landing page, whose player waits for the reader and shows both lanes at a step."""
    return shown(browser, site_url, "GenerationPlayer", fragment=fragment, **CALM, **options)


def states(lane: Locator) -> list[str]:
    """Return what each token of a lane is."""
    names = "tokens => tokens.map((token) => token.classList[0].slice(3))"
    return lane.locator(".tt-tokens span").evaluate_all(names)


def lanes(widget: Locator) -> tuple[Locator, Locator]:
    """Return the lane without a cache and the lane with one."""
    return widget.locator(".tt-forgets"), widget.locator(".tt-keeps")


def step_field(widget: Locator) -> Locator:
    return widget.get_by_label("Step", exact=True)


@pytest.mark.everywhere
def test_the_keyboard_moves_it(browser, site_url, from_file):
    options = {"from_file": from_file, "fragment": EVENLY}
    with shown(browser, site_url, "GenerationPlayer", **options) as (page, widget):
        run = data_of(widget)["recordings"][0]
        last = len(run["text"]) - 1
        scrubber = step_field(widget)
        scrubber.focus()
        page.keyboard.press("Home")
        written = widget.locator(".tt-keeps .tt-tokens .tt-written")
        expect(written).to_have_text(run["text"][0])
        assert cells(widget, "multiply-adds, this step")[2] == "1.0×"
        assert f"In the cache: {run['seq_pos'][0]} tokens" in widget.inner_text()
        page.keyboard.press("ArrowRight")
        expect(scrubber).to_have_value("1")
        page.keyboard.press("End")
        expect(scrubber).to_have_value(str(last))
        ratio = sum(run["operations_without_cache"]) / sum(run["operations_with_cache"])
        assert cells(widget, "multiply-adds so far")[2] == f"{ratio:.1f}×"
        expect(widget.locator(".tt-score strong").first).to_have_text(f"{ratio:.1f}×")
        page.keyboard.press("Space")
        expect(widget.get_by_role("button", name="Pause")).to_be_visible()
        expect(scrubber).to_have_value(re.compile(r"^[1-9]\d?$"))
        page.keyboard.press("Space")
        expect(widget.get_by_role("button", name="Play")).to_be_visible()
        stopped = scrubber.input_value()
        widget.get_by_role("button", name="Play").focus()
        page.keyboard.press("ArrowLeft")
        expect(scrubber).to_have_value(str(int(stopped) - 1))


@TAP
def test_pointer_and_touch_move_it(browser, site_url, from_file):
    options = {"from_file": from_file, "has_touch": True}
    with opened_player(browser, site_url, **options) as (_, widget):
        run = data_of(widget)["recordings"][0]
        scrubber = step_field(widget)
        chart = widget.get_by_role("slider", name=CHART)
        box = chart.bounding_box()
        chart.tap(position={"x": box["width"] - 16, "y": 100})
        expect(scrubber).to_have_value(str(len(run["text"]) - 1))
        chart.click(position={"x": 62, "y": 100})
        expect(scrubber).to_have_value("0")
        widget.get_by_role("button", name="Step forward").tap()
        expect(scrubber).to_have_value("1")
        widget.get_by_label("add up the steps").uncheck()
        assert legend(widget)[1] == f"{run['operations_with_cache'][1] / 1e6:.3g} million"


def test_the_lanes_show_what_each_step_computes(browser, site_url):
    with opened_player(browser, site_url) as (page, widget):
        run = data_of(widget)["recordings"][0]
        prompt, new = len(run["prompt_tokens"]), len(run["text"])
        without, with_cache = lanes(widget)
        start = ["now"] * prompt + ["written"] + ["future"] * (new - 1)
        assert states(without) == states(with_cache) == start
        step_field(widget).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        rest = ["now", "written"] + ["future"] * (new - 3)
        assert states(without) == ["again"] * (prompt + 1) + rest
        assert states(with_cache) == ["kept"] * (prompt + 1) + rest
        assert f"{prompt + 2} tokens computed, {prompt + 1} of them again" in widget.inner_text()


def test_a_token_or_a_column_is_a_place_to_go(browser, site_url):
    with opened_player(browser, site_url) as (page, widget):
        run = data_of(widget)["recordings"][0]
        last, prompt = len(run["text"]) - 1, len(run["prompt_tokens"])
        scrubber = step_field(widget)
        scrubber.focus()
        page.keyboard.press("End")
        for lane, at in zip(lanes(widget), (7, 5), strict=True):
            lane.locator(".tt-tokens span").nth(prompt + at).click()
            expect(scrubber).to_have_value(str(at))
        lanes(widget)[1].locator(".tt-tokens span").nth(2).click()
        expect(scrubber).to_have_value("0")
        grid = widget.locator(".tt-cache")
        box = grid.bounding_box()
        column = box["width"] / (prompt + last)
        grid.click(position={"x": column * (prompt + 3.5), "y": 20})
        expect(scrubber).to_have_value("4")
        grid.click(position={"x": column / 2, "y": 20})
        expect(scrubber).to_have_value("0")


def test_a_mouse_that_hovers_reads_and_leaves_the_step(browser, site_url):
    with opened_player(browser, site_url) as (page, widget):
        scrubber = step_field(widget)
        scrubber.focus()
        page.keyboard.press("End")
        before, step = legend(widget), scrubber.input_value()
        words = widget.locator(".tt-words")
        summary = words.inner_text()
        without, with_cache = lanes(widget)
        without.locator(".tt-tokens span").first.hover()
        expect(words).to_contain_text(f"computed {int(step) + 1} times so far")
        with_cache.locator(".tt-tokens span").first.hover()
        expect(words).to_contain_text("computed once so far, and kept")
        widget.get_by_role("slider", name=CHART).hover(position={"x": 200, "y": 100})
        assert legend(widget) != before
        page.mouse.move(0, 0)
        assert legend(widget) == before
        assert words.inner_text() == summary
        assert scrubber.input_value() == step


NOTE_THE_MOMENT = """(figure, done) => {
  const head = (lane) => figure.querySelector(`${lane} .tt-head span`).textContent;
  const step = () => figure.querySelector("[aria-label=Step]").value;
  new MutationObserver((_, observer) => {
    if (!head(".tt-keeps").startsWith(done)) return;
    window.noted = [head(".tt-forgets"), step(), figure.innerText];
    observer.disconnect();
  }).observe(figure, { subtree: true, childList: true, characterData: true });
}"""
"""What the figure shows in the moment when the lane with a cache is done: it does not last."""


def test_both_runs_play_at_their_real_speed(browser, site_url):
    with shown(browser, site_url, "GenerationPlayer") as (_, widget):
        run = data_of(widget)["recordings"][0]
        new = len(run["text"])
        expect(widget.get_by_label("Speed")).to_have_value("real")
        without, with_cache = (lane.locator(".tt-head span") for lane in lanes(widget))
        *_, ms = itertools.accumulate(run["ms"])  # the figure adds them so; Python's sum may not
        spent = f"{fixed(ms / 1000, 1)} s" if ms >= 1000 else f"{fixed(ms, 0)} ms"
        done = f"{new} of {new} new tokens"
        widget.evaluate(NOTE_THE_MOMENT, done)
        expect(with_cache).to_have_text(f"{done}, {spent}", timeout=30_000)
        behind, step, text = widget.page.evaluate("noted")
        assert int(behind.split()[0]) < new
        assert step == str(new - 1)
        assert re.search(rf"{new} tokens with a cache, \d+ without one", text)
        expect(without).to_contain_text(done, timeout=60_000)
        expect(widget.get_by_role("button", name="Play")).to_be_visible()
        widget.get_by_role("button", name="Step back").click()
        expect(with_cache).to_contain_text(f"{new - 1} of {new} new tokens")
        assert int(without.inner_text().split()[0]) < new - 1


def test_a_recording_is_chosen(browser, site_url):
    with opened_player(browser, site_url) as (page, widget):
        runs = data_of(widget)["recordings"]
        assert len(runs) == 3
        step_field(widget).focus()
        page.keyboard.press("End")
        widget.get_by_label("Recording").select_option("a long letter")
        expect(step_field(widget)).to_have_value("0")
        run = runs[2]
        prompt = len(run["prompt_tokens"])
        assert prompt >= 200
        assert f"In the cache: {prompt} tokens" in widget.inner_text()
        assert states(lanes(widget)[0]).count("now") == prompt
        page.keyboard.press("End")
        widget.get_by_label("Step", exact=True).press("End")
        ratio = sum(run["operations_without_cache"]) / sum(run["operations_with_cache"])
        expect(widget.locator(".tt-score strong").first).to_have_text(f"{ratio:.1f}×")
        page.set_viewport_size(PHONE["viewport"])
        lane = lanes(widget)[0].bounding_box()
        assert lane["height"] < 320
        assert overflow(page) <= 0
        assert violations(page, "[data-afm=GenerationPlayer]") == []


def test_it_plays_once_when_it_is_seen(browser, site_url):
    with shown(browser, site_url, "GenerationPlayer") as (page, widget):
        button = widget.locator(".tt-play")
        expect(button).to_have_text("Pause")
        expect(step_field(widget)).not_to_have_value("0")
        page.locator("footer").last.scroll_into_view_if_needed()
        expect(button).to_have_text("Play")
        step = step_field(widget).input_value()
        widget.scroll_into_view_if_needed()
        page.wait_for_timeout(1500)
        assert step_field(widget).input_value() == step


def test_a_reader_who_does_something_is_not_played_to(browser, site_url):
    with shown(browser, site_url, "GenerationPlayer") as (page, widget):
        step_field(widget).focus()
        page.keyboard.press("ArrowRight")
        stopped = step_field(widget).input_value()
        page.wait_for_timeout(1500)
        assert step_field(widget).input_value() == stopped
        expect(widget.locator(".tt-play")).to_have_text("Play")


def test_nothing_plays_off_screen(browser, site_url):
    with shown(browser, site_url, "GenerationPlayer") as (page, widget):
        step_field(widget).focus()
        page.keyboard.press("Home")
        page.keyboard.press("Space")
        page.locator("footer").last.scroll_into_view_if_needed()
        expect(widget.locator(".tt-play")).to_have_text("Play")
        expect(step_field(widget)).not_to_have_value("59")


def test_with_reduced_motion_nothing_moves(browser, site_url):
    with opened_player(browser, site_url) as (page, widget):
        last = str(len(data_of(widget)["recordings"][0]["text"]) - 1)
        page.wait_for_timeout(1500)
        assert step_field(widget).input_value() == "0"
        widget.get_by_role("button", name="Show all").click()
        assert step_field(widget).input_value() == last
        moving = "element => element.getAnimations({ subtree: true }).length"
        assert widget.evaluate(moving) == 0


def test_no_lane_flashes_more_than_three_times_a_second(browser, site_url):
    with shown(browser, site_url, "GenerationPlayer") as (page, widget):
        page.evaluate(
            """() => {
                window.flashes = [];
                const animate = Element.prototype.animate;
                Element.prototype.animate = function (...given) {
                    flashes.push([this.closest(".tt-lane").className, performance.now()]);
                    return animate.apply(this, given);
                };
            }"""
        )
        expect(widget.locator(".tt-play")).to_have_text("Pause")  # it has begun by itself
        widget.locator(".tt-play").click()
        widget.get_by_label("Speed").select_option("20 tokens/s")
        step_field(widget).focus()
        page.keyboard.press("Home")
        page.keyboard.press("Space")
        expect(step_field(widget)).to_have_value("59", timeout=30_000)
        flashes = page.evaluate("flashes")
        for lane in ("tt-lane tt-forgets", "tt-lane tt-keeps"):
            times = [time for name, time in flashes if name == lane]
            assert len(times) >= 3
            assert all(b - a > 1000 / 3 for a, b in itertools.pairwise(times))


@FINGER
def test_controls_are_large_where_fingers_use_them(browser, site_url):
    with opened_player(browser, site_url, **PHONE) as (_, widget):
        for control in widget.locator("button:visible, select:visible, summary:visible").all():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 44, control.inner_text()
        assert step_field(widget).bounding_box()["height"] >= 44


@pytest.mark.parametrize(
    "nonsense", ["step=-5", "step=1e99", "step=x", "speed=0&step=2", "recording=9", "recording=x"]
)
def test_a_link_with_nonsense_does_no_harm(browser, site_url, nonsense):
    fragment = f"#GenerationPlayer&{nonsense}"
    with opened_player(browser, site_url, fragment=fragment) as (_, widget):
        assert 0 <= int(step_field(widget).input_value()) <= 59
        expect(widget.locator(".tt-keeps .tt-tokens .tt-written")).to_have_count(1)


def test_a_link_chooses_the_recording(browser, site_url):
    fragment = "#GenerationPlayer&recording=2&step=3"
    with opened_player(browser, site_url, fragment=fragment) as (_, widget):
        expect(widget.get_by_label("Recording")).to_have_value("2")
        expect(step_field(widget)).to_have_value("3")


def test_the_table_holds_the_run(browser, site_url):
    with opened_player(browser, site_url) as (_, widget):
        run = data_of(widget)["recordings"][0]
        widget.get_by_text("Data as a table").click()
        row = widget.locator("details tbody tr").nth(5).locator("td").all_inner_texts()
        assert row[1] == str(run["seq_pos"][5])
        assert row[3] == f"{run['operations_without_cache'][5]:,}"
        assert row[5:] == [fixed(run[name][5], 1) for name in ("ms_without_cache", "ms")]
