"""The tree of known texts and the mask of a pass, in the server explorer on a page of its own."""

import re

import pytest

from tests.browser.drivers import Locator, expect
from tests.browser.drivers.only import FINGER
from tests.browser.figures import TEXTS
from tests.browser.pages import overflow, violations
from tests.browser.server_passes import KnownTexts, mask_of
from tests.browser.single import single
from tests.browser.test_server_explorer import PHONE, STILL
from tinytorch.analysis.server_simulation import ServerSimulation
from tinytorch.analysis.server_workload import server_workload
from tinytorch.serving import Step
from tinytorch.widgets import ServerExplorer
from tinytorch.widgets.server_explorer import WORKLOAD

MOST_ENDS = 12
BLOCKS, TREE, MASK = "blocks", "tree", "mask"
SHARING = {"scenario": "same system prompt", "share_prefixes": True}


def at_its_pass(explorer: ServerExplorer) -> tuple[ServerSimulation, Step]:
    """Return what the figure shows first, while the pass is under way."""
    workload = {name: getattr(explorer, name) for name in WORKLOAD}
    simulation = ServerSimulation(server_workload(**workload), explorer.server())
    for index, step in enumerate(simulation.steps()):
        if index == explorer.step:
            return simulation, step
    raise AssertionError("there are fewer passes")


def words(view: Locator) -> str:
    return view.locator(".tt-in-words").inner_text().replace("\u00a0", " ")


def draw_as(view: Locator, name: str) -> None:
    view.get_by_role("radio", name=name).check()


def test_chats_share_a_beginning_and_part_behind_it(browser):
    explorer = ServerExplorer(**SHARING)
    simulation, _ = at_its_pass(explorer)
    runs = KnownTexts(simulation).runs()
    most = max(runs, key=lambda run: (len(run["holders"]), run["start"] + run["tokens"]))
    assert len(most["holders"]) > 2
    with single(browser, explorer, **STILL) as (_, view):
        draw_as(view, TREE)
        tree = view.get_by_role("img", name="Tree of known texts")
        expect(tree.locator("rect")).to_have_count(len(runs))
        label = f"{most['tokens']} ×{len(most['holders'])}"
        expect(tree.get_by_text(label, exact=True)).to_be_visible()
        num_held = sum(len(run["blocks"]) for run in runs if run["holders"])
        num_known = sum(len(run["blocks"]) for run in runs)
        assert words(view) == (
            f"Blocks with a known text: {num_known}, of which {num_held} are held. The most shared "
            f"beginning has {most['tokens']} tokens, held once for {len(most['holders'])} requests."
        )
        for request in simulation.scheduler.running:
            view.get_by_label("Mark request").select_option(str(request.index))
            marked = [run for run in runs if request.index in run["holders"]]
            expect(tree.locator(".tt-mine")).to_have_count(len(marked))
        tree.get_by_text(label, exact=True).click()
        expect(view.get_by_label("Mark request")).to_have_value(str(most["holders"][0]))


def test_a_mask_counts_pairs_and_what_padding_would_add(browser):
    explorer = ServerExplorer("one 4,000-token prompt", max_tokens_per_step=512, step=45)
    _, step = at_its_pass(explorer)
    expected = mask_of(step)
    sizes = [len(chunk.tokens) for chunk in step.chunks]
    assert 1 in sizes
    assert max(sizes) > 400
    with single(browser, explorer, **STILL) as (_, view):
        draw_as(view, MASK)
        mask = view.get_by_role("img", name="Attention mask")
        expect(mask.locator("g")).to_have_count(len(sizes))
        empty = re.search(r"each, ([\d.]+) % would be empty", words(view))[1]
        assert float(empty) == pytest.approx(100 * expected["empty"].expected, rel=5e-3)
        assert words(view).startswith(
            f"{len(sizes)} requests: {sum(sizes):,} new tokens look at "
            f"{expected['numPairs']:,} keys. In a batch padded to "
            f"{max(sizes):,} × {expected['mostKeys']:,} each, "
        )
        heights = mask.locator("path").evaluate_all("(all) => all.map((e) => e.getBBox().height)")
        assert max(heights) > 20 * min(heights)
        largest = sizes.index(max(sizes))
        triangle = mask.locator("g").nth(largest).locator("path")
        box = triangle.bounding_box()
        triangle.click(position={"x": box["width"] / 4, "y": 3 * box["height"] / 4})
        chosen = view.get_by_label("Mark request").input_value()
        assert chosen == str(step.chunks[largest].request.index)
        expect(mask.locator(".tt-mark")).to_have_count(1)


def test_computing_again_is_hatched_in_the_mask(browser):
    with single(browser, ServerExplorer("pool too small"), **STILL) as (_, view):
        draw_as(view, MASK)
        expect(view.locator(".tt-mask path.tt-is-again")).to_have_count(1)


def test_a_tree_of_many_ends_is_not_drawn_whole_and_says_so(browser):
    explorer = ServerExplorer(
        "timestamp first", num_requests=40, max_running=30, rate=1000, cache_tokens=16_384, step=90
    )
    simulation, _ = at_its_pass(explorer)
    runs = KnownTexts(simulation).runs()
    before = {run["before"] for run in runs}
    num_ends = sum(run["blocks"][-1] not in before for run in runs)
    assert num_ends > MOST_ENDS
    with single(browser, explorer, **STILL) as (_, view):
        draw_as(view, TREE)
        more = re.search(r"Not drawn: (\d+) of (\d+) ends, ([\d,]+) of the blocks", words(view))
        assert (int(more[1]), int(more[2])) == (num_ends - MOST_ENDS, num_ends)
        labels = view.locator(".tt-tree g text").all_text_contents()
        tokens = [int(label.split()[0].replace(",", "")) for label in labels]
        drawn = sum(tokens) // explorer.block_size
        assert int(more[3].replace(",", "")) == sum(len(run["blocks"]) for run in runs) - drawn


def test_nothing_is_known_where_nothing_is_shared(browser):
    with single(browser, ServerExplorer("same system prompt"), **STILL) as (_, view):
        draw_as(view, TREE)
        assert words(view) == "Sharing is off, so no block is known by its text."
        expect(view.locator(".tt-tree")).to_have_text("no block with a known text")
        view.get_by_text("Settings").click()
        view.get_by_label("share blocks of equal beginnings").check()
        assert "The most shared beginning has 496 tokens" in words(view)


def test_the_pictures_are_chosen_by_keys_and_announced(browser):
    with single(browser, ServerExplorer(**SHARING), **STILL) as (page, view):
        group = view.get_by_role("group", name="This pass, drawn as")
        scrubber = view.get_by_role("slider", name="Pass")
        place = scrubber.input_value()
        group.get_by_role("radio", name=BLOCKS).focus()
        pictures = [view.locator(f"svg.tt-{name}") for name in ("pool", "tree", "mask")]
        for shown, key in ((1, "ArrowRight"), (2, "ArrowDown"), (1, "ArrowLeft"), (0, "ArrowUp")):
            page.keyboard.press(key)
            for number, picture in enumerate(pictures):
                assert picture.is_visible() == (number == shown)
            expect(view.get_by_role("status")).to_have_text(words(view))
        assert scrubber.input_value() == place


def test_a_picture_stays_while_passes_go_by_and_never_grows(browser):
    with single(browser, ServerExplorer(**SHARING), **STILL) as (_, view):
        for name, picture in ((TREE, "tree"), (MASK, "mask")):
            draw_as(view, name)
            drawing = view.locator(f"svg.tt-{picture}")
            seen, heights = set(), set()
            for step in (0, 3, 40, 80):
                view.get_by_role("slider", name="Pass").fill(str(step))
                seen.add(drawing.inner_html())
                heights.add(drawing.bounding_box()["height"])
            assert (len(seen), len(heights)) == (4, 1)


def test_blocks_changed_while_another_picture_is_shown_are_drawn_later(browser):
    with single(browser, ServerExplorer(**SHARING), **STILL) as (_, view):
        expect(view.locator("[data-block]")).to_have_count(512)
        draw_as(view, TREE)
        view.get_by_role("button", name="pool too small").click()
        draw_as(view, BLOCKS)
        expect(view.locator("[data-block]")).to_have_count(32)
        straight = view.locator("svg.tt-pool").inner_html()
    with single(browser, ServerExplorer("pool too small"), **STILL) as (_, view):
        drawn = view.locator("svg.tt-pool").inner_html()
        assert without_names(drawn) == without_names(straight)


def without_names(svg: str) -> str:
    """Return a drawing without the names of its hatches, which are counted on a page."""
    return re.sub(r"tt-drawing-\d+", "", svg)


VIEWS = {
    "shared": SHARING,
    "long": {"scenario": "one 4,000-token prompt", "max_tokens_per_step": 512, "step": 45},
    "many": {"num_requests": 64, "max_running": 64, "policy": "continuous", "step": 12},
    "nothing": {"scenario": "same system prompt", "cache_tokens": 64},
    "tiny": {"mean_prompt": 1, "mean_answer": 1, "block_size": 1, "policy": "continuous"},
}


@pytest.mark.parametrize("width", [360, 390, 1280])
@pytest.mark.parametrize("name", VIEWS)
def test_no_label_of_a_picture_lies_over_another(browser, name, width):
    options = {"viewport": {"width": width, "height": 900}, **STILL}
    with single(browser, ServerExplorer(selected=0, **VIEWS[name]), **options) as (page, view):
        expect(view.locator(".tt-cards[aria-busy]")).to_have_count(0)
        for picture in (TREE, MASK):
            draw_as(view, picture)
            assert view.evaluate(TEXTS) == []
            assert overflow(page) <= 0


@FINGER
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("picture", [TREE, MASK])
def test_pictures_are_accessible_in_both_themes_and_on_a_phone(browser, picture, scheme):
    options = {"color_scheme": scheme, **PHONE, **STILL}
    with single(browser, ServerExplorer(selected=0, **SHARING), **options) as (page, view):
        draw_as(view, picture)
        assert violations(page) == []
        heights = view.locator("fieldset .tt-check").evaluate_all(
            "(all) => all.map((e) => e.offsetHeight)"
        )
        assert len(heights) == 3
        assert min(heights) >= 44
        page.set_viewport_size({"width": 1280, "height": 900})
        assert violations(page) == []
