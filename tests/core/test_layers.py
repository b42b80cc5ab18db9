import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import (
    reference_gelu,
    reference_layernorm,
    reference_rmsnorm,
    reference_rope,
    reference_silu,
)
from tinytorch.core import ModelConfig
from tinytorch.core.layers import (
    GeluMLP,
    LayerNorm,
    Linear,
    RMSNorm,
    SwiGLU,
    make_linear,
    make_mlp,
    make_norm,
    rotary_table,
    rotate,
)
from tinytorch.core.ops import gelu, matmul, matmul_observers, silu

SHAPES = [(6,), (5, 6), (1, 1, 6), (2, 3, 6)]


def normal(*shape, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def turned_copy(heads, rotation):
    turned = heads.copy()
    rotate(turned, rotation)
    return turned


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_linear_is_a_weighted_sum_for_each_output(shape, bias):
    x = normal(*shape)
    linear = Linear(normal(4, 6, seed=1), normal(4, seed=2) if bias else None, "mlp")
    y = linear(x)
    assert y.shape == (*shape[:-1], 4)
    assert y.dtype == np.float32
    for index in np.ndindex(y.shape):
        row = x[index[:-1]]
        terms = (float(a) * float(b) for a, b in zip(row, linear.weight[index[-1]], strict=True))
        expected = sum(terms) + (float(linear.bias[index[-1]]) if bias else 0)
        assert y[index] == pytest.approx(expected, abs=1e-5)


def test_linear_reads_strided_input():
    x = normal(3, 2, 6).swapaxes(0, 1)
    linear = Linear(normal(4, 6, seed=1), None, "mlp")
    np.testing.assert_allclose(linear(x), np.einsum("tbi,oi->tbo", x, linear.weight), atol=1e-5)


def test_linear_leaves_input_weight_and_bias_alone():
    x, weight, bias = normal(2, 3, 6), normal(4, 6), normal(4)
    before = [a.copy() for a in (x, weight, bias)]
    Linear(weight, bias, "mlp")(x)
    for array, copy in zip((x, weight, bias), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("bias", [True, False])
def test_split_linear_shares_the_memory_of_the_fused_one(bias):
    fused = Linear(normal(9, 6), normal(9, seed=1) if bias else None, "projections")
    parts = fused.split(4, 3, 2)
    assert [part.weight.shape for part in parts] == [(4, 6), (3, 6), (2, 6)]
    assert {part.kind for part in parts} == {"projections"}
    for part in parts:
        assert np.shares_memory(part.weight, fused.weight)
        assert np.shares_memory(part.bias, fused.bias) if bias else part.bias is None


def test_outputs_of_split_linears_are_those_of_the_fused_one_in_order():
    x, fused = normal(2, 3, 6), Linear(normal(9, 6), normal(9, seed=1), "mlp")
    outputs = [part(x) for part in fused.split(4, 3, 2)]
    np.testing.assert_allclose(np.concatenate(outputs, axis=-1), fused(x), atol=1e-6)


def test_writing_into_a_split_linear_changes_the_fused_one():
    x, fused = normal(2, 6), Linear(normal(9, 6), normal(9, seed=1), "mlp")
    before = fused(x)
    middle = fused.split(4, 3, 2)[1]
    middle.weight[...] = 0
    middle.bias[...] = 7
    after = fused(x)
    np.testing.assert_array_equal(after[:, 4:7], 7)
    np.testing.assert_allclose(after[:, [0, 1, 2, 3, 7, 8]], before[:, [0, 1, 2, 3, 7, 8]])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_layernorm_against_the_reference(shape, bias):
    x = normal(*shape, scale=3) + 5
    weight, shift = normal(6, seed=1), normal(6, seed=2) if bias else None
    expected = reference_layernorm(x.astype(np.float64), weight, shift, 1e-3)
    actual = LayerNorm(weight, shift, 1e-3)(x)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_rmsnorm_against_the_reference(shape):
    x, weight = normal(*shape, scale=3) + 5, normal(6, seed=1)
    expected = reference_rmsnorm(x.astype(np.float64), weight, 1e-3)
    actual = RMSNorm(weight, 1e-3)(x)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_layernorm_ignores_shift_and_scale_and_rmsnorm_ignores_scale():
    x, ones = normal(2, 3, 64), np.ones(64, np.float32)
    layernorm, rmsnorm = LayerNorm(ones, None, 1e-9), RMSNorm(ones, 1e-9)
    np.testing.assert_allclose(layernorm(3 * x + 2), layernorm(x), atol=1e-5)
    np.testing.assert_allclose(rmsnorm(3 * x), rmsnorm(x), atol=1e-5)
    assert np.abs(rmsnorm(3 * x + 2) - rmsnorm(x)).max() > 0.1


def test_norm_eps_keeps_constant_tokens_finite():
    constant, ones = np.full((1, 2, 6), 4, np.float32), np.ones(6, np.float32)
    np.testing.assert_array_equal(LayerNorm(ones, 2 * ones, 1e-5)(constant), 2)
    np.testing.assert_array_equal(RMSNorm(ones, 1e-5)(np.zeros((1, 2, 6), np.float32)), 0)


def test_large_eps_shrinks_the_normalised_state():
    x, ones = normal(1, 3, 6), np.ones(6, np.float32)
    for norm in (LayerNorm(ones, None, 100.0), RMSNorm(ones, 100.0)):
        assert np.abs(norm(x)).max() < 0.5


@pytest.mark.parametrize("norm", [LayerNorm(normal(6), normal(6), 1e-5), RMSNorm(normal(6), 1e-5)])
def test_norms_leave_input_and_weights_alone(norm):
    x = normal(2, 3, 6, seed=3)
    before = x.copy(), norm.weight.copy()
    norm(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(norm.weight, before[1])


@pytest.mark.parametrize("theta", [10_000.0, 500_000.0, 3.0])
def test_rope_turns_each_pair_by_its_own_frequency(theta):
    heads = normal(2, 4, 3, 8)
    positions = np.array([0, 1, 17, 31])
    turned = turned_copy(heads, rotary_table(8, 32, theta)[positions])
    assert (turned.shape, turned.dtype) == (heads.shape, np.float32)
    for b, t, h in np.ndindex(2, 4, 3):
        expected = reference_rope(heads[b, t, h], positions[t], theta)
        np.testing.assert_allclose(turned[b, t, h], expected, atol=1e-5)


def test_rotary_table_has_a_unit_rotation_for_each_position_and_pair():
    table = rotary_table(10, 7, 10_000.0)
    assert (table.shape, table.dtype) == ((7, 5), np.complex64)
    np.testing.assert_allclose(np.abs(table), 1, rtol=1e-6)
    np.testing.assert_allclose(np.angle(table[1]), 10_000.0 ** -np.array([0, 0.2, 0.4, 0.6, 0.8]))


def test_rope_is_exact_at_distant_positions():
    heads = normal(1, 1, 1, 16)
    turned = turned_copy(heads, rotary_table(16, 131_072, 10_000.0)[[131_071]])
    expected = reference_rope(heads[0, 0, 0], 131_071, 10_000.0)
    np.testing.assert_allclose(turned[0, 0, 0], expected, atol=1e-5)


def test_rope_leaves_position_zero_alone_and_keeps_lengths():
    table, heads = rotary_table(8, 32, 10_000.0), normal(2, 5, 3, 8)
    np.testing.assert_array_equal(turned_copy(heads, table[np.zeros(5, int)]), heads)
    turned = turned_copy(heads, table[[31, 7, 2, 19, 5]])
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(heads, axis=-1), rtol=1e-5
    )


@given(
    first=st.integers(0, 400),
    second=st.integers(0, 400),
    shift=st.integers(0, 600),
    seed=st.integers(0, 99),
)
def test_rope_products_depend_on_the_distance_of_positions_only(first, second, shift, seed):
    table = rotary_table(16, 1001, 10_000.0)
    query, key = normal(2, 1, 1, 1, 16, seed=seed)

    def product(m, n):
        return float(np.sum(turned_copy(query, table[[m]]) * turned_copy(key, table[[n]])))

    assert product(first, second) == pytest.approx(product(first + shift, second + shift), abs=1e-4)


def test_rope_products_change_with_the_distance():
    table, heads = rotary_table(16, 64, 10_000.0), normal(1, 1, 1, 16)
    products = [float(np.sum(heads * turned_copy(heads, table[[n]]))) for n in range(4)]
    assert len({round(product, 3) for product in products}) == 4


def test_rope_takes_positions_for_each_row():
    table, heads = rotary_table(8, 32, 10_000.0), normal(3, 2, 4, 8)
    positions = np.array([[0, 1], [5, 6], [31, 2]])
    turned = turned_copy(heads, table[positions])
    for row in range(3):
        alone = turned_copy(heads[row : row + 1], table[positions[row]])
        np.testing.assert_array_equal(turned[row : row + 1], alone)


def test_rope_turns_a_view_in_place_and_nothing_beside_it():
    array = normal(1, 2, 5, 8)
    before = array.copy()
    rotate(array[:, :, 1:3], rotary_table(8, 32, 10_000.0)[[3, 4]])
    np.testing.assert_array_equal(array[:, :, [0, 3, 4]], before[:, :, [0, 3, 4]])
    assert not np.isclose(array[:, :, 1:3], before[:, :, 1:3]).any()


@given(st.floats(-30, 30, width=32))
def test_gelu_and_silu_against_their_formulas(x):
    array = np.array([x], np.float32)
    assert gelu(array)[0] == pytest.approx(reference_gelu(x), rel=1e-5, abs=1e-6)
    assert silu(array)[0] == pytest.approx(reference_silu(x), rel=1e-5, abs=1e-6)


def test_gelu_at_published_values():
    # torch.nn.functional.gelu(torch.tensor([-1., 0., 1., 2.]), approximate="tanh")
    np.testing.assert_allclose(
        gelu(np.array([-1, 0, 1, 2], np.float32)), [-0.158808, 0, 0.841192, 1.954598], atol=1e-6
    )


@pytest.mark.parametrize("activation", [gelu, silu])
def test_activations_do_not_overflow(activation):
    x = np.array([-1e4, -100, 100, 1e4], np.float32)
    np.testing.assert_allclose(activation(x), [0, 0, 100, 1e4], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("activation", [gelu, silu])
def test_activations_keep_shape_and_dtype_and_their_input(activation, dtype):
    x = normal(2, 3, 4).astype(dtype)
    before = x.copy()
    y = activation(x)
    assert (y.shape, y.dtype) == (x.shape, dtype)
    np.testing.assert_array_equal(x, before)


def mlp_weights(names, bias):
    weights = {}
    for seed, (name, shape) in enumerate(names.items()):
        weights[f"mlp.{name}.weight"] = normal(*shape, seed=seed)
        if bias:
            weights[f"mlp.{name}.bias"] = normal(shape[0], seed=seed + 10)
    return weights


def affine(weights, name, x):
    return np.einsum("...i,oi->...o", x, weights[f"{name}.weight"]) + weights.get(f"{name}.bias", 0)


@pytest.mark.parametrize("bias", [True, False])
def test_gelu_mlp_against_its_formula(bias):
    config = ModelConfig(vocab_size=9, embed_dim=6, num_layers=1, num_heads=1, mlp_dim=5)
    weights = mlp_weights({"up_proj": (5, 6), "down_proj": (6, 5)}, bias)
    x = normal(2, 3, 6, seed=20)
    hidden = np.vectorize(reference_gelu)(affine(weights, "mlp.up_proj", x.astype(np.float64)))
    mlp = GeluMLP(config, weights, "mlp")
    np.testing.assert_allclose(mlp(x), affine(weights, "mlp.down_proj", hidden), atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
def test_swiglu_against_its_formula(bias):
    config = ModelConfig(
        vocab_size=9, embed_dim=6, num_layers=1, num_heads=1, mlp_dim=5, mlp="swiglu"
    )
    weights = mlp_weights({"gate_up_proj": (10, 6), "down_proj": (6, 5)}, bias)
    x = normal(2, 3, 6, seed=20)
    gate_up = affine(weights, "mlp.gate_up_proj", x.astype(np.float64))
    hidden = np.vectorize(reference_silu)(gate_up[..., :5]) * gate_up[..., 5:]
    mlp = SwiGLU(config, weights, "mlp")
    np.testing.assert_allclose(mlp(x), affine(weights, "mlp.down_proj", hidden), atol=1e-4)


def test_swiglu_gate_and_up_share_memory_with_the_fused_weight():
    config = ModelConfig(
        vocab_size=9, embed_dim=6, num_layers=1, num_heads=1, mlp_dim=5, mlp="swiglu"
    )
    weights = mlp_weights({"gate_up_proj": (10, 6), "down_proj": (6, 5)}, bias=False)
    mlp = SwiGLU(config, weights, "mlp")
    fused = weights["mlp.gate_up_proj.weight"]
    assert np.shares_memory(mlp.gate_proj.weight, fused[:5])
    assert np.shares_memory(mlp.up_proj.weight, fused[5:])
    x = normal(1, 2, 6)
    mlp.gate_proj.weight[...] = 0
    np.testing.assert_array_equal(mlp(x), 0)


def test_makers_choose_by_the_config_and_take_weights_without_a_copy():
    weights = {"n.weight": normal(6), "n.bias": normal(6, seed=1), "l.weight": normal(4, 6)}
    gpt2 = ModelConfig(vocab_size=9, embed_dim=6, num_layers=1, num_heads=1, norm_eps=0.25)
    llama = ModelConfig(
        vocab_size=9, embed_dim=6, num_layers=1, num_heads=1, norm_eps=0.5, norm="rmsnorm"
    )
    layernorm, rmsnorm = make_norm(gpt2, weights, "n"), make_norm(llama, weights, "n")
    assert (type(layernorm), layernorm.eps) == (LayerNorm, 0.25)
    assert (type(rmsnorm), rmsnorm.eps) == (RMSNorm, 0.5)
    linear = make_linear(weights, "l", "logits")
    assert linear.bias is None
    assert linear.weight is weights["l.weight"]
    assert layernorm.weight is weights["n.weight"]
    assert layernorm.bias is weights["n.bias"]


def test_make_mlp_chooses_by_the_config(gpt2_config, llama_config, make_weights):
    for config, kind in ((gpt2_config, GeluMLP), (llama_config, SwiGLU)):
        assert type(make_mlp(config, make_weights(config), "blocks.0.mlp")) is kind


def test_matmul_tells_its_observers_the_kind_and_the_operands():
    seen = []
    a, b = normal(2, 3, 4), normal(4, 5)
    matmul_observers.append(lambda *call: seen.append(call))
    try:
        product = matmul(a, b, "scores")
    finally:
        matmul_observers.pop()
    matmul(a, b, "mlp")
    np.testing.assert_allclose(product, np.einsum("bij,jk->bik", a, b), atol=1e-5)
    [(kind, left, right)] = seen
    assert (kind, left is a, right is b) == ("scores", True, True)
