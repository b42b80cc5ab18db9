"""How weights lie in one array; what `read_ahead` changes, and what it must not."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.models import small_wheel
from tinytorch import GPT, ModelConfig, count_operations
from tinytorch.core import init_weights, weight_shapes
from tinytorch.core.layers import Linear
from tinytorch.models import layout
from tinytorch.models.layout import ReadAheadLinear, read_ahead, split_weights

CONFIG = ModelConfig(
    vocab_size=30,
    embed_dim=16,
    num_layers=3,
    num_heads=4,
    mlp_dim=40,
    max_seq_len=64,
    norm="rmsnorm",
    positions="rope",
    mlp="swiglu",
    bias=False,
)


def flat_weights(config: ModelConfig) -> np.ndarray:
    weights = init_weights(config)
    flat = np.empty(sum(weight.size for weight in weights.values()), dtype=np.float32)
    for name, view in split_weights(flat, config).items():
        view[...] = weights[name]
    return flat


def model_on(flat: np.ndarray) -> GPT:
    return GPT(CONFIG, weights=split_weights(flat, CONFIG))


@pytest.fixture
def flat():
    return flat_weights(CONFIG)


@pytest.fixture(autouse=True)
def small_threshold(monkeypatch):
    monkeypatch.setattr(layout, "TWO_THREADS_FROM", 16 * 16 + 100)


def test_each_attention_output_reads_the_rows_behind_its_own(flat):
    model = model_on(flat)
    plain = [block.attention.out_proj for block in model.blocks]
    read_ahead(model, flat)
    for block, before in zip(model.blocks, plain, strict=True):
        linear = block.attention.out_proj
        assert isinstance(linear, ReadAheadLinear)
        assert linear.weight is before.weight
        assert linear.ahead.shape == (23, 16)
        assert np.shares_memory(linear.ahead, flat)
        np.testing.assert_array_equal(linear.ahead[:16], before.weight)
        behind = np.concatenate(
            [block.mlp_norm.weight, block.mlp.gate_up_proj.weight.ravel(order="F")]
        )
        np.testing.assert_array_equal(linear.ahead[16:].ravel(), behind[: 7 * 16])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (4, 1), (2, 60)])
def test_logits_and_counts_stay_the_same(flat, shape):
    tokens = np.random.default_rng(0).integers(30, size=shape)
    plain, ahead = model_on(flat), model_on(flat)
    read_ahead(ahead, flat)
    with count_operations() as plain_count:
        expected = plain.forward(tokens)
    with count_operations() as ahead_count:
        actual = ahead.forward(tokens)
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert ahead_count.by_kind == plain_count.by_kind


def test_a_bias_is_added(flat):
    weight = flat[:64].reshape(4, 16)
    bias = np.arange(4, dtype=np.float32)
    linear = ReadAheadLinear(weight, bias, "projections", flat[: 7 * 16].reshape(7, 16))
    x = np.ones((1, 1, 16), dtype=np.float32)
    np.testing.assert_allclose(linear(x), Linear(weight, bias, "projections")(x), atol=1e-6)


def test_a_layer_large_enough_for_two_threads_stays(flat, monkeypatch):
    monkeypatch.setattr(layout, "TWO_THREADS_FROM", 16 * 16)
    model = model_on(flat)
    read_ahead(model, flat)
    assert all(type(block.attention.out_proj) is Linear for block in model.blocks)


def test_nothing_is_read_behind_the_end_of_the_array(flat, monkeypatch):
    monkeypatch.setattr(layout, "TWO_THREADS_FROM", flat.size)
    model = model_on(flat)
    read_ahead(model, flat)
    assert all(type(block.attention.out_proj) is Linear for block in model.blocks)


def test_a_layer_stored_by_columns_stays():
    config = replace(CONFIG, head_dim=2)
    flat = flat_weights(config)
    model = GPT(config, weights=split_weights(flat, config))
    assert model.blocks[0].attention.out_proj.weight.flags.f_contiguous
    read_ahead(model, flat)
    assert all(type(block.attention.out_proj) is Linear for block in model.blocks)


@st.composite
def configs(draw):
    kv_heads = draw(st.integers(1, 3))
    return ModelConfig(
        vocab_size=draw(st.integers(1, 40)),
        embed_dim=draw(st.integers(1, 24)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=kv_heads * draw(st.integers(1, 3)),
        num_kv_heads=kv_heads,
        head_dim=2 * draw(st.integers(1, 6)),
        mlp_dim=draw(st.integers(1, 40)),
        max_seq_len=draw(st.integers(1, 9)),
        norm=draw(st.sampled_from(["rmsnorm", "layernorm"])),
        positions=draw(st.sampled_from(["rope", "learned"])),
        mlp=draw(st.sampled_from(["swiglu", "gelu"])),
        bias=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
    )


@given(config=configs())
@example(small_wheel.CONFIG)
def test_split_weights_cuts_the_array_without_gap_or_overlap(config):
    shapes = weight_shapes(config)
    size = sum(math.prod(shape) for shape in shapes.values())
    flat = np.arange(size, dtype=np.float32)
    weights = split_weights(flat, config)
    assert {name: weight.shape for name, weight in weights.items()} == shapes
    start = 0
    for name, weight in weights.items():
        assert np.shares_memory(weight, flat)
        numbers = np.sort(weight, axis=None)
        np.testing.assert_array_equal(numbers, np.arange(start, start + weight.size), name)
        start += weight.size
        if weight.ndim == 2:
            rows, columns = weight.shape
            by_column = "proj" in name and rows > columns
            assert weight.flags["F_CONTIGUOUS" if by_column else "C_CONTIGUOUS"], name
    assert start == size
