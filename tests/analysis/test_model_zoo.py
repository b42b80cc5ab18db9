"""The model zoo against numbers that do not come from it."""

import dataclasses

import pytest

from tinytorch.analysis.model_zoo import (
    CHAPTER_MODELS,
    MODEL_ZOO,
    ModelSpec,
    get_model,
    parameter_count,
)

MIB = 2**20
GIB = 2**30

# The research table of public models, as printed (section 4 of the notes on KV caching; made
# from litgpt/config.py at 2685705, nanoGPT and the papers, before this module was written):
# name, layers, query heads, key/value heads, head width, context, parameters as rounded there,
# bytes per token at 2 bytes an element, the same in KiB. Zero heads stand for MLA.
TABLE = [
    ("GPT-2 small", 12, 12, 12, 64, 1024, "124.44M", 36_864, 36),
    ("GPT-2 medium", 24, 16, 16, 64, 1024, "354.82M", 98_304, 96),
    ("GPT-2 large", 36, 20, 20, 64, 1024, "774.03M", 184_320, 180),
    ("GPT-2 XL", 48, 25, 25, 64, 1024, "1557.6M", 307_200, 300),
    ("GPT-3 175B", 96, 96, 96, 128, 2048, "175B", 4_718_592, 4608),
    ("Llama-2-7B", 32, 32, 32, 128, 4096, "6.738B", 524_288, 512),
    ("Llama-2-13B", 40, 40, 40, 128, 4096, "13.016B", 819_200, 800),
    ("Llama-2-70B", 80, 64, 8, 128, 4096, "68.98B", 327_680, 320),
    ("Llama-3-8B", 32, 32, 8, 128, 8192, "8.030B", 131_072, 128),
    ("Llama-3-70B", 80, 64, 8, 128, 8192, "70.55B", 327_680, 320),
    ("Llama-3.1-405B", 126, 128, 8, 128, 131072, "405.85B", 516_096, 504),
    ("Llama-3.2-1B", 16, 32, 8, 64, 131072, "1.236B", 32_768, 32),
    ("Mistral-7B v0.1", 32, 32, 8, 128, 8192, "7.242B", 131_072, 128),
    ("Mixtral-8x7B", 32, 32, 8, 128, 32768, "46.70B", 131_072, 128),
    ("Gemma-2-2B", 26, 8, 4, 256, 8192, "2.614B", 106_496, 104),
    ("Gemma-2-9B", 42, 16, 8, 256, 8192, "9.242B", 344_064, 336),
    ("Gemma-2-27B", 46, 32, 16, 128, 8192, "27.23B", 376_832, 368),
    ("Gemma-3-1B", 26, 4, 1, 256, 32768, "1.000B", 26_624, 26),
    ("Gemma-3-4B", 34, 8, 4, 256, 131072, "3.880B", 139_264, 136),
    ("Gemma-3-12B", 48, 16, 8, 256, 131072, "11.77B", 393_216, 384),
    ("Gemma-3-27B", 62, 32, 16, 128, 131072, "27.01B", 507_904, 496),
    ("Qwen2.5-0.5B", 24, 14, 2, 64, 32768, "0.494B", 12_288, 12),
    ("Qwen2.5-7B", 28, 28, 4, 128, 131072, "7.616B", 57_344, 56),
    ("Qwen2.5-72B", 80, 64, 8, 128, 131072, "72.71B", 327_680, 320),
    ("Qwen3-0.6B", 28, 16, 8, 128, 32768, "0.596B", 114_688, 112),
    ("Qwen3-8B", 36, 32, 8, 128, 32768, "8.191B", 147_456, 144),
    ("Qwen3-32B", 64, 64, 8, 128, 32768, "32.76B", 262_144, 256),
    ("Qwen3-30B-A3B", 48, 32, 4, 128, 32768, "30.5B", 98_304, 96),
    ("SmolLM2-135M", 30, 9, 3, 64, 8192, "134.5M", 23_040, 22.5),
    ("SmolLM2-360M", 32, 15, 5, 64, 8192, "361.8M", 40_960, 40),
    ("SmolLM2-1.7B", 24, 32, 32, 64, 8192, "1.711B", 196_608, 192),
    ("Phi-3-mini-4k", 32, 32, 32, 96, 4096, "3.821B", 393_216, 384),
    ("DeepSeek-V2", 60, 128, 0, 0, 131072, "236B", 69_120, 67.5),
    ("DeepSeek-V3", 61, 128, 0, 0, 131072, "671B", 70_272, 68.6),
    ("DeepSeek-67B", 95, 64, 8, 128, 4096, "67B", 389_120, 380),
]

# Counts of the published tensors, from outside this repository: stored copies of Hugging Face's
# `safetensors.total`, of KerasHub's presets, of GGUF metadata and of runs that counted a loaded
# checkpoint. Llama 2's totals there also hold 64 rotary buffers a layer, taken off here.
PUBLISHED_TENSORS = {
    "GPT-2 small": 124_439_808,
    "GPT-2 medium": 354_823_168,
    "GPT-2 large": 774_030_080,
    "GPT-2 XL": 1_557_611_200,
    "Llama-2-7B": 6_738_417_664 - 32 * 64,
    "Llama-2-13B": 13_015_866_880 - 40 * 64,
    "Llama-2-70B": 68_976_653_312 - 80 * 64,
    "Llama-3-8B": 8_030_261_248,
    "Llama-3-70B": 70_553_706_496,
    "Llama-3.1-405B": 405_853_388_800,
    "Llama-3.2-1B": 1_235_814_400,
    "Mistral-7B v0.1": 7_241_732_096,
    "Mixtral-8x7B": 46_702_792_704,
    "Gemma-2-2B": 2_614_341_888,
    "Gemma-2-9B": 9_241_705_984,
    "Gemma-2-27B": 27_227_128_320,
    "Gemma-3-1B": 999_885_952,
    "Gemma-3-4B": 3_880_099_328,
    "Gemma-3-12B": 11_765_788_416,
    "Gemma-3-27B": 27_009_002_240,
    "Qwen2.5-0.5B": 494_032_768,
    "Qwen2.5-7B": 7_615_616_512,
    "Qwen2.5-72B": 72_706_203_648,
    "Qwen3-0.6B": 596_049_920,
    "Qwen3-8B": 8_190_735_360,
    "Qwen3-32B": 32_762_123_264,
    "Qwen3-30B-A3B": 30_532_122_624,
    "SmolLM2-135M": 134_515_008,
    "SmolLM2-360M": 361_821_120,
    "SmolLM2-1.7B": 1_711_376_384,
    "Phi-3-mini-4k": 3_821_079_552,
    "DeepSeek-67B": 134_850_002_944 // 2,
}
MLA_MODELS = ("DeepSeek-V2", "DeepSeek-V3")

VALID = {
    "name": "toy",
    "num_layers": 2,
    "embed_dim": 8,
    "num_heads": 4,
    "num_kv_heads": 2,
    "head_dim": 3,
    "mlp_dim": 5,
    "vocab_size": 7,
    "max_context": 11,
    "num_parameters": 1,
    "source": "this test",
}


def half_a_digit(rounded):
    """Return the value that a rounded string states, and half a unit of its last digit."""
    digits, unit = rounded[:-1], {"M": 1e6, "B": 1e9}[rounded[-1]]
    decimals = len(digits.partition(".")[2])
    return float(digits) * unit, 0.5 * 10**-decimals * unit


def toy(**changes):
    return ModelSpec(**{**VALID, **changes})


# The cache of one token


def test_the_zoo_holds_the_models_of_the_table_in_its_order():
    assert list(MODEL_ZOO) == [row[0] for row in TABLE]
    assert all(name == spec.name for name, spec in MODEL_ZOO.items())


@pytest.mark.parametrize(
    ("name", "layers", "heads", "kv_heads", "head_dim", "context", "parameters", "size", "kib"),
    TABLE,
    ids=[row[0] for row in TABLE],
)
def test_a_model_agrees_with_its_row_of_the_table(
    name, layers, heads, kv_heads, head_dim, context, parameters, size, kib
):
    spec = MODEL_ZOO[name]
    assert (spec.num_layers, spec.num_heads, spec.max_context) == (layers, heads, context)
    if spec.attention != "MLA":
        assert (spec.num_kv_heads, spec.head_dim) == (kv_heads, head_dim)
    assert 2 * spec.kv_elements_per_token == size
    assert round(size / 1024, 1) == kib
    value, tolerance = half_a_digit(parameters)
    assert spec.num_parameters == pytest.approx(value, abs=tolerance, rel=0)


def test_latent_attention_caches_one_vector_of_512_and_64_elements():
    for name in MLA_MODELS:
        assert MODEL_ZOO[name].kv_elements_per_token_per_layer == 576
    v2, dense = MODEL_ZOO["DeepSeek-V2"], MODEL_ZOO["DeepSeek-67B"]
    # Equal to grouped-query attention with 2.25 key/value heads of width 128.
    assert 576 / (2 * 128) == 2.25
    # The paper's saving of 93.3 % also counts 6 bits against 16; the same type gives 82.2 %.
    ratio = v2.kv_elements_per_token / dense.kv_elements_per_token
    assert 1 - ratio == pytest.approx(0.822, abs=5e-4)
    assert 1 - ratio * 6 / 16 == pytest.approx(0.933, abs=5e-4)


def test_a_larger_model_can_have_a_smaller_cache():
    sizes = {name: spec.kv_elements_per_token for name, spec in MODEL_ZOO.items()}
    assert sizes["Llama-2-70B"] < sizes["Llama-3.1-405B"] < sizes["Llama-2-7B"]
    assert sizes["Mixtral-8x7B"] == sizes["Mistral-7B v0.1"]


def test_head_width_is_not_always_embed_dim_over_heads():
    unequal = {s.name for s in MODEL_ZOO.values() if s.head_dim * s.num_heads != s.embed_dim}
    assert {"Qwen3-0.6B", "Gemma-2-9B", "Gemma-3-27B"} <= unequal
    assert not {"GPT-2 small", "Llama-3-8B", "SmolLM2-135M"} & unequal


def test_kinds_of_attention():
    kinds = {}
    for spec in MODEL_ZOO.values():
        kinds.setdefault(spec.attention, set()).add(spec.name)
    assert set(kinds) == {"MHA", "GQA", "MQA", "MLA"}
    assert kinds["MLA"] == set(MLA_MODELS)
    assert kinds["MQA"] == {"Gemma-3-1B"}
    assert kinds["MHA"] == {
        "GPT-2 small", "GPT-2 medium", "GPT-2 large", "GPT-2 XL", "GPT-3 175B",
        "Llama-2-7B", "Llama-2-13B", "SmolLM2-1.7B", "Phi-3-mini-4k",
    }  # fmt: skip
    assert toy(num_heads=1, num_kv_heads=1).attention == "MHA"


# The cache of one sequence


@pytest.mark.parametrize(
    ("name", "tokens", "bytes_per_element", "size"),
    [
        ("GPT-2 small", 1024, 4, 72 * MIB),
        ("GPT-2 small", 1024, 2, 36 * MIB),
        ("GPT-3 175B", 2048, 4, 18 * GIB),
        ("GPT-3 175B", 2048, 2, 9 * GIB),
        ("DeepSeek-V2", 1, 2, 69_120),
        ("Mistral-7B v0.1", 4095, 2, 4095 * 131_072),
        ("Mistral-7B v0.1", 4096, 2, GIB // 2),
        ("Mistral-7B v0.1", 32_768, 2, GIB // 2),
    ],
)
def test_the_cache_of_a_sequence(name, tokens, bytes_per_element, size):
    assert MODEL_ZOO[name].kv_elements(tokens) * bytes_per_element == size


@pytest.mark.parametrize(
    ("name", "tokens", "windowed", "without_windows", "decimals"),
    [
        ("Gemma-2-9B", 8192, 1.969, 2.625, 3),
        ("Gemma-3-4B", 131_072, 2.613, 17.0, 3),
        ("Gemma-3-27B", 131_072, 10.41, 62.0, 2),
        ("Mistral-7B v0.1", 32_768, 0.5, 4.0, 3),
    ],
)
def test_sliding_windows_cap_the_cache(name, tokens, windowed, without_windows, decimals):
    spec = MODEL_ZOO[name]
    assert round(2 * spec.kv_elements(tokens) / GIB, decimals) == windowed
    assert 2 * spec.kv_elements_per_token * tokens / GIB == without_windows


def test_windowed_layers_of_the_zoo():
    windows = {
        spec.name: (spec.num_windowed_layers, spec.window)
        for spec in MODEL_ZOO.values()
        if spec.num_windowed_layers
    }
    assert windows == {
        "Mistral-7B v0.1": (32, 4096),
        "Gemma-2-2B": (13, 4096),
        "Gemma-2-9B": (21, 4096),
        "Gemma-2-27B": (23, 4096),
        "Gemma-3-1B": (22, 512),
        "Gemma-3-4B": (29, 1024),
        "Gemma-3-12B": (40, 1024),
        "Gemma-3-27B": (52, 1024),
        "Phi-3-mini-4k": (32, 2047),
    }


def test_a_window_changes_nothing_until_it_is_full():
    plain, windowed = toy(), toy(window=5, num_windowed_layers=1)
    for tokens in range(6):
        assert windowed.kv_elements(tokens) == plain.kv_elements(tokens)
    # One layer holds 9 tokens and the other 5, each of 2 * 2 * 3 elements.
    assert windowed.kv_elements(9) == (9 + 5) * 12
    assert plain.kv_elements(9) == 9 * plain.kv_elements_per_token == 2 * 9 * 12


@pytest.mark.parametrize("seq_len", [-1, 1.0, True, None])
def test_a_sequence_length_is_a_count(seq_len):
    with pytest.raises(ValueError, match="seq_len"):
        toy().kv_elements(seq_len)


@pytest.mark.parametrize(
    ("name", "thousands"),
    [
        ("GPT-2 small", "6.75"),
        ("SmolLM2-135M", "11.7"),
        ("Llama-2-7B", "25.7"),
        ("Qwen3-0.6B", "10.4"),
        ("Llama-3-8B", "122.5"),
        ("Qwen2.5-7B", "265.6"),
    ],
)
def test_tokens_at_which_the_cache_outweighs_the_weights(name, thousands):
    tokens = MODEL_ZOO[name].num_parameters / MODEL_ZOO[name].kv_elements_per_token
    decimals = len(thousands.partition(".")[2])
    assert f"{tokens / 1000:.{decimals}f}" == thousands


# Parameters


def test_every_model_is_counted_but_the_ones_that_cannot_be():
    assert set(MODEL_ZOO) == {*PUBLISHED_TENSORS, *MLA_MODELS, "GPT-3 175B"}


@pytest.mark.parametrize("name", PUBLISHED_TENSORS)
def test_the_dimensions_give_the_published_parameters_exactly(name):
    assert parameter_count(MODEL_ZOO[name]) == PUBLISHED_TENSORS[name]
    assert MODEL_ZOO[name].num_parameters == PUBLISHED_TENSORS[name]


def test_gpt3_is_published_to_three_digits():
    value, tolerance = half_a_digit("175B")
    assert parameter_count(MODEL_ZOO["GPT-3 175B"]) == pytest.approx(value, abs=tolerance, rel=0)


def test_tinytorch_states_the_count_of_a_small_gpt():
    # Worked out in TinyTorch's module 13, question 3 (cs249r_book 0280583).
    spec = toy(
        num_layers=6, embed_dim=512, num_heads=8, num_kv_heads=8, head_dim=64, mlp_dim=2048,
        vocab_size=10_000, max_context=1024, mlp="gelu", biases="all", learned_positions=True,
    )  # fmt: skip
    assert parameter_count(spec) == 29_679_616


def test_each_choice_adds_its_own_parameters():
    layers, width, kv_width, head, mlp, vocab, context = 2, 8, 2 * 3, 3, 5, 7, 11
    queries = 4 * 3
    base = parameter_count(toy())
    block = 2 * width * queries + 2 * width * kv_width + 3 * width * mlp + 2 * width
    assert base == layers * block + width + 2 * vocab * width
    for changes, difference in [
        ({"tied_embeddings": True}, -vocab * width),
        ({"learned_positions": True}, context * width),
        ({"mlp": "gelu"}, -layers * width * mlp),
        ({"biases": "qkv"}, layers * (queries + 2 * kv_width)),
        ({"qk_norm": True}, layers * 2 * head),
        ({"norms_per_layer": 4}, layers * 2 * width),
        (
            {"num_experts": 4, "num_active_experts": 1},
            layers * (3 * 3 * width * mlp + 4 * width),
        ),
        (
            {"biases": "all"},
            layers * (queries + 2 * kv_width + width + 2 * mlp + width + 2 * width) + width,
        ),
    ]:
        assert parameter_count(toy(**changes)) == base + difference, changes


@pytest.mark.parametrize("name", MLA_MODELS)
def test_latent_attention_is_not_counted(name):
    with pytest.raises(ValueError, match=f"{name} uses MLA"):
        parameter_count(MODEL_ZOO[name])


def deepseek_parameters(spec, *, dense_layers, dense_mlp, shared, router_bias):
    """Count DeepSeek's parameters from its config.json, with a query rank of 1536."""
    width, heads, rank, latent, rope, head = spec.embed_dim, spec.num_heads, 1536, 512, 64, 128
    attention = (
        width * rank + rank + rank * heads * (head + rope)
        + width * (latent + rope) + latent + latent * heads * 2 * head
        + heads * head * width
    )  # fmt: skip
    experts = 3 * width * spec.mlp_dim * (spec.num_experts + shared)
    mixture = experts + spec.num_experts * (width + router_bias)
    return (
        spec.num_layers * (attention + 2 * width)
        + dense_layers * 3 * width * dense_mlp
        + (spec.num_layers - dense_layers) * mixture
        + (2 * spec.vocab_size + 1) * width
    )


def test_the_sizes_of_the_latent_models_follow_from_their_configurations():
    v2, v3 = (MODEL_ZOO[name] for name in MLA_MODELS)
    assert v2.num_parameters == deepseek_parameters(
        v2, dense_layers=1, dense_mlp=12_288, shared=2, router_bias=0
    )
    assert v3.num_parameters == deepseek_parameters(
        v3, dense_layers=3, dense_mlp=18_432, shared=1, router_bias=1
    )


@pytest.mark.parametrize(
    ("name", "experts", "active", "mixture_layers", "billions"),
    [
        ("Mixtral-8x7B", 8, 2, 32, "12.9"),
        ("Qwen3-30B-A3B", 128, 8, 48, "3.3"),
        ("DeepSeek-V2", 160, 6, 59, "21"),
        ("DeepSeek-V3", 256, 8, 58, "37"),
    ],
)
def test_active_parameters_of_a_mixture(name, experts, active, mixture_layers, billions):
    spec = MODEL_ZOO[name]
    assert (spec.num_experts, spec.num_active_experts) == (experts, active)
    idle = mixture_layers * (experts - active) * 3 * spec.embed_dim * spec.mlp_dim
    # Authors round, and differ on whether the embedding is active.
    assert spec.num_parameters - idle == pytest.approx(float(billions) * 1e9, rel=0.02)
    assert f"{billions}e9" in spec.note


# The chapter's models


@pytest.mark.parametrize(
    ("name", "width", "layers", "tokens", "mebibytes", "percent"),
    [
        ("Tiny 128D", 128, 4, 32, 0.125, 4.2),
        ("Small 512D", 512, 8, 64, 2.0, 2.1),
        ("Medium 768D", 768, 12, 128, 9.0, 2.8),
        ("Large 1024D", 1024, 16, 256, 32.0, 4.2),
    ],
)
def test_the_chapter_models_have_the_sizes_that_tinytorch_prints(
    name, width, layers, tokens, mebibytes, percent
):
    spec = CHAPTER_MODELS[name]
    assert (spec.embed_dim, spec.num_layers, spec.max_context) == (width, layers, tokens)
    assert spec.num_heads * spec.head_dim == width
    assert (spec.attention, spec.native_bytes) == ("MHA", 4)
    assert spec.kv_elements(tokens) * spec.native_bytes / MIB == mebibytes
    assert round(100 * spec.kv_elements(tokens) / (layers * 12 * width**2), 1) == percent
    assert parameter_count(spec) == spec.num_parameters


def test_there_are_four_chapter_models():
    assert [spec.name for spec in CHAPTER_MODELS.values()] == list(CHAPTER_MODELS)
    assert [name.split()[0] for name in CHAPTER_MODELS] == ["Tiny", "Small", "Medium", "Large"]


# Looking up and validating


@pytest.mark.parametrize("name", [*MODEL_ZOO, *CHAPTER_MODELS])
def test_a_model_is_found_in_any_case(name):
    expected = (MODEL_ZOO | CHAPTER_MODELS)[name]
    assert get_model(name) is get_model(name.upper()) is get_model(name.lower()) is expected


def test_an_unknown_name_lists_the_close_ones():
    with pytest.raises(ValueError, match=r"no model named 'lama-3-8b'.*close.*Llama-3-8B"):
        get_model("lama-3-8b")
    with pytest.raises(ValueError, match=r"known models: GPT-2 small, .*DeepSeek-67B, Tiny"):
        get_model("?")


def test_every_model_has_a_source_and_a_data_type():
    for spec in MODEL_ZOO.values():
        assert any(mark in spec.source for mark in ("litgpt@", "nanoGPT@", "arXiv:")), spec.name
        assert spec.native_bytes == (4 if spec.name.startswith("GPT-2") else 2), spec.name


def test_a_spec_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        MODEL_ZOO["GPT-2 small"].num_layers = 1


POSITIVE = (
    "num_layers", "embed_dim", "num_heads", "num_kv_heads", "head_dim", "mlp_dim", "vocab_size",
    "max_context", "num_parameters", "norms_per_layer", "native_bytes",
)  # fmt: skip
PAIRED = {
    "latent_dim": {"rope_dim": 1},
    "rope_dim": {"latent_dim": 1},
    "window": {"num_windowed_layers": 1},
    "num_experts": {"num_active_experts": 1},
    "num_active_experts": {"num_experts": 1},
}


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True])
@pytest.mark.parametrize("name", [*POSITIVE, *PAIRED])
def test_a_dimension_is_a_positive_integer(name, value):
    changes = {name: value, **PAIRED.get(name, {})}
    with pytest.raises(ValueError, match=rf"{name}=.*integer of at least 1"):
        toy(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name must not be empty"),
        ({"source": ""}, "source must not be empty"),
        ({"num_kv_heads": 3}, "num_heads=4 must be a multiple of num_kv_heads=3"),
        ({"num_kv_heads": 8}, "num_heads=4 must be a multiple of num_kv_heads=8"),
        ({"mlp": "relu"}, "mlp='relu' must be one of"),
        ({"biases": True}, "biases=True must be one of"),
        ({"tied_embeddings": 1}, "tied_embeddings=1 must be True or False"),
        ({"learned_positions": None}, "learned_positions=None must be True or False"),
        ({"qk_norm": "yes"}, "qk_norm='yes' must be True or False"),
        ({"latent_dim": 4}, "latent_dim and rope_dim come together"),
        ({"rope_dim": 4}, "latent_dim and rope_dim come together"),
        ({"window": 4}, "window and num_windowed_layers come together"),
        ({"num_windowed_layers": 1}, "window and num_windowed_layers come together"),
        ({"num_windowed_layers": -1, "window": 4}, "num_windowed_layers=-1"),
        ({"num_windowed_layers": 3, "window": 4}, "num_windowed_layers=3 must not exceed"),
        ({"num_experts": 4}, "num_experts and num_active_experts come together"),
        ({"num_active_experts": 4}, "num_experts and num_active_experts come together"),
        ({"num_experts": 4, "num_active_experts": 5}, "num_active_experts=5 must not exceed"),
    ],
)
def test_values_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        toy(**changes)


def test_the_limits_themselves_are_accepted():
    toy(num_kv_heads=4)
    toy(num_windowed_layers=2, window=1)
    toy(num_experts=4, num_active_experts=4)
    assert toy(latent_dim=4, rope_dim=1).kv_elements_per_token == 2 * 5
