"""The explorers' numbers are Python's, and no setting breaks them."""

import itertools
import re

import pytest

from tests.browser.drivers import expect
from tests.browser.figures import TEXTS, answer, card, cells, legend, shown
from tests.browser.pages import violations
from tinytorch.analysis import (
    forward_operations,
    get_model,
    kv_cache_bytes,
    longest_that_fits,
    sequences_that_fit,
)
from tinytorch.widgets import CacheMemoryExplorer, OperationExplorer


def test_the_three_quoted_speedups_are_found(browser, site_url, from_file):
    with shown(browser, site_url, "OperationExplorer", from_file=from_file) as (_, widget):
        assert card(widget, "whole model")[0] == "36.6×"
        widget.get_by_role("button", name="50.5× keys and values").click()
        assert card(widget, "keys and values") == ["50.5×", "5,050 → 100"]
        assert legend(widget) == ["5,050", "100"]
        assert "about n²/2 without a cache, n with one" in widget.inner_text()
        widget.get_by_role("button", name="67.0× query-key pairs").click()
        assert card(widget, "query-key pairs")[0] == "67.0×"
        assert legend(widget) == ["338,350", "5,050"]
        assert "about n³/3 without a cache, n²/2 with one" in widget.inner_text()
        widget.get_by_label("add up the passes").uncheck()
        assert legend(widget) == ["10,000", "100"]
        assert "about n² without a cache, n with one" in widget.inner_text()
        widget.get_by_role("button", name="36.6× all of GPT-2").click()
        assert card(widget, "whole model")[0] == "36.6×"
        assert widget.get_by_role("radio", name="whole model").is_checked()


def test_the_prices_of_a_token_and_a_pair_are_those_of_python(browser, site_url):
    with shown(browser, site_url, "OperationExplorer") as (_, widget):
        spec = get_model("GPT-2 small")
        one, two = (sum(forward_operations(spec, 1, keys).values()) for keys in (1, 2))
        logits = spec.embed_dim * spec.vocab_size
        prices = (one - (two - one) - logits) / 1e6, two - one, logits / 1e6
        assert (
            f"a = {prices[0]:.3g} million for a token, b = {prices[1] / 1e3:.3g} thousand for a "
            f"pair of tokens, c = {prices[2]:.3g} million for the logits"
        ) in widget.inner_text()


@pytest.mark.everywhere
def test_the_operation_explorer_equals_python_after_typing(browser, site_url, from_file):
    with shown(browser, site_url, "OperationExplorer", from_file=from_file) as (page, widget):
        widget.get_by_label("Model", exact=True).select_option("Llama-3-8B")
        widget.get_by_role("spinbutton", name="Prompt, tokens").fill("200")
        page.keyboard.press("Enter")
        slider = widget.get_by_role("slider", name="New tokens")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        explorer = OperationExplorer(model="Llama-3-8B", prompt_length=200, new_tokens=99)
        without, with_cache = (explorer.work(use_cache=on) for on in (False, True))
        assert legend(widget) == [f"{sum(without):,}", f"{sum(with_cache):,}"]
        assert card(widget, "whole model")[0] == f"{sum(without) / sum(with_cache):.1f}×"
        widget.get_by_label("add up the passes").uncheck()
        assert legend(widget) == [f"{without[-1]:,}", f"{with_cache[-1]:,}"]
        widget.get_by_role("slider", name="whole model").focus()
        page.keyboard.press("Home")
        assert legend(widget) == [f"{without[0]:,}", f"{with_cache[0]:,}"]


def test_dimensions_of_your_own_are_taken(browser, site_url):
    with shown(browser, site_url, "OperationExplorer") as (page, widget):
        widget.get_by_label("Model", exact=True).select_option("your own")
        layers = widget.get_by_label("Layers")
        expect(layers).to_be_visible()
        layers.fill("0")
        page.keyboard.press("Tab")
        assert layers.input_value() == "1"
        explorer = OperationExplorer(model="your own", num_layers=1)
        assert legend(widget)[0] == f"{sum(explorer.work(use_cache=False)):,}"
        assert violations(page, "[data-afm=OperationExplorer]") == []


@pytest.mark.everywhere
def test_the_memory_explorer_equals_python(browser, site_url, from_file):
    with shown(browser, site_url, "CacheMemoryExplorer", from_file=from_file) as (page, widget):
        widget.get_by_label("Model", exact=True).select_option("DeepSeek-V2")
        widget.get_by_label("Beside it").select_option("Gemma-3-27B")
        widget.get_by_role("spinbutton", name="Context, tokens").fill("131072")
        page.keyboard.press("Enter")
        widget.get_by_role("spinbutton", name="Sequences").fill("3")
        page.keyboard.press("Enter")
        widget.get_by_label("Cache element").select_option("fp8, int8")
        widget.get_by_label("Weights").select_option("int4")
        widget.get_by_label("Device memory").select_option("another")
        widget.get_by_label("Device, GB").fill("200")
        page.keyboard.press("Enter")
        specs = [get_model(name) for name in ("DeepSeek-V2", "Gemma-3-27B")]
        options = {"bits_per_element": 8, "bits_per_weight": 4}
        sizes = [
            kv_cache_bytes(spec, 131_072, batch_size=3, bits_per_element=8) / 2**30
            for spec in specs
        ]
        assert cells(widget, "all 3") == [f"{size:.3g} GiB" for size in sizes]
        assert cells(widget, "sequences that fit in 200 GB") == [
            f"{sequences_that_fit(spec, 200 * 10**9, 131_072, **options):,}" for spec in specs
        ]
        assert cells(widget, "how long 3 can grow") == [
            f"{longest_that_fits(spec, 200 * 10**9, batch_size=3, **options):,} tokens"
            for spec in specs
        ]
        fit = sequences_that_fit(specs[0], 200 * 10**9, 131_072, **options)
        assert answer(widget, "DeepSeek-V2") == f"{fit:,}"
        chart = widget.get_by_role("slider", name="Cache by context length")
        chart.focus()
        page.keyboard.press("Home")
        expect(widget.get_by_role("spinbutton", name="Context, tokens")).to_have_value("64")


def test_what_does_not_fit_is_said(browser, site_url):
    with shown(browser, site_url, "CacheMemoryExplorer") as (_, widget):
        widget.get_by_label("Device memory").select_option("8 GB")
        assert "GiB more than it has" in widget.inner_text()
        assert cells(widget, "sequences that fit") == ["0", "0"]
        widget.get_by_label("Model", exact=True).select_option("Mistral-7B v0.1")
        widget.get_by_label("Device memory").select_option("80 GB")
        assert cells(widget, "how long")[0] == "no limit"


def test_a_model_of_your_own_has_its_dimensions(browser, site_url):
    with shown(browser, site_url, "CacheMemoryExplorer") as (page, widget):
        assert not widget.get_by_role("spinbutton", name="Layers").is_visible()
        widget.get_by_label("Model", exact=True).select_option("your own")
        given = {"Layers": 60, "Key/value heads": 3, "Width of a head": 96}
        for label, value in {**given, "Parameters, millions": 30_000}.items():
            widget.get_by_role("spinbutton", name=label).fill(str(value))
            page.keyboard.press("Enter")
        one_token = 2 * 60 * 3 * 96 * 2
        assert cells(widget, "one token")[0] == f"{one_token / 1024:.3g} KiB"
        fit = (80 * 10**9 - 2 * 30_000 * 10**6) // (4_096 * one_token)
        assert answer(widget, "your own") == f"{fit:,}"
        explorer = CacheMemoryExplorer(
            model="your own",
            num_layers=60,
            num_kv_heads=3,
            head_dim=96,
            million_parameters=30_000,
        )
        assert sequences_that_fit(explorer.spec("your own"), 80 * 10**9, 4_096) == fit
        assert violations(page, "[data-afm=CacheMemoryExplorer]") == []


CORNERS = list(
    itertools.product(("SmolLM2-135M", "GPT-3 175B"), ((1, 1), (2**20, 4096)), (1, 24, 10_000))
)
SIZE = r"([\d.]+)"
SIZES = rf"weights {SIZE} \+ cache {SIZE} GiB, {SIZE} GiB (free|more).* of {SIZE}"


@pytest.mark.parametrize("width", [390, 1280])
def test_no_label_lies_over_another_at_any_corner(browser, site_url, width):
    size = {"viewport": {"width": width, "height": 900}}
    with shown(browser, site_url, "CacheMemoryExplorer", **size) as (page, widget):
        for name, (seq_len, batch_size), device_gb in CORNERS:
            view = f"model={name}&seq_len={seq_len}&batch_size={batch_size}&device_gb={device_gb}"
            page.goto(f"{site_url}/book/memory.html?{view}#CacheMemoryExplorer&{view}")
            expect(widget).to_be_visible()
            assert widget.evaluate(TEXTS) == [], view
            shown_sizes = re.findall(SIZES, widget.inner_text())
            assert len(shown_sizes) == 2
            for *sizes, end, whole in shown_sizes:
                weights, cache, rest = (float(size) for size in sizes)
                sign = 1 if end == "free" else -1
                assert weights + cache + sign * rest == pytest.approx(float(whole))
