"""One process for each implementation: it loads SmolLM2, then times what it is asked to.

The parent (`benchmarks.run`) writes one JSON request a line and reads one JSON answer a line, so
that the implementations take turns on an otherwise idle machine.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from pathlib import Path

import numpy as np

NUM_THREADS = 2
MAX_SEQ_LEN = 2048


class TinyTorch:
    """tinytorch with a KVCache."""

    packages = ("numpy",)

    def __init__(self, gguf_file: Path):
        from tinytorch.generation import enable_kv_cache
        from tinytorch.models import load_smollm2

        self.model, _ = load_smollm2()
        self.cache = enable_kv_cache(self.model, max_seq_len=MAX_SEQ_LEN)

    def feed(self, tokens: np.ndarray) -> np.ndarray:
        """Run the tokens, and return the logits that follow the last."""
        return self.model.forward(tokens[None], last_only=True)[0, -1]

    def reset(self) -> None:
        """Forget the history."""
        self.cache.reset()


class Transformers:
    """Hugging Face transformers: a forward pass a token, with its DynamicCache."""

    packages = ("torch", "transformers")

    def __init__(self, gguf_file: Path):
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(NUM_THREADS)
        self.torch = torch
        self.model = AutoModelForCausalLM.from_pretrained(
            str(gguf_file.parent), gguf_file=gguf_file.name, dtype=torch.float32
        ).eval()
        self.cache = None

    def feed(self, tokens: np.ndarray) -> np.ndarray:
        """Run the tokens, and return the logits that follow the last."""
        with self.torch.inference_mode():
            output = self.model(
                self.torch.from_numpy(tokens[None]),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self.cache = output.past_key_values
        return output.logits[0, -1].numpy()

    def reset(self) -> None:
        """Forget the history."""
        self.cache = None


class LlamaCpp:
    """llama.cpp on a float32 GGUF, with a float32 cache."""

    packages = ("llama-cpp-python",)

    def __init__(self, gguf_file: Path):
        import llama_cpp

        self.llama_cpp = llama_cpp
        self.model = llama_cpp.Llama(
            str(gguf_file),
            n_ctx=MAX_SEQ_LEN,
            n_batch=MAX_SEQ_LEN,
            n_threads=NUM_THREADS,
            n_threads_batch=NUM_THREADS,
            type_k=llama_cpp.GGML_TYPE_F32,
            type_v=llama_cpp.GGML_TYPE_F32,
            flash_attn=False,
            verbose=False,
        )

    def feed(self, tokens: np.ndarray) -> np.ndarray:
        """Run the tokens, and return the logits that follow the last."""
        self.model.eval(tokens.tolist())
        logits = self.llama_cpp.llama_get_logits_ith(self.model.ctx, -1)
        return np.ctypeslib.as_array(logits, shape=(self.model.n_vocab(),))

    def reset(self) -> None:
        """Forget the history."""
        self.model.reset()


PEERS = {"tinytorch": TinyTorch, "transformers": Transformers, "llama.cpp": LlamaCpp}


def time_feeds(peer: object, prompt_length: int, num_decoded: int) -> dict[str, object]:
    """Time a prefill and the greedy decoding steps after it.

    Returns
    -------
    dict
        ``prefill_ms`` and ``decode_ms`` (a list), and the ``tokens`` decoded, which show that
        the implementations did the same work.
    """
    prompt = np.random.default_rng(0).integers(100, 40_000, prompt_length)
    peer.reset()
    start = time.perf_counter()
    token = int(peer.feed(prompt).argmax())
    prefill_ms = (time.perf_counter() - start) * 1e3
    decode_ms, tokens = [], [token]
    for _ in range(num_decoded):
        start = time.perf_counter()
        token = int(peer.feed(np.array([token])).argmax())
        decode_ms.append((time.perf_counter() - start) * 1e3)
        tokens.append(token)
    return {"prefill_ms": prefill_ms, "decode_ms": decode_ms, "tokens": tokens}


def main(name: str, gguf_file: str) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    peer = PEERS[name](Path(gguf_file))
    versions = {package: importlib.metadata.version(package) for package in peer.packages}
    print(json.dumps(versions), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(time_feeds(peer, **json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
