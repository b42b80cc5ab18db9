"""What the widgets accept, refuse and record, without a browser."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from traitlets import TraitError

import tinytorch as tt
from tests.widgets.runs import small_run
from tinytorch.analysis import (
    MODEL_ZOO,
    forward_operations,
    generation_operations,
    generation_score_pairs,
    get_model,
    kv_projections,
)
from tinytorch.widgets import WIDGETS, CacheMemoryExplorer, GenerationPlayer, OperationExplorer
from tinytorch.widgets.base import STATIC
from tinytorch.widgets.bundle import host_script, view_script, widget_module

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("make", "name", "value", "expected"),
    [
        (OperationExplorer, "prompt_length", 0, "prompt_length must be from 1 to 8,192, got 0"),
        (OperationExplorer, "new_tokens", 8193, "new_tokens must be from 1 to 8,192, got 8,193"),
        (OperationExplorer, "new_tokens", 2.5, "expected an int"),
        (OperationExplorer, "new_tokens", True, "expected an int"),
        (OperationExplorer, "counted", "flops", "kv_projections.*score_pairs.*whole_model"),
        (OperationExplorer, "model", "Mixtral-8x7B", "no operation count for Mixtral-8x7B"),
        (OperationExplorer, "model", "gpt-2 sm", "close matches: GPT-2 small"),
        (CacheMemoryExplorer, "seq_len", 2**20 + 1, "seq_len must be from 1 to 1,048,576"),
        (CacheMemoryExplorer, "bits_per_element", 5, r"\[32, 16, 8, 4\]"),
        (CacheMemoryExplorer, "compare", "Llama", "compare: no model named 'Llama'"),
        (CacheMemoryExplorer, "model", "Tiny 128D", "teaching model"),
        (CacheMemoryExplorer, "model", "", "model: no model named ''"),
        (CacheMemoryExplorer, "device_gb", 0, "device_gb must be from 1 to 10,000"),
        (lambda: GenerationPlayer(small_run(6)), "step", 6, "step must be from 0 to 5"),
        (lambda: GenerationPlayer(small_run(6)), "step", -1, "step must be from 0 to 5"),
        (lambda: GenerationPlayer(small_run(6)), "speed", 51, "speed must be from 1 to 50"),
        (lambda: GenerationPlayer(small_run(6)), "trace", {}, "trace: a run needs"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(make, name, value, expected):
    widget = make()
    before = getattr(widget, name)
    with pytest.raises(TraitError, match=expected):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_a_run_needs_equally_long_columns():
    run = small_run()
    with pytest.raises(TraitError, match="same number of steps"):
        GenerationPlayer(run | {"ms": [1.0]})
    with pytest.raises(TraitError, match=r"a run is a dict.*got str"):
        GenerationPlayer("a prompt")
    with pytest.raises(TraitError, match="3 prompt_tokens, but 2 tokens in the cache"):
        GenerationPlayer(run | {"prompt_tokens": ["a", "b", "c"]})
    with pytest.raises(TraitError, match="at least one run"):
        GenerationPlayer([])


def test_an_unknown_trait_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r"prompt_lenght.*prompt_length"):
        OperationExplorer(prompt_lenght=3)


def test_names_of_models_are_found_in_any_case():
    assert OperationExplorer(model="gpt-2 XL").model == "GPT-2 XL"


def test_the_first_view_is_the_one_that_was_asked_for():
    explorer = OperationExplorer(prompt_length=7)
    explorer.prompt_length = 9
    assert explorer.first_view["prompt_length"] == 7
    assert GenerationPlayer(small_run(6)).step == 0
    assert GenerationPlayer(small_run(6), step=2).first_view["step"] == 2


def test_another_trace_is_shown_from_its_start():
    player = GenerationPlayer(small_run(6), step=4)
    player.trace = small_run(3)
    assert player.step == 0
    assert player.first_view["step"] == 0
    assert player.recordings == [small_run(3)]


def test_one_of_several_runs_is_shown():
    player = GenerationPlayer([small_run(6), small_run(3)], recording=1, step=2)
    assert player.trace == small_run(3)
    assert (player.first_view["recording"], player.step) == (1, 2)
    with pytest.raises(TraitError, match="recording must be from 0 to 1, got 2"):
        player.recording = 2
    with pytest.raises(TraitError, match="step must be from 0 to 2"):
        player.step = 3
    player.recording = 0
    player.step = 5
    player.recording = 1
    assert player.step == 2
    player.trace = [small_run(4), small_run(2)]
    assert (player.recording, player.step) == (0, 0)


def test_a_player_on_paper_has_both_lanes_and_its_sums():
    html = GenerationPlayer(small_run(6, timed=True)).to_html()
    text = '<span class="tt-{}">One, two 2 3 4 5</span><span class="tt-now"> 6</span>'
    for state, note in (("again", "6 tokens computed again"), ("kept", "6 tokens kept")):
        assert text.format(state) in html
        assert note in html
    assert html.count('<span class="tt-written"> 7</span>') == 2
    # 100 operations a token: 2 + 3 + ... + 7 = 27 against 2 + 5. The time is 40 ms a token.
    assert "6 tokens after a prompt of 2: with a cache 3.9 times less work" in html
    assert "3.9 times less time" in html


def test_a_drawn_lane_is_without_new_lines():
    run = small_run(3) | {"text": ["a\n\n", "b", "c\n"]}
    assert '<span class="tt-again">One, twoa </span>' in GenerationPlayer(run).to_html()


def test_a_player_of_one_step_has_nothing_to_repeat():
    html = GenerationPlayer(small_run(1)).to_html()
    assert html.count('<span class="tt-now">One, two</span>') == 2
    assert "tt-again" not in html


class Alphabet:
    """A tokenizer of one character a token."""

    stop_tokens = ()

    def encode(self, text):
        return np.array([ord(char) - 97 for char in text])

    def decode(self, tokens, skip_control_tokens=False):
        return "".join(chr(97 + token) for token in tokens)

    def decode_stream(self, tokens):
        return (self.decode([token]) for token in tokens)


@pytest.mark.parametrize("prompt", ["abc", np.array([0, 1, 2])])
def test_from_prompt_records_a_run_as_the_formulas_have_it(prompt, capsys):
    config = tt.ModelConfig(vocab_size=26, embed_dim=16, num_layers=2, num_heads=2)
    player = GenerationPlayer.from_prompt(
        tt.GPT(config), Alphabet(), prompt, 5, time_without_cache=True, speed=5
    )
    run = player.trace
    with_cache, without = (
        generation_operations(config, 3, 5, use_cache=use_cache) for use_cache in (True, False)
    )
    assert run["prompt_tokens"] == ["a", "b", "c"]
    assert run["name"] == "abc"
    assert run["num_layers"] == 2
    assert run["seq_pos"] == [3, 4, 5, 6, 7]
    assert sum(run["operations_with_cache"]) == sum(with_cache.values())
    assert sum(run["operations_without_cache"]) == sum(without.values())
    assert run["cache_bytes"] == [2 * 2 * 16 * 4 * length for length in run["seq_pos"]]
    assert len(run["ms_without_cache"]) == 5
    assert (player.step, player.speed) == (0, 5)
    assert "with a cache" in capsys.readouterr().err


@pytest.mark.parametrize("use_cache", [False, True])
@pytest.mark.parametrize("prompt_length", [1, 4, 200])
def test_work_adds_up_to_the_formulas(use_cache, prompt_length):
    explorer = OperationExplorer(prompt_length=prompt_length, new_tokens=60)
    options = {"use_cache": use_cache, "prompt_length": prompt_length}
    explorer.counted = "kv_projections"
    assert sum(explorer.work(use_cache=use_cache)) == kv_projections(60, **options)
    explorer.counted = "score_pairs"
    assert sum(explorer.work(use_cache=use_cache)) == generation_score_pairs(60, **options)
    explorer.counted = "whole_model"
    whole = generation_operations(get_model("GPT-2 small"), prompt_length, 60, use_cache=use_cache)
    assert sum(explorer.work(use_cache=use_cache)) == sum(whole.values())


def test_dimensions_of_your_own_are_counted():
    explorer = OperationExplorer(model="your own", num_layers=2, new_tokens=1, prompt_length=9)
    config = tt.ModelConfig(vocab_size=4000, embed_dim=384, num_layers=2, num_heads=6, mlp_dim=1536)
    assert explorer.work(use_cache=False) == [sum(forward_operations(config, 9).values())]


def test_the_memory_explorer_offers_every_public_model():
    assert [model["name"] for model in CacheMemoryExplorer().models] == list(MODEL_ZOO)


@pytest.mark.parametrize("widget", [OperationExplorer(), CacheMemoryExplorer(compare="")])
def test_the_page_carries_data_and_a_drawn_figure(widget):
    html = widget.to_html()
    assert f'data-afm="{type(widget).__name__}"' in html
    data = json.loads(re.search(r"<script[^>]*>(.*?)</script>", html, re.DOTALL)[1])
    assert data["first_view"] == widget.first_view
    assert "<svg" in html
    assert 'role="img"' in html


def test_text_of_a_run_cannot_end_the_data():
    run = small_run(1) | {"text": ["</script><b>"]}
    html = GenerationPlayer(run).to_html()
    assert html.count("</script>") == 1
    assert json.loads(re.search(r"json\">(.*?)</script>", html, re.DOTALL)[1])["recordings"] == [
        run
    ]


def test_a_widget_is_one_module_without_imports():
    for widget in WIDGETS:
        text = widget_module(widget.module)
        assert not re.search(r"^(import|export (?!default))", text, re.MULTILINE)
        assert text.count("export default") == 1

    views = [view_script(widget.__name__, widget.module) for widget in WIDGETS]
    for script in (host_script(), *views):
        assert not re.search(r"^\s*(import|export) ", script, re.MULTILINE)


def test_jupyter_gets_the_module():
    assert OperationExplorer()._esm == widget_module(OperationExplorer.module)


def test_a_notebook_for_a_website_holds_no_widget_state(tmp_path):
    code = """
import sys
import nbclient, nbformat
cells = [
    "from tinytorch.widgets import OperationExplorer; import ipywidgets",
    "OperationExplorer()",
    "ipywidgets.VBox([OperationExplorer()])",
    "slider = ipywidgets.IntSlider(3)\\n"
    "ipywidgets.interactive_output(lambda x: print(x), {'x': slider})",
]
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
nbclient.NotebookClient(book, kernel_name="python3").execute()
nbformat.write(book, sys.argv[1])
"""
    file = tmp_path / "page.ipynb"
    subprocess.run([sys.executable, "-c", code, file], check=True, env=os.environ | {STATIC: "1"})
    notebook = json.loads(file.read_text())
    assert "widgets" not in notebook["metadata"]
    _, shown, boxed, drawn = (cell["outputs"] for cell in notebook["cells"])
    assert 'data-afm="OperationExplorer"' in "".join(shown[0]["data"]["text/html"])
    assert "widget-view" not in json.dumps(notebook)
    assert boxed == []
    assert drawn[0]["text"] == ["3\n"]
