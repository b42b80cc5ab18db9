"""The widgets in JupyterLab and in Notebook 7, each shown twice, with a kernel."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.figures import fixed
from tests.browser.lab import errors
from tests.browser.pages import violations
from tests.browser.widget_notebook import CELLS, FRONT_ENDS, LABELS, Widgets, opened_widgets
from tests.widgets.runs import small_run
from tinytorch.widgets.cache_lab import first_difference

OF_JUPYTER = (
    "Connection lost, reconnecting",
    "Menu entry for command",  # Notebook 7 has some of JupyterLab's twice
    "[yjs#509] Not same Y.Doc",  # Notebook 7, when a page is loaded again
    "Cannot read properties of undefined (reading 'schema')",
)
"""What the front ends say of themselves."""


IN_BOTH = ("shows_its_controls", "a_key_in", "phase_in", "runs_a_race", "runs_again", "restart")
IN_BOTH += ("loaded_again", "keys_in_a_widget", "shift_and_enter", "a_cell_moves_both_views")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run in Notebook 7, too, what shows a widget, meets its keys, or loads it again."""
    if "lab" in metafunc.fixturenames:
        both = any(name in metafunc.function.__name__ for name in IN_BOTH)
        front_ends = list(FRONT_ENDS)[: 2 if both else 1]
        metafunc.parametrize("lab", front_ends, indirect=True, scope="module")


@pytest.fixture(scope="module")
def lab(request, chromium: Browser, tmp_path_factory) -> Iterator[tuple[Widgets, list[str]]]:
    """A front end with the notebook open, and a list of what goes wrong in the browser."""
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("home")
    with opened_widgets(chromium, folder, home, request.param) as opened:
        yield opened


@pytest.fixture
def notebook(lab) -> Iterator[Widgets]:
    """The notebook as if it had just run; nothing may go wrong."""
    notebook, problems = lab
    notebook.renew()
    yield notebook
    found = [problem for problem in problems if not any(said in problem for said in OF_JUPYTER)]
    problems.clear()
    assert found == []
    expect(notebook.page.get_by_text("Error displaying widget")).to_have_count(0)


@pytest.mark.parametrize("name", ["player", "explorer", "memory"])
def test_a_widget_shows_its_controls_twice(notebook, name):
    for view in notebook.views(name):
        expect(view.get_by_role("slider").first).to_be_visible()
        expect(view.get_by_role("combobox").first).to_be_visible()
        expect(view.get_by_role("button", name="Reset")).to_be_visible()
        expect(view.locator("polyline").first).to_be_visible()


def test_a_key_in_one_player_moves_the_other_and_the_kernel(notebook):
    one, other = notebook.views("player")
    one.get_by_role("slider", name="Step", exact=True).press("ArrowLeft")
    expect(other).to_contain_text("In the cache: 5 tokens")
    notebook.expect_value("player.step", "3")
    other.get_by_role("slider", name="Multiply-adds").press("Home")
    expect(one).to_contain_text("In the cache: 2 tokens")
    notebook.expect_value("player.step", "0")


def test_a_box_in_one_player_ticks_that_of_the_other(notebook):
    one, other = notebook.views("player")
    one.get_by_label("logarithmic").check()
    expect(other.get_by_label("logarithmic")).to_be_checked()
    notebook.expect_value("player.log_scale", "True")
    other.get_by_role("button", name="Reset").click()
    expect(one.get_by_label("logarithmic")).not_to_be_checked()
    notebook.expect_value("player.log_scale", "False")


def test_a_player_plays_the_other_to_the_end(notebook):
    one, other = notebook.views("player")
    notebook.kernel("steps = []; player.observe(lambda c: steps.append(c.new), 'step')")
    one.get_by_role("button", name="Play").click()
    expect(other).to_contain_text("In the cache: 6 tokens")
    expect(one.get_by_role("button", name="Play")).to_be_visible()
    expected = "True 0 4"
    notebook.expect_value("steps == sorted(steps), steps[0], steps[-1]", expected)


def test_a_chosen_model_and_a_typed_number_reach_the_other_explorer(notebook):
    one, other = notebook.views("explorer")
    one.get_by_role("combobox", name="Model").select_option("GPT-2 XL")
    expect(other.get_by_role("combobox", name="Model")).to_have_value("GPT-2 XL")
    number = other.get_by_role("spinbutton", name="New tokens")
    number.fill("7")
    number.press("Enter")
    card = one.locator(".tt-card", has_text="keys and values computed")
    expect(card).to_contain_text("4.9×49 → 10")
    notebook.expect_value("explorer.model, explorer.new_tokens", "GPT-2 XL 7")


def test_a_chosen_model_and_a_typed_number_reach_the_other_memory(notebook):
    one, other = notebook.views("memory")
    one.get_by_role("combobox", name="Model").select_option("Mistral-7B v0.1")
    expect(other.get_by_role("columnheader", name="Mistral-7B v0.1")).to_be_visible()
    number = other.get_by_role("spinbutton", name="Context, tokens")
    number.fill("1000")
    number.press("Enter")
    expect(one.get_by_role("row", name="one sequence of 1,000")).to_be_visible()
    notebook.expect_value("memory.model, memory.seq_len", "Mistral-7B v0.1 1000")


def test_a_phase_in_one_stepper_is_the_others_and_the_kernels(notebook):
    one, other = notebook.views("stepper")
    one.get_by_role("combobox", name="Phase").select_option("write")
    expect(other).to_contain_text("Write: the cache takes the new keys and values")
    other.get_by_role("button", name="Next").click()
    expect(one).to_contain_text("Score: queries meet keys.")
    one.get_by_role("button", name="token ▸").click()
    notebook.expect_value("stepper.phase, stepper.step", "2 1")
    notebook.kernel("stepper.unmasked = True")
    for view in (one, other):
        expect(view.get_by_label("show what changes without the mask")).to_be_checked()


def test_the_kernel_runs_a_race_in_one_view_and_leaves_the_other(notebook):
    one, other = notebook.views("race")
    verdict = one.locator(".tt-verdict")
    expect(verdict).to_have_text("Both texts are equal: 3 tokens compared, one by one.")
    one.get_by_role("button", name="Start the race").click()
    equal = "Both texts are equal: 4 tokens compared, one by one."
    expect(verdict).to_have_text(equal, timeout=30_000)
    expect(one).to_contain_text("Your race, in this notebook's kernel: a prompt of 3 tokens.")
    without, with_cache = one.locator(".tt-tokens").all_inner_texts()
    assert without == with_cache
    assert without.startswith("The cat sat")
    expect(other).to_contain_text("Recorded when this cell ran: 3 tokens")


def test_a_race_of_the_kernel_stops_and_leaves_it_free(notebook):
    one, _ = notebook.views("race")
    number = one.get_by_role("spinbutton", name="New tokens")
    number.fill("300")
    number.press("Enter")
    one.get_by_role("button", name="Start the race").click()
    expect(one.locator(".tt-verdict")).to_contain_text("Equal so far", timeout=30_000)
    one.get_by_role("button", name="Stop").click()
    expect(one.locator(".tt-verdict")).to_contain_text("Stopped. Equal so far")
    notebook.expect_value("race.new_tokens", "300")
    one.get_by_label("Your prompt").fill("an odd \x04 sign")
    one.get_by_role("button", name="Start the race").click()
    told = "This cannot be run: the vocabulary has no token for these bytes of the text: ['0x04']."
    expect(one.get_by_role("alert")).to_have_text(told)
    notebook.kernel("race.prompt = 'Two dogs'")
    expect(one.get_by_label("Your prompt")).to_have_value("Two dogs")
    one.get_by_role("button", name="Reset").click()
    expect(one.get_by_label("Your prompt")).to_have_value("The cat sat")


def test_a_switch_in_one_lab_is_the_others_and_the_kernels(notebook):
    one, other = notebook.views("lab")
    right, wrong = json.loads(notebook.value("json.dumps(list(lab.record['runs'].values()))"))
    place = first_difference(wrong["ids"], right["ids"])
    said = f"Token {place + 1} is the first wrong one; loss {fixed(wrong['loss'], 2)} instead of"
    for view in (one, other):
        expect(view).to_contain_text("Recorded by Python when this cell ran.")
        expect(view.locator(".tt-words")).to_contain_text(f"{said} {fixed(right['loss'], 2)}")
        expect(view.get_by_role("button", name="Run all")).to_be_hidden()
    one.get_by_role("radio", name="the right cache").check()
    expect(other.get_by_role("radio", name="the right cache")).to_be_checked()
    expect(other.locator(".tt-tokens:visible")).to_have_count(1)
    notebook.expect_value("lab.switch", "right")
    other.get_by_role("button", name="Reset").click()
    expect(one.get_by_role("radio", name="4 no prefill")).to_be_checked()
    notebook.expect_value("lab.switch", "no-prefill")


def test_a_server_set_in_one_view_is_the_others_and_the_kernels(notebook):
    one, other = notebook.views("server")
    expect(one.locator(".tt-goal")).to_contain_text("Number to beat: 415 tokens computed again.")
    one.get_by_role("radio", name="static").check()
    expect(other.get_by_role("radio", name="static")).to_be_checked()
    other.get_by_role("slider", name="Pass").press("Home")
    expect(one.locator(".tt-words")).to_contain_text("Pass 1 of ")
    notebook.expect_value("server.policy, server.step", "static 0")
    numbers = "from tinytorch.analysis.server_summary import summarize; "
    rate = "f\"{summarize(server.simulation())['tokens_per_second']:,.0f}\""
    notebook.kernel("server.cache_tokens = 640; server.selected = 2")
    for view in (one, other):
        expect(view.get_by_label("Mark request")).to_have_value("2")
        expect(view.get_by_label("Memory, tokens").first).to_have_value("640")
    computed = notebook.kernel(f"{numbers}print({rate})").strip()
    expect(one.locator(".tt-card", has_text="static").locator("strong")).to_have_text(computed)
    other.get_by_role("button", name="same system prompt").click()
    expect(one.locator(".tt-goal")).to_contain_text("to the first token in the median")
    state = "server.scenario, server.system_length, server.share_prefixes"
    notebook.expect_value(state, "same system prompt 500 False")
    one.get_by_role("button", name="Reset").click()
    expect(other.get_by_role("button", name="pool too small")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_cell_moves_both_views(notebook):
    notebook.kernel("player.step = 2; explorer.prompt_length = 7; memory.device_gb = 100")
    for view in notebook.views("player"):
        expect(view).to_contain_text("In the cache: 4 tokens")
    for view in notebook.views("explorer"):
        expect(view.get_by_role("spinbutton", name="Prompt, tokens")).to_have_value("7")
    for view in notebook.views("memory"):
        expect(view.get_by_role("row", name="sequences that fit in 100 GB")).to_be_visible()


@pytest.mark.parametrize("num_steps", [3, 8])
def test_both_players_show_the_start_of_another_trace(notebook, num_steps):
    notebook.kernel(f"player.trace = {small_run(num_steps)}")
    for view in notebook.views("player"):
        expect(view).to_contain_text("In the cache: 2 tokens")
    one, other = notebook.views("player")
    one.get_by_role("slider", name="Step", exact=True).press("End")
    expect(other).to_contain_text(f"In the cache: {num_steps + 1} tokens")
    other.get_by_role("button", name="Reset").click()
    expect(one).to_contain_text("In the cache: 2 tokens")
    notebook.expect_value("player.step", "0")


def test_a_recording_chosen_in_one_player_is_shown_in_the_other(notebook):
    runs = [small_run(3), small_run(6, timed=True)]
    notebook.kernel(f"player.trace = {runs}")
    one, other = notebook.views("player")
    one.get_by_role("combobox", name="Recording").select_option("1")
    one.get_by_role("slider", name="Step", exact=True).press("End")
    expect(other).to_contain_text("In the cache: 7 tokens")
    other.get_by_role("combobox", name="Speed").select_option("real speed")
    one.get_by_role("slider", name="Step", exact=True).press("Home")
    other.get_by_role("button", name="Play").click()
    expect(one).to_contain_text("In the cache: 7 tokens")
    # A busy kernel gets the last of the steps alone.
    state = "player.recording, player.step, player.real_speed"
    notebook.expect_value(state, "1 5 True")


@pytest.mark.parametrize("name", ["player", "explorer", "memory"])
def test_a_cell_that_runs_again_shows_the_present_view(notebook, name):
    notebook.kernel("player.step = 2; explorer.model = 'GPT-2 XL'; memory.model = 'Llama-3-8B'")
    notebook.rerun(name)
    one, other = notebook.views(name)
    before = one.get_by_role("combobox").first.input_value()
    one.get_by_role("combobox").first.focus()
    one.get_by_role("combobox").first.press("ArrowDown")
    expect(other.get_by_role("combobox").first).not_to_have_value(before)


def test_all_works_after_a_restart(notebook):
    one, other = notebook.views("player")
    notebook.command("kernelmenu:restart")
    one.get_by_role("slider", name="Step", exact=True).press("ArrowLeft")
    expect(other).to_contain_text("In the cache: 5 tokens")
    notebook.wait_for_kernel()
    notebook.run_all()
    one, other = notebook.views("player")
    one.get_by_role("slider", name="Step", exact=True).press("ArrowLeft")
    expect(other).to_contain_text("In the cache: 5 tokens")
    notebook.expect_value("player.step", "3")


def test_the_views_come_back_when_the_page_is_loaded_again(notebook):
    notebook.kernel("player.step = 1; explorer.prompt_length = 9")
    notebook.command("docmanager:save")
    notebook.page.reload()
    notebook.wait_for_kernel()
    one, other = notebook.views("player")
    expect(other).to_contain_text("In the cache: 3 tokens")
    one.get_by_role("slider", name="Step", exact=True).press("ArrowRight")
    expect(other).to_contain_text("In the cache: 4 tokens")
    notebook.expect_value("player.step, explorer.prompt_length", "2 9")


def numbers(view: Locator) -> list[str]:
    """Return what stands in the fields and the table of a widget."""
    parts = "[...view.querySelectorAll('td, input')].map((part) => part.value ?? part.textContent)"
    return view.evaluate(f"(view) => {parts}")


REFUSED = {
    "player.step = 99": "step must be from 0 to 4, the last step of the trace, got 99",
    "player.speed = 0": "speed must be from 1 to 50, got 0",
    "player.trace = {}": "trace: a run needs",
    "explorer.prompt_length = 0": "prompt_length must be from 1 to 8,192, got 0",
    "memory.model = 'GPT-9'": "model: ",
    "server.device = 'NVIDIA T4'": "The 'device' trait of a ServerExplorer instance expected",
    "lab.switch = 'window'": "switch must be one of ['right', 'no-prefill'], got 'window'",
}


def test_a_refused_value_is_explained_and_changes_nothing(notebook):
    before = [numbers(view) for name in LABELS for view in notebook.views(name)]
    for code, message in REFUSED.items():
        (error,) = errors(notebook.run_cell(-1, code))
        assert error.startswith(f"TraitError: {message}")
        expect(notebook.output("last")).to_contain_text(f"TraitError: {message}")
    assert [numbers(view) for name in LABELS for view in notebook.views(name)] == before


def test_a_linked_output_follows_the_player_and_moves_it(notebook):
    one, other = notebook.views("player")
    expect(notebook.output("linked")).to_contain_text("step 4 is drawn")
    one.get_by_role("slider", name="Step", exact=True).press("ArrowLeft")
    expect(notebook.output("linked")).to_contain_text("step 3 is drawn")
    one.get_by_role("button", name="Play").click()
    expect(notebook.output("linked")).to_contain_text("step 4 is drawn")
    notebook.kernel("step.value = 1")
    expect(notebook.output("linked")).to_contain_text("step 1 is drawn")
    expect(other).to_contain_text("In the cache: 3 tokens")


def test_keys_in_a_widget_do_not_edit_the_notebook(notebook):
    model = notebook.views("memory")[0].get_by_role("combobox", name="Model")
    model.focus()
    for key in ("ArrowDown", "ArrowUp", "x", "m", "b", "Shift+M"):
        model.press(key)
        expect(notebook.active_cell()).to_contain_text("memory, memory")
        expect(notebook.page.locator(".jp-Notebook-cell")).to_have_count(len(CELLS))
        expect(model).to_be_focused()


def test_shift_and_enter_in_a_widget_run_the_next_cell(notebook):
    reset = notebook.views("memory")[0].get_by_role("button", name="Reset")
    reset.focus()
    expect(notebook.active_cell()).to_contain_text("memory, memory")
    reset.press("Shift+Enter")
    expect(notebook.active_cell()).to_contain_text("step 4 is drawn")
    notebook.views("memory")


SEEN_BY_AXE = "body { overflow: visible !important }"
"""JupyterLab's body has no height: axe-core takes what overflows it for hidden."""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_widget_is_accessible_in_both_themes(notebook, theme):
    notebook.command("apputils:change-theme", theme=theme)
    body = notebook.page.locator(f"body[data-jp-theme-name='{theme}']")
    expect(body).to_be_attached()
    notebook.page.add_style_tag(content=SEEN_BY_AXE)
    for name in LABELS:
        notebook.views(name)[0].scroll_into_view_if_needed()
    widgets = ", ".join(f"[aria-label='{label}']" for label in LABELS.values())
    assert violations(notebook.page, widgets) == []
