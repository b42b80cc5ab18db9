"""A mutation of the cache's arithmetic is caught, each by a named test.

`assert_cached_equals_uncached` passes on the package as it is. Each mutation below is a mistake
that somebody has made in a real implementation, put into a copy of the source; the check, or the
cache itself, must notice it.
"""

import inspect
from contextlib import nullcontext
from types import ModuleType

import numpy as np
import pytest

from tinytorch.generation import enable, kv_cache

ROOM = 40


def mutate(module, *replacements):
    """Run a copy of the module's source in which each text, found once, is another."""
    source = inspect.getsource(module)
    for original, mutation in replacements:
        assert source.count(original) == 1, f"{original!r} is not once in {module.__name__}"
        source = source.replace(original, mutation)
    mutant = ModuleType(module.__name__)
    exec(compile(source, "<mutant>", "exec", dont_inherit=True), vars(mutant))
    return mutant


def mutate_cache(*replacements):
    return {"cache_class": mutate(kv_cache, *replacements).KVCache}


def mutate_enable(*replacements):
    return {"use_kv_cache": mutate(enable, *replacements).use_kv_cache}


def mutate_attend(attend):
    mutant = mutate(enable)
    mutant.attend = attend
    return {"use_kv_cache": mutant.use_kv_cache}


def attend_to(is_visible):
    """Attention with any rule for which of S keys the query i of T sees."""

    def attend(query, key, value):
        groups = query.shape[1] // key.shape[1]
        key, value = (np.repeat(part, groups, axis=1) for part in (key, value))
        num_queries, num_keys = query.shape[2], key.shape[2]
        scores = query @ key.swapaxes(-1, -2) / np.float32(np.sqrt(query.shape[3]))
        i, j = np.ogrid[:num_queries, :num_keys]
        scores = np.where(is_visible(i, j, num_queries, num_keys), scores, np.float32(-1e30))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True) @ value

    return attend


def assert_cached_equals_uncached(
    model_factory, cache_class=kv_cache.KVCache, use_kv_cache=enable.use_kv_cache
):
    """Compare logits with and without a cache over prefill, decoding and each way back."""
    model, plain = model_factory(), model_factory()
    rng = np.random.default_rng(0)
    tokens, others = rng.integers(0, model.vocab_size, (2, 2, 12))
    cache = cache_class(2, ROOM, model.num_layers, model.num_kv_heads, model.head_dim)

    def check(new, *chunks, history=tokens[:, :0]):
        text = np.concatenate([history, new], axis=1)
        expected = plain.forward(text)
        start = history.shape[1]
        for size in chunks:
            stop = start + size
            logits = model.forward(text[:, start:stop])
            np.testing.assert_allclose(logits, expected[:, start:stop], atol=1e-4)
            start = stop
        assert start == text.shape[1]

    with use_kv_cache(model, cache):
        check(tokens, 5, 1, 1, 3, 2)
        cache.truncate(4)
        check(others[:, :5], 1, 4, history=tokens[:, :4])
        cache.reset()
        check(others, 1, 1, 4, 1, 5)
        cache.reorder([1, 0])
        check(tokens[:, :3], 1, 2, history=others[[1, 0]])


WRITES = [
    f"self._{part}[layer_idx, :, :, self._seq_pos : stop] = {name}"
    for part, name in (("keys", "key"), ("values", "value"))
]
VIEW = "return self._keys[layer_idx, :, :, :stop], self._values[layer_idx, :, :, :stop]"
RETURN = "return self._view(layer_idx, stop)"
COMMIT = "self._commit(self._seq_pos + int(num_tokens))"
ADVANCE = "cache.advance(num_tokens)"
POSITIONS = "np.arange(cache.seq_pos, cache.seq_pos + num_tokens)"
UPDATE = "cache.update(layer_idx, key, value)"


def rewrite(before, after):
    return [(text, text.replace(before, after)) for text in WRITES]


WRONG_NUMBERS = {
    "write_position_one_too_late": lambda: mutate_cache(
        *rewrite("self._seq_pos : stop", "self._seq_pos + 1 : stop + 1")
    ),
    "write_position_one_too_early": lambda: mutate_cache(
        *rewrite("self._seq_pos : stop", "max(self._seq_pos - 1, 0) : max(stop - 1, num_tokens)")
    ),
    "tokens_written_in_reverse": lambda: mutate_cache(
        *((text, f"{text}[:, :, ::-1]") for text in WRITES)
    ),
    "first_token_never_stored": lambda: mutate_cache(
        *(
            (
                text,
                text.replace("self._seq_pos : stop", "max(self._seq_pos, 1) : stop")
                + "[:, :, max(1 - self._seq_pos, 0) :]",
            )
            for text in WRITES
        )
    ),
    "token_misses_itself": lambda: mutate_cache(
        (RETURN, "return self._view(layer_idx, max(stop - 1, num_tokens))")
    ),
    "values_of_the_layer_below": lambda: mutate_cache(
        (VIEW, VIEW.replace("self._values[layer_idx", "self._values[layer_idx - 1"))
    ),
    "cache_of_layer_0_in_every_layer": lambda: mutate_cache(
        *rewrite("[layer_idx, :", "[0, :"), (VIEW, VIEW.replace("layer_idx", "0"))
    ),
    "slot_skipped_at_every_advance": lambda: mutate_cache(
        (COMMIT, "self._commit(self._seq_pos + int(num_tokens) + 1)")
    ),
    "reset_keeps_the_length": lambda: mutate_cache(
        ("self._commit(0)", "self._commit(self._seq_pos)")
    ),
    "reset_clears_the_memory_and_keeps_the_length": lambda: mutate_cache(
        (
            "self._commit(0)",
            "self._keys[:] = self._values[:] = 0; self._commit(self._seq_pos)",
        )
    ),
    "truncate_keeps_one_token_too_many": lambda: mutate_cache(
        ("self._commit(int(seq_len))", "self._commit(int(seq_len) + 1)")
    ),
    "truncate_keeps_one_token_too_few": lambda: mutate_cache(
        ("self._commit(int(seq_len))", "self._commit(int(seq_len) - 1)")
    ),
    "reorder_forgets_the_values": lambda: mutate_cache(
        ("for entries in (self._keys, self._values):", "for entries in (self._keys,):")
    ),
    "reorder_does_nothing": lambda: mutate_cache(
        ("committed[...] = committed[:, indices]", "committed[...] = committed[:, :]")
    ),
    "keys_and_values_swapped": lambda: mutate_enable(
        (UPDATE, "cache.update(layer_idx, value, key)")
    ),
    "last_layers_weights_in_every_layer": lambda: mutate_enable(
        (
            "_cached_attention(block.attention, cache, layer_idx)",
            "_cached_attention(model.blocks[-1].attention, cache, layer_idx)",
        )
    ),
    "advance_forgotten": lambda: mutate_enable((ADVANCE, "num_tokens")),
    "advance_by_one_after_a_longer_prefill": lambda: mutate_enable((ADVANCE, "cache.advance()")),
    "positions_one_too_high_after_the_prefill": lambda: mutate_enable(
        (POSITIONS, f"{POSITIONS} + (cache.seq_pos > 0)")
    ),
    "positions_one_too_low_after_the_prefill": lambda: mutate_enable(
        (POSITIONS, f"{POSITIONS} - (cache.seq_pos > 0)")
    ),
    "positions_always_from_zero": lambda: mutate_enable((POSITIONS, "np.arange(num_tokens)")),
    "mask_one_too_strict": lambda: mutate_attend(
        attend_to(lambda i, j, t, s: (j < i + s - t) | (s == 1))
    ),
    "mask_one_too_loose": lambda: mutate_attend(attend_to(lambda i, j, t, s: j <= i + s - t + 1)),
    "mask_of_the_square_on_the_rectangle": lambda: mutate_attend(
        attend_to(lambda i, j, t, s: j <= i)
    ),
    "no_mask_for_chunks": lambda: mutate_attend(attend_to(lambda i, j, t, s: j >= 0)),
    "only_the_new_tokens_are_seen": lambda: mutate_attend(
        attend_to(lambda i, j, t, s: (j <= i + s - t) & (j >= s - t))
    ),
}

# The cache itself refuses these: a layer that is skipped is out of step.
REFUSED = {
    "every_layer_updates_layer_0": (
        lambda: mutate_enable((UPDATE, "cache.update(0, key, value)")),
        "layers out of step",
    ),
    "first_layer_is_missed": (
        lambda: mutate_enable(("enumerate(model.blocks)", "list(enumerate(model.blocks))[1:]")),
        "layers out of step",
    ),
    "last_layer_is_missed": (
        lambda: mutate_enable(("enumerate(model.blocks)", "list(enumerate(model.blocks))[:-1]")),
        "layers out of step",
    ),
    "layers_are_counted_from_one": (
        lambda: mutate_enable(("enumerate(model.blocks)", "enumerate(model.blocks, 1)")),
        "layer_idx must be from 0 to",
    ),
    "history_without_the_new_tokens": (
        lambda: mutate_cache((RETURN, "return self.get(layer_idx)")),
        "queries need at least as many keys",
    ),
    "one_token_too_many_committed": (
        lambda: mutate_enable((ADVANCE, "cache.advance(num_tokens + 1)")),
        "num_tokens must be from 1 to the 5 that every layer has written",
    ),
}


@pytest.fixture
def model_factory(learned_or_rope_config, make_model):
    return lambda: make_model(learned_or_rope_config)


def test_every_style_passes_the_check(config, make_model):
    assert_cached_equals_uncached(lambda: make_model(config))


def test_a_copy_without_a_mutation_passes_the_check(model_factory):
    assert_cached_equals_uncached(model_factory, **mutate_cache())
    assert_cached_equals_uncached(model_factory, **mutate_enable())
    assert_cached_equals_uncached(
        model_factory, **mutate_attend(attend_to(lambda i, j, t, s: j <= i + s - t))
    )


@pytest.mark.parametrize("mutation", WRONG_NUMBERS.values(), ids=WRONG_NUMBERS.keys())
def test_wrong_numbers_are_noticed(model_factory, mutation):
    mutant = mutation()
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_cached_equals_uncached(model_factory, **mutant)


@pytest.mark.parametrize(("mutation", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_the_cache_refuses(model_factory, mutation, message):
    mutant = mutation()
    with pytest.raises(ValueError, match=message):
        assert_cached_equals_uncached(model_factory, **mutant)


def turning_queries_late(table, take):
    """Attention that stores the keys before it turns the queries, at an offset taken before."""

    def cached_attention(attention, cache, layer_idx):
        def forward(x, rotation=None):
            offset = np.array([cache.seq_pos])
            taken = take(offset)
            steps = np.arange(x.shape[1])
            _, key, value = attention.project(x, table[taken + steps])
            key, value = cache.update(layer_idx, key, value)
            offset += len(steps)  # as a cache does that counts in an array
            query, _, _ = attention.project(x, table[taken + steps])
            return attention.merge(enable.attend(query, key, value))

        return forward

    return cached_attention


@pytest.mark.parametrize("is_copied", [True, False])
def test_an_offset_that_moves_before_the_queries_are_turned_is_noticed(
    llama_config, make_model, is_copied
):
    mutant = mutate(enable)
    table = make_model(llama_config).rotary_table
    mutant._cached_attention = turning_queries_late(table, np.copy if is_copied else np.asarray)
    expectation = (
        nullcontext()
        if is_copied
        else pytest.raises(AssertionError, match="Not equal to tolerance")
    )
    with expectation:
        assert_cached_equals_uncached(
            lambda: make_model(llama_config), use_kv_cache=mutant.use_kv_cache
        )


def test_a_text_that_is_gone_is_reported_rather_than_left_unmutated():
    with pytest.raises(AssertionError, match="is not once in tinytorch"):
        mutate(kv_cache, ("no such text", ""))
