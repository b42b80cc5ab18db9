import numpy as np
import pytest

from tinytorch import GPT, ModelConfig
from tinytorch.analysis import (
    CHAPTER_MODELS,
    MODEL_ZOO,
    analyze_kvcache_memory,
    analyze_kvcache_speedup,
    forward_operations,
    generation_operations,
    profile_naive_generation,
    reports,
)


@pytest.fixture
def model():
    return GPT(ModelConfig(vocab_size=40, embed_dim=16, num_layers=2, num_heads=2))


def test_naive_generation_passes_over_the_whole_text_for_every_token(model):
    rows = profile_naive_generation(model, np.arange(5), 6)
    assert [row["tokens"] for row in rows] == [5, 6, 7, 8, 9, 10]
    for row in rows:
        expected = forward_operations(model.config, row["tokens"])
        assert row["operations"] == sum(expected.values())
        assert row["ms"] > 0


def test_naive_generation_has_a_model_and_a_prompt_of_its_own():
    rows = profile_naive_generation(max_new_tokens=2)
    spec = CHAPTER_MODELS["Small 512D"]
    assert [row["operations"] for row in rows] == [
        sum(forward_operations(spec, length).values()) for length in (8, 9)
    ]


def test_memory_covers_the_teaching_models_and_the_zoo():
    rows = {row["model"]: row for row in analyze_kvcache_memory()}
    assert list(rows) == [*CHAPTER_MODELS, *MODEL_ZOO]
    teaching = [rows[name]["cache_mib"] for name in CHAPTER_MODELS]
    assert teaching == [0.125, 2, 9, 32]
    assert rows["GPT-2 small"]["cache_mib"] == 72
    assert rows["GPT-2 small"]["cache_share"] == pytest.approx(0.152, abs=0.0005)
    assert rows["GPT-3 175B"]["cache_mib"] == 9 * 1024


def test_the_share_of_the_weights_is_small_for_the_teaching_models():
    rows = analyze_kvcache_memory(CHAPTER_MODELS.values())
    in_blocks = [256 / (6 * 1024), 32 / (6 * 128)]
    assert rows[3]["cache_share"] == pytest.approx(in_blocks[0], rel=0.02)
    assert rows[0]["cache_share"] == pytest.approx(in_blocks[1], rel=0.06)


def test_memory_takes_names_and_refuses_unknown_ones():
    (row,) = analyze_kvcache_memory(["llama-3-8b"])
    assert (row["model"], row["attention"], row["cache_mib"]) == ("Llama-3-8B", "GQA", 1024)
    with pytest.raises(ValueError, match="Llama-3-8B"):
        analyze_kvcache_memory(["Llama-3-9B"])


def test_three_speedups_at_a_hundred_tokens():
    (row,) = analyze_kvcache_speedup([100])
    assert row.keys() == {"tokens", "kv_projections", "score_pairs", "whole_model"}
    assert row["kv_projections"] == 50.5
    assert row["score_pairs"] == 67
    assert row["whole_model"] == pytest.approx(36.6, abs=0.05)


def test_the_speedups_grow_linearly():
    lengths = [50, 100, 150, 200]
    rows = analyze_kvcache_speedup(lengths)
    assert [row["kv_projections"] for row in rows] == [(n + 1) / 2 for n in lengths]
    assert [row["score_pairs"] for row in rows] == pytest.approx([(2 * n + 1) / 3 for n in lengths])


def test_the_speedup_of_a_model_is_also_measured(model, monkeypatch):
    readings = iter([10.0, 10.5, 20.0, 20.25])
    monkeypatch.setattr(reports.time, "perf_counter", lambda: next(readings))
    (row,) = analyze_kvcache_speedup([30], model)
    assert (row["ms_without"], row["ms_with"], row["measured"]) == (500, 250, 2)
    without, with_cache = (
        sum(generation_operations(model.config, 4, 30, use_cache=use_cache).values())
        for use_cache in (False, True)
    )
    assert row["whole_model"] == without / with_cache


@pytest.mark.parametrize(
    ("report", "headings"),
    [
        (lambda **options: profile_naive_generation(max_new_tokens=1, **options), "operations"),
        (lambda **options: analyze_kvcache_memory(["GPT-2 small"], **options), "cache_mib"),
        (lambda **options: analyze_kvcache_speedup([100], **options), "whole_model"),
    ],
)
def test_tables_are_printed_when_asked_for_only(report, headings, capsys):
    rows = report()
    assert capsys.readouterr().out == ""
    report(print_table=True)
    printed = capsys.readouterr().out
    assert headings in printed
    assert len(printed.splitlines()) == 2 + len(rows)
