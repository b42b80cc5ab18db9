"""The arithmetic of the widgets in a browser against tinytorch.analysis, to the unit."""

import itertools
import json

import pytest

from tinytorch.analysis import (
    MODEL_ZOO,
    forward_operations,
    kv_cache_bytes,
    longest_that_fits,
    score_pairs,
    sequences_that_fit,
    weight_bytes,
)
from tinytorch.analysis.costs import QUERY_BLOCK
from tinytorch.widgets import OperationExplorer
from tinytorch.widgets.bundle import source
from tinytorch.widgets.operation_explorer import COUNTABLE
from tinytorch.widgets.records import model_record

LENGTHS = (1, 2, 127, 128, 129, 1000, 4096, 8191, 131_072, 1_048_576)
BATCHES = (1, 3, 4096)
BITS = (32, 16, 8, 4)
DEVICES = (8 * 10**9, 80 * 10**9, 10**13)

pytestmark = pytest.mark.everywhere


@pytest.fixture(scope="module")
def costs(browser):
    """A page with costs.mjs, whose functions take and return JSON; BigInts come as text."""
    page = browser.new_page()
    page.goto("about:blank")
    page.evaluate(
        """async (text) => {
            const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
            window.costs = await import(url);
            window.plain = (_, value) => (typeof value === "bigint" ? String(value) : value);
        }""",
        source("costs.mjs"),
    )
    yield lambda code, *given: json.loads(
        page.evaluate(f"(given) => JSON.stringify(({code})(...given), plain)", list(given))
    )
    page.close()


@pytest.mark.parametrize("name", MODEL_ZOO)
def test_memory_is_equal(costs, name):
    spec = MODEL_ZOO[name]
    grid = list(itertools.product(LENGTHS, BATCHES, BITS))
    found = costs(
        "(model, grid) => grid.map((point) => costs.kvCacheBytes(model, ...point))",
        model_record(spec),
        grid,
    )
    expected = [
        str(kv_cache_bytes(spec, length, batch_size=batch, bits_per_element=bits))
        for length, batch, bits in grid
    ]
    assert found == expected
    weights = costs(
        "(m, all) => all.map((bits) => costs.weightBytes(m, bits))", model_record(spec), BITS
    )
    assert weights == [str(weight_bytes(spec, bits)) for bits in BITS]


@pytest.mark.parametrize("name", MODEL_ZOO)
def test_what_fits_is_equal(costs, name):
    spec = MODEL_ZOO[name]
    grid = list(itertools.product(DEVICES, (1, 4096, 131_072), (1, 64), BITS, (16, 4)))
    found = costs(
        """(model, grid) => grid.map(([device, length, batch, bits, weightBits]) => [
            costs.sequencesThatFit(model, device, length, bits, weightBits),
            costs.longestThatFits(model, device, batch, bits, weightBits),
        ])""",
        model_record(spec),
        grid,
    )
    for (device, length, batch, bits, weight_bits), (sequences, longest) in zip(
        grid, found, strict=True
    ):
        options = {"bits_per_element": bits, "bits_per_weight": weight_bits}
        assert sequences == str(sequences_that_fit(spec, device, length, **options))
        assert longest == longest_that_fits(spec, device, batch_size=batch, **options)


def test_score_pairs_are_equal(costs):
    grid = [
        (new, new + history)
        for new, history in itertools.product((1, 5, 127, 128, 129, 700), (0, 1, 130, 8000))
    ]
    assert costs("(grid) => grid.map((point) => costs.scorePairs(...point))", grid) == [
        score_pairs(*point) for point in grid
    ]
    assert costs("() => costs.QUERY_BLOCK") == QUERY_BLOCK


@pytest.mark.parametrize("spec", COUNTABLE, ids=lambda spec: spec.name)
def test_operations_are_equal(costs, spec):
    grid = [(new, new + history) for new in (1, 4, 129, 8192) for history in (0, 100, 8191)]
    found = costs(
        "(model, grid) => grid.map((point) => costs.forwardOperations(model)(...point))",
        model_record(spec),
        grid,
    )
    assert found == [str(sum(forward_operations(spec, *point).values())) for point in grid]


@pytest.mark.parametrize("counted", ["kv_projections", "score_pairs", "whole_model"])
@pytest.mark.parametrize("name", ["GPT-2 small", "Llama-3.1-405B", "SmolLM2-135M"])
@pytest.mark.parametrize(("prompt_length", "new_tokens"), [(1, 1), (1, 100), (4, 100), (300, 50)])
def test_a_generation_is_equal_pass_by_pass(costs, counted, name, prompt_length, new_tokens):
    explorer = OperationExplorer(
        model=name, counted=counted, prompt_length=prompt_length, new_tokens=new_tokens
    )
    found = costs(
        "(...given) => costs.generationWork(...given)",
        counted,
        model_record(MODEL_ZOO[name]),
        prompt_length,
        new_tokens,
    )
    assert found["without"] == [str(count) for count in explorer.work(use_cache=False)]
    assert found["withCache"] == [str(count) for count in explorer.work(use_cache=True)]
