"""What fits on a device, against arithmetic by hand and the definition of fitting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch import ModelConfig
from tinytorch.analysis import (
    MODEL_ZOO,
    get_model,
    kv_cache_bytes,
    longest_that_fits,
    num_parameters,
    sequences_that_fit,
    weight_bytes,
)

GB = 10**9
models = st.sampled_from(list(MODEL_ZOO.values()))
bits = st.sampled_from([4, 8, 16, 32])


def test_llama_2_7b_on_80_gb_by_hand():
    llama = get_model("Llama-2-7B")
    assert weight_bytes(llama) == 2 * 6_738_415_616
    sequence = 2 * 32 * 32 * 128 * 2 * 4096
    assert sequences_that_fit(llama, 80 * GB, 4096) == (80 * GB - 2 * 6_738_415_616) // sequence
    assert longest_that_fits(llama, 80 * GB) == (80 * GB - 2 * 6_738_415_616) // (sequence // 4096)


def test_weights_of_odd_size_are_rounded_up():
    config = ModelConfig(vocab_size=3, embed_dim=1, num_layers=1, num_heads=1, max_seq_len=2)
    assert weight_bytes(config, 4) == (num_parameters(config) + 1) // 2


def test_without_room_for_the_weights_nothing_fits():
    gpt3 = get_model("GPT-3 175B")
    assert sequences_that_fit(gpt3, 80 * GB, 1) == 0
    assert longest_that_fits(gpt3, 80 * GB) == 0


def test_windows_in_every_layer_leave_no_limit():
    mistral = get_model("Mistral-7B v0.1")
    assert longest_that_fits(mistral, 80 * GB) is None
    short = longest_that_fits(mistral, 15 * GB, batch_size=8)
    assert short is not None
    assert short < mistral.window


@given(models, st.integers(1, 2000), st.integers(1, 200_000), bits, bits)
def test_one_sequence_more_does_not_fit(spec, device_gb, seq_len, bits, bits_per_weight):
    options = {"bits_per_element": bits, "bits_per_weight": bits_per_weight}
    count = sequences_that_fit(spec, device_gb * GB, seq_len, **options)
    room = device_gb * GB - weight_bytes(spec, bits_per_weight)
    one = kv_cache_bytes(spec, seq_len, bits_per_element=bits)
    assert count == 0 or count * one <= room
    assert (count + 1) * one > room


@given(models, st.integers(1, 2000), st.integers(1, 300), bits)
def test_one_token_more_does_not_fit(spec, device_gb, batch_size, bits):
    options = {"batch_size": batch_size, "bits_per_element": bits}
    longest = longest_that_fits(spec, device_gb * GB, **options)
    room = device_gb * GB - weight_bytes(spec)
    if longest is None:
        assert spec.num_windowed_layers == spec.num_layers
        longest = 10**9
    else:
        assert kv_cache_bytes(spec, longest + 1, **options) > room
    if longest > 0:
        assert kv_cache_bytes(spec, longest, **options) <= room


@pytest.mark.parametrize(
    "spec",
    [get_model("Llama-3-8B"), ModelConfig(vocab_size=10, embed_dim=8, num_layers=2, num_heads=2)],
)
def test_models_and_configurations_are_both_taken(spec):
    assert sequences_that_fit(spec, 10**12, 100) > 0
    assert longest_that_fits(spec, 10**12) > 0
