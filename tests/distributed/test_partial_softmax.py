import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core import attend
from tinytorch.distributed import attend_part, merge_parts


def draw(seed, num_heads, num_kv_heads, num_queries, num_keys, batch_size=2, head_dim=8):
    rng = np.random.default_rng(seed)
    query = rng.standard_normal((batch_size, num_heads, num_queries, head_dim), dtype=np.float32)
    entries = (2, batch_size, num_kv_heads, num_keys, head_dim)
    return query * 3, *rng.standard_normal(entries, dtype=np.float32)


@given(
    seed=st.integers(0, 999),
    num_queries=st.integers(1, 9),
    num_past=st.integers(0, 9),
    num_parts=st.integers(1, 5),
)
def test_parts_in_any_places_and_order_make_the_whole(seed, num_queries, num_past, num_parts):
    num_keys = num_past + num_queries
    query, key, value = draw(seed, 6, 2, num_queries, num_keys)
    rng = np.random.default_rng(seed)
    part_of = rng.integers(0, num_parts, num_keys)
    query_pos, key_pos = np.arange(num_past, num_keys), np.arange(num_keys)
    parts = [
        attend_part(query, key[:, :, own], value[:, :, own], query_pos, key_pos[own])
        for own in (part_of == part for part in rng.permutation(num_parts))
    ]
    np.testing.assert_allclose(merge_parts(parts), attend(query, key, value), atol=1e-5)


def test_blocks_of_queries():
    query, key, value = draw(0, 2, 1, 300, 300, batch_size=1)
    pos = np.arange(300)
    halves = [
        attend_part(query, key[:, :, own], value[:, :, own], pos, pos[own])
        for own in (slice(0, 170), slice(170, 300))
    ]
    np.testing.assert_allclose(merge_parts(halves), attend(query, key, value), atol=1e-5)


def test_scores_that_overflow_without_their_maximum():
    query, key, value = draw(0, 2, 2, 1, 6, batch_size=1)
    query *= 200
    pos = np.arange(6)
    parts = [
        attend_part(query, key[:, :, own], value[:, :, own], pos[-1:], pos[own])
        for own in (slice(0, 3), slice(3, 6))
    ]
    np.testing.assert_allclose(merge_parts(parts), attend(query, key, value), atol=1e-5)


@pytest.mark.parametrize("num_keys", [0, 3])
def test_a_part_of_which_nothing_is_seen_adds_nothing(num_keys):
    query, key, value = draw(0, 2, 2, 2, 2, batch_size=1)
    pos = np.arange(2)
    seen = attend_part(query, key, value, pos, pos)
    unseen_key = np.ones((1, 2, num_keys, 8), np.float32)
    unseen = attend_part(query, unseen_key, unseen_key, pos, 2 + np.arange(num_keys))
    assert (unseen[..., -1] == 0).all()
    np.testing.assert_array_equal(merge_parts([unseen, seen]), merge_parts([seen]))


def test_entries_in_half_precision_give_single_precision():
    query, key, value = draw(0, 2, 1, 1, 4)
    pos = np.arange(4)
    part = attend_part(query, key.astype(np.float16), value.astype(np.float16), pos[-1:], pos)
    assert part.dtype == np.float32
    np.testing.assert_allclose(merge_parts([part]), attend(query, key, value), atol=1e-2)
