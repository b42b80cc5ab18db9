import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core import GPT, ModelConfig
from tinytorch.core.ops import matmul
from tinytorch.generation import enable_kv_cache, generate
from tinytorch.profiling import OperationCount, count_operations

KINDS = ["projections", "scores", "weighted_sum", "mlp", "logits"]


def multiply_adds(ufunc, a, b):
    """Count from the operands' shapes, one multiply-add for each of K terms of each entry."""
    if ufunc is np.matmul:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return int(np.prod(stack, dtype=int)) * a.shape[-2] * a.shape[-1] * b.shape[-1]
    matrix = a if ufunc is np.matvec else b
    vector = b if ufunc is np.matvec else a
    stack = np.broadcast_shapes(matrix.shape[:-2], vector.shape[:-1])
    return int(np.prod(stack, dtype=int)) * matrix.shape[-2] * matrix.shape[-1]


def as_plain(x):
    return x.view(np.ndarray) if isinstance(x, CountedArray) else x


class CountedArray(np.ndarray):
    """An array that counts every matrix product it takes part in, whoever computes it."""

    total = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc in (np.matmul, np.matvec, np.vecmat):
            CountedArray.total += multiply_adds(ufunc, *inputs)
        outs = kwargs.get("out")
        if outs is not None:
            kwargs["out"] = tuple(map(as_plain, outs))
        result = getattr(ufunc, method)(*map(as_plain, inputs), **kwargs)
        return outs[0] if outs is not None else np.asarray(result).view(CountedArray)

    def __array_function__(self, func, types, args, kwargs):
        if func in (np.dot, np.inner, np.tensordot, np.einsum):
            raise AssertionError(f"np.{func.__name__} is not counted")
        return super().__array_function__(func, types, args, kwargs)

    def dot(self, *args, **kwargs):
        raise AssertionError("ndarray.dot is not counted")


@pytest.fixture
def counted_model(config, make_weights):
    weights = {name: array.view(CountedArray) for name, array in make_weights(config).items()}
    return GPT(config, weights=weights)


def independent_count(function, *args, **kwargs):
    CountedArray.total = 0
    with count_operations() as count:
        function(*args, **kwargs)
    return CountedArray.total, count


def by_hand(config, num_fed, num_scored):
    """Multiply-adds outside of attention, for tokens fed and tokens whose logits are wanted."""
    query_dim = config.num_heads * config.head_dim
    kv_dim = config.num_kv_heads * config.head_dim
    matrices = 3 if config.mlp == "swiglu" else 2
    projections = config.embed_dim * (query_dim + 2 * kv_dim) + query_dim * config.embed_dim
    return {
        "projections": config.num_layers * num_fed * projections,
        "mlp": config.num_layers * num_fed * matrices * config.embed_dim * config.mlp_dim,
        "logits": num_scored * config.embed_dim * config.vocab_size,
    }


def assert_counts(count, expected):
    assert {kind: count.by_kind[kind] for kind in expected} == expected


@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_pass_against_hand_arithmetic(config, make_model, make_tokens, batch_size, last_only):
    with count_operations() as count:
        make_model(config).forward(make_tokens(config, batch_size, 7), last_only=last_only)
    assert list(count.by_kind) == KINDS
    num_scored = batch_size * (1 if last_only else 7)
    assert_counts(count, by_hand(config, batch_size * 7, num_scored))
    width = config.num_layers * batch_size * config.num_heads * config.head_dim
    for kind in ("scores", "weighted_sum"):
        assert 7 * 8 // 2 * width <= count.by_kind[kind] <= 7 * 7 * width
    assert count.total == sum(count.by_kind.values())


def test_gpt2_style_pass_against_numbers_written_out():
    config = ModelConfig(vocab_size=10, embed_dim=4, num_layers=3, num_heads=2, max_seq_len=8)
    with count_operations() as count:
        GPT(config).forward([[1]])
    # Three layers; 4 projections of 4 x 4; an MLP of 4 x 16 twice; one key, 2 heads of 2.
    assert count.by_kind == {
        "projections": 3 * 64,
        "scores": 3 * 4,
        "weighted_sum": 3 * 4,
        "mlp": 3 * 128,
        "logits": 40,
    }
    assert count.total == 640


def test_a_decoding_step_reads_the_history_once(config, make_model, make_tokens):
    model = make_model(config)
    enable_kv_cache(model, batch_size=2)
    model.forward(make_tokens(config, 2, 9))
    with count_operations() as count:
        model.forward(make_tokens(config, 2, 1))
    attention = config.num_layers * 2 * 10 * config.num_heads * config.head_dim
    assert count.by_kind == by_hand(config, 2, 2) | {
        "scores": attention,
        "weighted_sum": attention,
    }


@pytest.mark.parametrize("batch_size", [1, 2])
def test_every_product_of_a_pass_is_counted(counted_model, config, make_tokens, batch_size):
    total, count = independent_count(counted_model.forward, make_tokens(config, batch_size, 9))
    assert total == count.total > 0


def test_every_product_across_the_block_border_is_counted(make_weights, make_tokens):
    config = ModelConfig(
        vocab_size=5, embed_dim=4, num_layers=1, num_heads=2, num_kv_heads=1, max_seq_len=300
    )
    weights = {name: array.view(CountedArray) for name, array in make_weights(config).items()}
    model = GPT(config, weights=weights)
    total, count = independent_count(model.forward, make_tokens(config, 1, 300))
    assert total == count.total
    # Masked blocks are skipped: fewer than all pairs, more than the visible ones.
    assert 300 * 301 // 2 * 4 <= count.by_kind["scores"] < 0.8 * 300 * 300 * 4


@pytest.mark.parametrize("use_cache", [True, False])
def test_every_product_of_generation_is_counted(counted_model, config, make_tokens, use_cache):
    prompt = make_tokens(config, 2, 4)
    total, count = independent_count(generate, counted_model, prompt, 5, use_cache=use_cache)
    assert total == count.total > 0


def test_a_product_that_bypasses_the_counter_would_be_noticed(counted_model, config, make_tokens):
    def bypass(tokens):
        logits = counted_model.forward(tokens)
        return logits @ counted_model.token_embedding

    total, count = independent_count(bypass, make_tokens(config, 1, 3))
    assert total == count.total + 3 * config.vocab_size * config.embed_dim


def test_a_hundred_tokens_need_fifty_times_the_projections_without_a_cache():
    config = ModelConfig(
        vocab_size=7, embed_dim=4, num_layers=1, num_heads=1, mlp_dim=4, max_seq_len=100
    )
    model, counts = GPT(config), {}
    for use_cache in (True, False):
        with count_operations() as counts[use_cache]:
            generate(model, [3], 100, use_cache=use_cache)
    assert_counts(counts[True], by_hand(config, 100, 100))
    assert_counts(counts[False], by_hand(config, 5050, 100))
    # Cached, each of 100 queries meets the tokens up to itself.
    assert counts[True].by_kind["scores"] == 5050 * 4
    assert counts[False].by_kind["scores"] >= 171_700 * 4


@given(
    stack_a=st.sampled_from([(), (1,), (3,), (2, 1), (2, 3)]),
    stack_b=st.sampled_from([(), (1,), (3,), (2, 3)]),
    sizes=st.tuples(*[st.integers(1, 5)] * 3),
    kind=st.sampled_from(KINDS),
)
def test_stacks_of_matrices_are_counted_as_they_broadcast(stack_a, stack_b, sizes, kind):
    rows, inner, columns = sizes
    with count_operations() as count:
        product = matmul(
            np.ones((*stack_a, rows, inner)), np.ones((*stack_b, inner, columns)), kind
        )
    assert count.by_kind == dict.fromkeys(KINDS, 0) | {kind: product.size * inner}


def test_nothing_is_counted_before_or_after(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 1, 3)
    model.forward(tokens)
    with count_operations() as count:
        assert (count.total, count.by_kind) == (0, dict.fromkeys(KINDS, 0))
    model.forward(tokens)
    assert count.total == 0


def test_nested_blocks_count_what_happens_in_each():
    def product():
        matmul(np.ones((2, 3)), np.ones((3, 5)), "mlp")

    with count_operations() as outer:
        product()
        with count_operations() as inner:
            product()
            product()
            with count_operations() as innermost:
                product()
        product()
        with count_operations() as second:
            product()
    totals = [count.total for count in (outer, inner, innermost, second)]
    assert totals == [30 * n for n in (6, 3, 1, 1)]


def test_an_exception_ends_the_counting():
    def counted_then_refused():
        matmul(np.ones((2, 3)), np.ones((3, 5)), "mlp")
        np.matmul(np.ones((2, 3)), np.ones((4, 5)))

    with count_operations() as outer:
        with pytest.raises(ValueError, match="matmul"), count_operations() as inner:
            counted_then_refused()
        matmul(np.ones((1, 3)), np.ones((3, 5)), "logits")
    matmul(np.ones((2, 3)), np.ones((3, 5)), "mlp")
    assert (inner.total, outer.total) == (30, 45)


def test_counting_changes_no_result(config, make_model, make_tokens):
    model, tokens = make_model(config), make_tokens(config, 2, 5)
    expected = model.forward(tokens)
    with count_operations():
        np.testing.assert_array_equal(model.forward(tokens), expected)


def test_two_counts_do_not_share_their_numbers():
    first, second = OperationCount(), OperationCount()
    first.by_kind["mlp"] = 5
    assert (first.total, second.total) == (5, 0)
