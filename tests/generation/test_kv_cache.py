import copy
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tinytorch.core import attend
from tinytorch.generation import KVCache

MIB = 2**20
SIZES = {"batch_size": 2, "max_seq_len": 6, "num_layers": 2, "num_heads": 3, "head_dim": 4}


class Tensor:
    """What a deep-learning framework hands over: an object around its array."""

    def __init__(self, data):
        self.data = data


def make_cache(dtype=np.float32, **changes):
    return KVCache(**SIZES | changes, dtype=dtype)


def entries(num_tokens, seed=0, dtype=np.float32, shape=(2, 3, None, 4)):
    rng = np.random.default_rng(seed)
    shape = tuple(num_tokens if size is None else size for size in shape)
    return rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape).astype(dtype)


def write(cache, num_tokens, seed=0):
    """Write and commit `num_tokens` other tokens in each layer; return what was written."""
    written = [entries(num_tokens, 100 * seed + layer) for layer in range(cache.num_layers)]
    for layer, (key, value) in enumerate(written):
        cache.update(layer, key, value)
    cache.advance(num_tokens)
    return written


def state(cache):
    """Everything a caller can see or commit, as comparable bytes."""
    committed = [[part.tobytes() for part in cache.get(layer)] for layer in range(cache.num_layers)]
    pending = []
    for num_tokens in range(1, cache.max_seq_len - cache.seq_pos + 1):
        probe = copy.deepcopy(cache)
        try:
            probe.advance(num_tokens)
        except ValueError as error:
            pending.append(str(error))
        else:
            layers = range(cache.num_layers)
            pending.append([part.tobytes() for layer in layers for part in probe.get(layer)])
    return cache.seq_pos, len(cache), committed, pending


def test_a_new_cache_is_empty():
    cache = make_cache()
    assert (cache.seq_pos, len(cache), cache.nbytes_used) == (0, 0, 0)
    for layer in range(2):
        for part in cache.get(layer):
            assert (part.shape, part.dtype) == ((2, 3, 0, 4), np.float32)


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, True, "2", None], ids=repr)
@pytest.mark.parametrize("name", SIZES)
def test_sizes_must_be_positive_integers(name, value):
    with pytest.raises(
        ValueError, match=rf"^{name} must be an integer of at least 1, got {value!r}$"
    ):
        make_cache(**{name: value})


def test_sizes_may_be_numpy_integers_and_become_python_ones():
    cache = KVCache(**{name: np.int64(size) for name, size in SIZES.items()})
    for name, size in SIZES.items():
        assert getattr(cache, name) == size
        assert type(getattr(cache, name)) is int


@pytest.mark.parametrize("dtype", [int, bool, complex, "U4", object], ids=str)
def test_dtype_must_be_floating_point(dtype):
    message = re.escape(f"dtype must be a floating-point type, got {np.dtype(dtype)}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        make_cache(dtype)


def test_dtype_must_be_one():
    with pytest.raises(ValueError, match=r"^dtype must be a floating-point type, got banana$"):
        make_cache("banana")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("given_dtype", [np.float16, np.float32, np.float64, np.int64, np.bool_])
def test_entries_are_converted_to_the_dtype_of_the_cache(dtype, given_dtype):
    cache = make_cache(dtype)
    key, value = (array.astype(given_dtype) for array in entries(3))
    keys, values = cache.update(0, key, value)
    assert keys.dtype == values.dtype == cache.dtype == dtype
    np.testing.assert_array_equal(keys, key.astype(dtype))
    np.testing.assert_array_equal(values, value.astype(dtype))


def test_default_dtype_is_float32():
    assert KVCache(**SIZES).dtype == np.float32


def test_update_returns_the_history_and_the_new_tokens_themselves():
    cache = make_cache()
    past = write(cache, 3)
    for layer in range(2):
        key, value = entries(2, seed=7 + layer)
        keys, values = cache.update(layer, key, value)
        np.testing.assert_array_equal(keys, np.concatenate([past[layer][0], key], axis=2))
        np.testing.assert_array_equal(values, np.concatenate([past[layer][1], value], axis=2))


def test_new_tokens_do_not_count_before_advance():
    cache = make_cache()
    past = write(cache, 3)
    for layer in range(2):
        cache.update(layer, *entries(2, seed=7))
    assert cache.seq_pos == 3
    for layer in range(2):
        for part, expected in zip(cache.get(layer), past[layer], strict=True):
            np.testing.assert_array_equal(part, expected)


def test_update_twice_before_advance_replaces():
    cache = make_cache()
    write(cache, 1)
    for layer in range(2):
        cache.update(layer, *entries(4, seed=1))
        key, value = entries(2, seed=2)
        keys, _ = cache.update(layer, key, value)
        assert keys.shape[2] == 3
    cache.advance(2)
    for layer in range(2):
        np.testing.assert_array_equal(cache.get(layer)[0][:, :, 1:], key)
        np.testing.assert_array_equal(cache.get(layer)[1][:, :, 1:], value)


def test_advancing_by_fewer_than_written_keeps_the_first_ones():
    cache = make_cache()
    for layer in range(2):
        key, value = entries(4, seed=1)
        cache.update(layer, key, value)
    cache.advance(3)
    assert cache.seq_pos == 3
    np.testing.assert_array_equal(cache.get(1)[0], key[:, :, :3])
    np.testing.assert_array_equal(cache.get(1)[1], value[:, :, :3])
    with pytest.raises(ValueError, match="num_tokens must be from 1 to the 0"):
        cache.advance(1)


def test_advance_commits_one_token_unless_told_otherwise():
    cache = make_cache()
    for layer in range(2):
        cache.update(layer, *entries(1))
    cache.advance()
    assert cache.seq_pos == len(cache) == 1


def test_views_share_the_memory_of_the_cache():
    cache = make_cache()
    write(cache, 2)
    keys, values = cache.update(1, *entries(1, seed=3))
    for part, committed in zip((keys, values), cache.get(1), strict=True):
        assert np.shares_memory(part, committed)
        assert not part.flags.owndata
    assert not np.shares_memory(keys, values)
    assert not np.shares_memory(keys, cache.get(0)[0])


def test_an_update_shows_in_the_views_handed_out_before():
    cache = make_cache()
    first, _ = cache.update(0, *entries(2, seed=1))
    key, value = entries(2, seed=2)
    cache.update(0, key, value)
    np.testing.assert_array_equal(first, key)


def test_the_cache_keeps_a_copy_of_what_it_is_given():
    cache = make_cache()
    key, value = entries(2)
    keys, values = cache.update(0, key, value)
    before = keys.copy(), values.copy()
    key[...] = value[...] = 9
    np.testing.assert_array_equal(keys, before[0])
    np.testing.assert_array_equal(values, before[1])


def test_memory_is_allocated_once():
    cache = make_cache()
    keys, values = cache.update(0, *entries(6))
    for seed in range(3):
        cache.reset()
        write(cache, 4, seed)
        cache.truncate(2)
        cache.reorder([1, 0])
        for part, first in zip(cache.get(0), (keys, values), strict=True):
            assert np.shares_memory(part, first)


def test_views_are_ready_for_attention():
    cache = make_cache()
    past = write(cache, 4)
    query = entries(1, seed=5)[0]
    key, value = entries(1, seed=6)
    actual = attend(query, *cache.update(0, key, value))
    plain = [np.concatenate(pair, axis=2) for pair in zip(past[0], (key, value), strict=True)]
    np.testing.assert_allclose(actual, attend(query, *plain), atol=1e-6)


@pytest.mark.parametrize("wrap", [Tensor, lambda array: Tensor(array.tolist()), np.ndarray.tolist])
def test_tensors_and_lists_are_accepted(wrap):
    cache = make_cache()
    key, value = entries(2)
    keys, values = cache.update(0, wrap(key), wrap(value))
    np.testing.assert_array_equal(keys, key)
    np.testing.assert_array_equal(values, value)


def test_strided_arrays_are_accepted():
    cache = make_cache()
    key, value = (array.swapaxes(1, 2)[:, ::-1].swapaxes(1, 2) for array in entries(5))
    keys, values = cache.update(0, key, value)
    np.testing.assert_array_equal(keys, key)
    np.testing.assert_array_equal(values, value)


def test_an_all_zero_token_is_a_token():
    cache = make_cache()
    zeros = np.zeros((2, 3, 1, 4), np.float32)
    for _ in range(2):
        for layer in range(2):
            cache.update(layer, zeros, zeros)
        cache.advance(1)
    assert cache.seq_pos == 2


def test_the_cache_may_be_filled_to_its_last_place():
    cache = make_cache()
    written = [write(cache, 1, seed) for seed in range(6)]
    assert cache.seq_pos == cache.max_seq_len
    for layer in range(2):
        expected = np.concatenate([token[layer][0] for token in written], axis=2)
        np.testing.assert_array_equal(cache.get(layer)[0], expected)


GOOD = entries(2)[0]


def wrong_shape(name, given, tokens=2):
    expected = f"(batch_size=2, num_heads=3, tokens={tokens}, head_dim=4)"
    return f"^{re.escape(f'{name} must have shape {expected}, got {given}')}$"


BAD_UPDATES = {
    "negative layer": ((-1, GOOD, GOOD), r"^layer_idx must be from 0 to 1, got -1$"),
    "layer too high": ((2, GOOD, GOOD), r"^layer_idx must be from 0 to 1, got 2$"),
    "layer is a float": ((1.0, GOOD, GOOD), r"^layer_idx must be from 0 to 1, got 1.0$"),
    "layer is a bool": ((True, GOOD, GOOD), r"^layer_idx must be from 0 to 1, got True$"),
    "layer is None": ((None, GOOD, GOOD), r"^layer_idx must be from 0 to 1, got None$"),
    "batch": ((0, GOOD[:1], GOOD), wrong_shape("key", (1, 3, 2, 4))),
    "heads": ((0, GOOD, GOOD[:, :2]), wrong_shape("value", (2, 2, 2, 4))),
    "head width": ((0, GOOD[..., :3], GOOD), wrong_shape("key", (2, 3, 2, 3))),
    "lengths": ((0, GOOD, GOOD[:, :, :1]), wrong_shape("value", (2, 3, 1, 4))),
    "no tokens": (
        (0, GOOD[:, :, :0], GOOD[:, :, :0]),
        wrong_shape("key", (2, 3, 0, 4), tokens="at least 1"),
    ),
    "three axes": ((0, GOOD, GOOD[:, :, 0]), wrong_shape("value", (2, 3, 4))),
    "five axes": (
        (0, GOOD[None], GOOD),
        wrong_shape("key", (1, 2, 3, 2, 4), tokens="at least 1"),
    ),
    "a number": ((0, 1.0, GOOD), wrong_shape("key", (), tokens="at least 1")),
    "complex": ((0, GOOD, GOOD + 1j), r"^value must be real numbers, got dtype complex64$"),
    "strings": ((0, GOOD.astype(str), GOOD), r"^key must be real numbers, got dtype <U32$"),
    "objects": ((0, GOOD.astype(object), GOOD), r"^key must be real numbers, got dtype object$"),
    "dates": (
        (0, GOOD.astype("M8[s]"), GOOD),
        r"^key must be real numbers, got dtype datetime64\[s\]$",
    ),
    "overflow": (
        (0, *entries(4)),
        r"^cache overflow: 3 tokens cached and 4 new exceed max_seq_len=6$",
    ),
}


@pytest.mark.parametrize(("args", "message"), BAD_UPDATES.values(), ids=BAD_UPDATES.keys())
def test_a_refused_update_changes_nothing(args, message):
    cache = make_cache()
    write(cache, 3)
    cache.update(0, *entries(2, seed=8))
    cache.update(1, *entries(2, seed=9))
    before = state(cache)
    with pytest.raises(ValueError, match=message):
        cache.update(*args)
    assert state(cache) == before


@pytest.mark.parametrize("num_tokens", [0, -1, 3, 1.0, True, None, "1"], ids=repr)
def test_advance_refuses_what_was_not_written(num_tokens):
    cache = make_cache()
    write(cache, 3)
    for layer in range(2):
        cache.update(layer, *entries(2, seed=8))
    before = state(cache)
    message = f"num_tokens must be from 1 to the 2 that every layer has written, got {num_tokens!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cache.advance(num_tokens)
    assert state(cache) == before


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ((2, 0), "layers out of step: layer 0 has written 2 tokens, layer 1 0"),
        ((0, 1), "layers out of step: layer 1 has written 1 tokens, layer 0 0"),
        ((1, 3), "layers out of step: layer 1 has written 3 tokens, layer 0 1"),
    ],
)
def test_advance_refuses_layers_out_of_step(written, message):
    cache = make_cache()
    write(cache, 3)
    for layer, num_tokens in enumerate(written):
        if num_tokens:
            cache.update(layer, *entries(num_tokens, seed=8))
    before = state(cache)
    with pytest.raises(ValueError, match=f"^{message}$"):
        cache.advance(1)
    assert state(cache) == before


def test_advance_before_any_update_is_refused():
    with pytest.raises(ValueError, match="from 1 to the 0 that every layer has written, got 1"):
        make_cache().advance()


@pytest.mark.parametrize("layer_idx", [-1, 2, 0.0, True], ids=repr)
def test_get_refuses_a_layer_that_does_not_exist(layer_idx):
    with pytest.raises(ValueError, match=f"^layer_idx must be from 0 to 1, got {layer_idx!r}$"):
        make_cache().get(layer_idx)


@pytest.mark.parametrize("seq_len", [0, 1, 3, 4])
def test_truncate_keeps_the_first_tokens(seq_len):
    cache = make_cache()
    past = write(cache, 4)
    cache.truncate(seq_len)
    assert cache.seq_pos == seq_len
    for layer in range(2):
        for part, written in zip(cache.get(layer), past[layer], strict=True):
            np.testing.assert_array_equal(part, written[:, :, :seq_len])


@pytest.mark.parametrize("seq_len", [-1, 4, 6, 1.0, True, None, "1"], ids=repr)
def test_truncate_refuses_lengths_that_are_not_there(seq_len):
    cache = make_cache()
    write(cache, 3)
    for layer in range(2):
        cache.update(layer, *entries(2, seed=8))
    before = state(cache)
    with pytest.raises(
        ValueError, match=rf"^seq_len must be from 0 to seq_pos=3, got {seq_len!r}$"
    ):
        cache.truncate(seq_len)
    assert state(cache) == before


def test_tokens_written_after_truncate_follow_the_kept_ones():
    cache = make_cache()
    past = write(cache, 5)
    cache.truncate(2)
    new = write(cache, 3, seed=1)
    for layer in range(2):
        for part, old, added in zip(cache.get(layer), past[layer], new[layer], strict=True):
            np.testing.assert_array_equal(part, np.concatenate([old[:, :, :2], added], axis=2))


def test_reset_forgets_the_length_and_the_tokens():
    cache = make_cache()
    write(cache, 5)
    cache.reset()
    assert (cache.seq_pos, len(cache), cache.nbytes_used) == (0, 0, 0)
    new = write(cache, 2, seed=1)
    for part, written in zip(cache.get(1), new[1], strict=True):
        np.testing.assert_array_equal(part, written)


@pytest.mark.parametrize(
    "forget", [lambda c: c.reset(), lambda c: c.truncate(1), lambda c: c.reorder([0, 1])]
)
def test_tokens_not_yet_committed_are_forgotten_too(forget):
    cache = make_cache()
    write(cache, 2)
    for layer in range(2):
        cache.update(layer, *entries(1))
    forget(cache)
    with pytest.raises(ValueError, match="from 1 to the 0 that every layer has written"):
        cache.advance()


@pytest.mark.parametrize("indices", [[0, 1, 2], [2, 0, 1], [1, 1, 1], [0, 0, 2]], ids=str)
@pytest.mark.parametrize("container", [list, tuple, np.array, lambda i: np.array(i, np.uint8)])
def test_reorder_gives_each_row_the_history_of_the_named_one(indices, container):
    cache = make_cache(batch_size=3)
    written = [entries(4, seed, shape=(3, 3, None, 4)) for seed in range(2)]
    for layer, (key, value) in enumerate(written):
        cache.update(layer, key, value)
    cache.advance(4)
    cache.reorder(container(indices))
    assert cache.seq_pos == 4
    for layer in range(2):
        for part, old in zip(cache.get(layer), written[layer], strict=True):
            for row, source in enumerate(indices):
                np.testing.assert_array_equal(part[row], old[source])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0], "batch_indices must be 2 integers, got [0]"),
        ([0, 1, 0], "batch_indices must be 2 integers, got [0, 1, 0]"),
        ([[0, 1]], "batch_indices must be 2 integers, got [[0, 1]]"),
        ([0.0, 1.0], "batch_indices must be 2 integers, got [0.0, 1.0]"),
        ([True, False], "batch_indices must be 2 integers, got [True, False]"),
        (None, "batch_indices must be 2 integers, got None"),
        ([0, 2], "batch_indices must be from 0 to 1, got [0, 2]"),
        ([-1, 0], "batch_indices must be from 0 to 1, got [-1, 0]"),
    ],
)
def test_reorder_refuses_rows_that_do_not_exist(indices, message):
    cache = make_cache()
    write(cache, 3)
    for layer in range(2):
        cache.update(layer, *entries(2, seed=8))
    before = state(cache)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cache.reorder(indices)
    assert state(cache) == before


@given(
    st.fixed_dictionaries({name: st.integers(1, 6) for name in SIZES}),
    st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_bytes_are_two_arrays_of_layers_rows_heads_tokens_and_widths(sizes, dtype):
    cache = KVCache(**sizes, dtype=dtype)
    itemsize = {np.float16: 2, np.float32: 4, np.float64: 8}[dtype]
    per_token = 2 * itemsize
    for name in ("num_layers", "batch_size", "num_heads", "head_dim"):
        per_token *= sizes[name]
    assert cache.nbytes == per_token * sizes["max_seq_len"]
    shape = (sizes["batch_size"], sizes["num_heads"], 1, sizes["head_dim"])
    for layer in range(sizes["num_layers"]):
        cache.update(layer, np.ones(shape), np.ones(shape))
    cache.advance()
    assert cache.nbytes_used == per_token
    committed = [part.nbytes for layer in range(sizes["num_layers"]) for part in cache.get(layer)]
    assert sum(committed) == per_token


@pytest.mark.parametrize(("dtype", "mebibytes"), [(np.float32, 72), (np.float16, 36)])
def test_gpt2_at_its_full_context_takes_72_mib_in_float32(dtype, mebibytes):
    cache = KVCache(1, 1024, num_layers=12, num_heads=12, head_dim=64, dtype=dtype)
    assert cache.nbytes == mebibytes * MIB
    assert cache.get_memory_usage() == {
        "total_mb": mebibytes,
        "per_layer_mb": mebibytes / 12,
        "cache_tensors": 24,
        "total_elements": 18_874_368,
    }


def test_grouped_query_attention_divides_the_bytes():
    full = KVCache(1, 256, num_layers=2, num_heads=32, head_dim=16)
    grouped = KVCache(1, 256, num_layers=2, num_heads=8, head_dim=16)
    assert full.nbytes == 4 * grouped.nbytes


def test_repr_tells_sizes_and_use():
    cache = KVCache(1, 1024, num_layers=12, num_heads=12, head_dim=64)
    text = (
        "KVCache(batch_size=1, max_seq_len=1024, num_layers=12, num_heads=12, head_dim=64, "
        "dtype=float32): {} tokens, {} of 72.00 MiB"
    )
    assert repr(cache) == text.format(0, "0.00")
    new = np.ones((1, 12, 512, 64), np.float32)
    for layer in range(12):
        cache.update(layer, new, new)
    cache.advance(512)
    assert repr(cache) == text.format(512, "36.00")


class ListCache:
    """A cache without clever memory: a list of tokens for each layer."""

    def __init__(self):
        self.committed = [[] for _ in range(2)]
        self.pending = [[] for _ in range(2)]

    def advance(self, num_tokens):
        for layer in range(2):
            self.committed[layer] += self.pending[layer][:num_tokens]
        self.forget_pending()

    def truncate(self, seq_len):
        self.committed = [tokens[:seq_len] for tokens in self.committed]
        self.forget_pending()

    def reorder(self, indices):
        self.committed = [
            [(key[indices], value[indices]) for key, value in tokens] for tokens in self.committed
        ]
        self.forget_pending()

    def forget_pending(self):
        self.pending = [[] for _ in range(2)]


layers = st.integers(0, 1)
numbers_of_tokens = st.integers(1, 7)
seeds = st.integers(0, 999)


class CacheMachine(RuleBasedStateMachine):
    """Any sequence of calls, right or wrong, leaves the cache equal to the list."""

    @initialize(dtype=st.sampled_from([np.float16, np.float32, np.float64]))
    def start(self, dtype):
        self.dtype = dtype
        self.cache = make_cache(dtype)
        self.model = ListCache()

    @property
    def room(self):
        return 6 - len(self.model.committed[0])

    def is_in_step(self):
        return len(self.model.pending[0]) == len(self.model.pending[1]) > 0

    @rule(layer=layers, num_tokens=numbers_of_tokens, seed=seeds)
    def update(self, layer, num_tokens, seed):
        key, value = entries(num_tokens, seed)
        if num_tokens > self.room:
            with pytest.raises(ValueError, match="cache overflow"):
                self.cache.update(layer, key, value)
            return
        views = self.cache.update(layer, key, value)
        self.model.pending[layer] = [
            (key[:, :, t].astype(self.dtype), value[:, :, t].astype(self.dtype))
            for t in range(num_tokens)
        ]
        self.check(views, self.model.committed[layer] + self.model.pending[layer])

    @precondition(lambda self: self.room > 0)
    @rule(data=st.data(), seed=seeds)
    def forward_pass(self, data, seed):
        num_tokens = data.draw(st.integers(1, self.room))
        self.update(0, num_tokens, seed)
        self.update(1, num_tokens, seed + 1)
        kept = data.draw(st.integers(1, num_tokens))
        self.cache.advance(kept)
        self.model.advance(kept)

    @rule(num_tokens=st.integers(-1, 7))
    def advance(self, num_tokens):
        if self.is_in_step() and 1 <= num_tokens <= len(self.model.pending[0]):
            self.cache.advance(num_tokens)
            self.model.advance(num_tokens)
        else:
            with pytest.raises(ValueError, match=r"out of step|must be from 1"):
                self.cache.advance(num_tokens)

    @rule(seq_len=st.integers(-1, 7))
    def truncate(self, seq_len):
        if 0 <= seq_len <= len(self.model.committed[0]):
            self.cache.truncate(seq_len)
            self.model.truncate(seq_len)
        else:
            with pytest.raises(ValueError, match="seq_len must be"):
                self.cache.truncate(seq_len)

    @rule()
    def reset(self):
        self.cache.reset()
        self.model.truncate(0)

    @rule(indices=st.lists(st.integers(-1, 2), min_size=1, max_size=3))
    def reorder(self, indices):
        if len(indices) == 2 and set(indices) <= {0, 1}:
            self.cache.reorder(indices)
            self.model.reorder(indices)
        else:
            with pytest.raises(ValueError, match="batch_indices must be"):
                self.cache.reorder(indices)

    @rule(case=st.sampled_from(sorted(set(BAD_UPDATES) - {"overflow"})))
    def refused_update(self, case):
        args, message = BAD_UPDATES[case]
        with pytest.raises(ValueError, match=message):
            self.cache.update(*args)

    @invariant()
    def cache_equals_list(self):
        assert self.cache.seq_pos == len(self.cache) == len(self.model.committed[0])
        assert self.cache.nbytes_used * 6 == self.cache.nbytes * len(self.model.committed[0])
        for layer in range(2):
            self.check(self.cache.get(layer), self.model.committed[layer])

    @invariant()
    def what_is_written_can_be_committed(self):
        if self.is_in_step():
            probe = copy.deepcopy(self.cache)
            probe.advance(len(self.model.pending[0]))
            for layer in range(2):
                tokens = self.model.committed[layer] + self.model.pending[layer]
                self.check(probe.get(layer), tokens)

    def check(self, views, tokens):
        for part, view in enumerate(views):
            assert (view.shape, view.dtype) == ((2, 3, len(tokens), 4), self.dtype)
            for t, token in enumerate(tokens):
                np.testing.assert_array_equal(view[:, :, t], token[part])


TestCacheAgainstList = CacheMachine.TestCase
TestCacheAgainstList.settings = settings(max_examples=30, stateful_step_count=30)


@pytest.mark.parametrize("max_seq_len", [1, 15, 16, 17, 1024, 2048])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_of_keys_lie_an_odd_number_of_cache_lines_apart(max_seq_len, dtype):
    cache = KVCache(1, max_seq_len, 1, 1, 2, dtype)
    new = np.ones((1, 1, 1, 2), dtype)
    keys, _ = cache.update(0, new, new)
    distance = keys.strides[3]
    assert distance % 64 == 0
    assert distance // 64 % 2 == 1
    assert max_seq_len * keys.itemsize <= distance <= max_seq_len * keys.itemsize + 127
    assert cache.nbytes == 2 * max_seq_len * 2 * keys.itemsize
