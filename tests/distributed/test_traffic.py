import numpy as np

from tinytorch.distributed import Traffic, heads_traffic, layers_traffic, sequence_traffic
from tinytorch.distributed.traffic import payload_bytes


def test_bytes_of_arrays_wherever_they_are():
    array = np.zeros((2, 3), np.float32)
    assert payload_bytes([(array, 1), {"a": array[:1], "b": None}, "text"]) == 24 + 12


def test_traffic_adds_up():
    one, two = Traffic(1, 2, 3, 4, 0.5, 0.25), Traffic(10, 20, 30, 40, 1.0, 1.0)
    assert one + two == Traffic(11, 22, 33, 44, 1.5, 1.25)
    assert (one + two) - two == one
    assert (one.nbytes, one.counts, one.waiting_seconds) == (7, (1, 2, 3, 4), 0.25)


def test_one_decoded_token_of_smollm2_by_hand(smollm2_config):
    """9 query heads and 3 key/value heads of 64, 576 wide, 30 layers; two workers."""
    query, entries = 9 * 64 * 4, 2 * 3 * 64 * 4
    by_sequence = sequence_traffic(smollm2_config, 2, start=100, num_tokens=1)
    assert by_sequence.counts == (
        30,
        60,
        30 * (2 * (query + 8) + entries),
        30 * 2 * 9 * 66 * 4,
    )
    by_heads = heads_traffic(smollm2_config, 2, num_tokens=1)
    assert by_heads.counts == (30, 60, 30 * (query + entries), 30 * query)
    by_layers = layers_traffic(smollm2_config, 2, num_tokens=1)
    assert by_layers.counts == (2, 2, 2 * (576 * 4 + 32 * 8), 2 * 576 * 4)


def test_a_short_text_asks_only_those_who_hold_some_of_it(smollm2_config):
    messages = [
        sequence_traffic(smollm2_config, 4, start, 1, stripe=16).messages // 30
        for start in (0, 15, 16, 47, 48, 500)
    ]
    assert messages == [1, 1, 2, 3, 4, 4]


def test_chunks_overlap_in_a_pipeline(smollm2_config):
    one = layers_traffic(smollm2_config, 4, 512, chunk=512)
    eight = layers_traffic(smollm2_config, 4, 512, chunk=64)
    assert (one.round_trips, eight.round_trips) == (4, 8 + 3)
    assert (one.messages, eight.messages) == (4, 32)
    assert one.nbytes == eight.nbytes
