"""The clock of the simulated server against the formulas of the chapter."""

import pytest

from tinytorch.analysis import MODEL_ZOO, decode_bytes, forward_operations, get_model
from tinytorch.analysis.server_clock import DEVICES, Device, NewTokens, PassCost, pass_cost
from tinytorch.widgets.operation_explorer import COUNTABLE

HALF = {"bits_per_weight": 16, "bits_per_element": 16}


@pytest.mark.parametrize("spec", COUNTABLE, ids=lambda spec: spec.name)
@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_step_of_decoding_costs_what_the_formulas_say(spec, batch_size):
    cost = pass_cost(spec, [NewTokens(1, 300, True)] * batch_size)
    assert cost.num_bytes == decode_bytes(spec, 300, batch_size=batch_size, **HALF)
    operations = forward_operations(spec, 1, 300, batch_size=batch_size)
    assert cost.operations == 2 * sum(operations.values())


def test_a_pass_over_texts_of_different_lengths_reads_the_weights_once():
    spec = get_model("Llama-3-8B")
    texts = [NewTokens(200, 450, False), NewTokens(1, 90, True), NewTokens(64, 64, True)]
    cost = pass_cost(spec, texts)
    alone = [pass_cost(spec, [text]) for text in texts]
    assert cost.operations == sum(each.operations for each in alone)
    weights = decode_bytes(spec, 0, batch_size=0, **HALF)
    assert cost.num_bytes == sum(each.num_bytes for each in alone) - 2 * weights


def test_a_chunk_that_does_not_sample_makes_no_logits():
    spec = get_model("SmolLM2-135M")
    with_logits, without = (
        pass_cost(spec, [NewTokens(30, 70, samples)]) for samples in (True, False)
    )
    assert with_logits.operations - without.operations == 2 * spec.embed_dim * spec.vocab_size
    assert with_logits.num_bytes == without.num_bytes


def test_a_copied_token_is_read_and_written():
    spec = get_model("Llama-3-8B")
    plain, copied = (pass_cost(spec, [NewTokens(1, 9, True)], n) for n in (0, 16))
    assert copied.num_bytes - plain.num_bytes == 2 * 16 * 2 * 32 * 8 * 128 * 2


def test_the_longer_of_moving_and_computing_counts():
    device = Device("round", bytes_per_second=100.0, operations_per_second=1000.0)
    assert PassCost(num_bytes=50, operations=400).seconds(device) == 0.5
    assert PassCost(num_bytes=50, operations=900).seconds(device) == 0.9


def test_decoding_waits_for_memory_and_a_long_prompt_for_arithmetic():
    spec, device = get_model("Llama-3-8B"), DEVICES["NVIDIA A100 80GB SXM"]
    decode, prefill = (pass_cost(spec, [NewTokens(count, 4000, True)]) for count in (1, 4000))
    assert decode.seconds(device) == decode.num_bytes / device.bytes_per_second
    assert prefill.seconds(device) == prefill.operations / device.operations_per_second


def test_a_model_without_a_count_is_refused():
    with pytest.raises(ValueError, match="no operation count for Mixtral-8x7B"):
        pass_cost(MODEL_ZOO["Mixtral-8x7B"], [NewTokens(1, 1, True)])
