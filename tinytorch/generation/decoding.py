"""Write text with a model, one token at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.transformer import GPT
from tinytorch.generation.enable import attached, new_kv_cache, require_fit
from tinytorch.generation.kv_cache import KVCache


def generate(
    model: GPT,
    prompt_tokens: ArrayLike,
    max_new_tokens: int,
    *,
    use_cache: bool = True,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop_tokens: Collection[int] = (),
    on_token: Callable[[np.ndarray], None] | None = None,
) -> np.ndarray:
    """Continue each prompt by up to `max_new_tokens` tokens.

    Parameters
    ----------
    model : GPT
        A cache that `enable_kv_cache` gave it is left alone: this call uses one of its own.
    prompt_tokens : array_like of shape (B, T) or (T,), int
        Prompts of equal length.
    max_new_tokens : int
    use_cache : bool
        Whether to keep keys and values. The tokens are the same; the time is not.
    temperature : float
        0 takes the most likely token. Above 0, tokens are drawn from
        ``softmax(logits / temperature)``.
    top_k : int, optional
        Draw from the k most likely tokens only.
    top_p : float, optional
        Draw from the fewest tokens whose probabilities add up to at least p (nucleus sampling,
        Holtzman et al. 2020, arXiv:1904.09751, section 3.1).
    seed : int, optional
        Makes the draws repeatable.
    stop_tokens : collection of int
        A sequence ends after one of these. It is kept, and repeated while other rows go on.
    on_token : callable, optional
        Called after each step with the new tokens, an array of shape (B,).

    Returns
    -------
    ndarray of shape (B, T + N) or (T + N,), int64
        Prompt and continuation, N <= `max_new_tokens`.

    Raises
    ------
    ValueError
        If an argument is out of range, or the text would outgrow the model's `max_seq_len`.
        Nothing is computed then.
    """
    prompt = _check_prompt(model, prompt_tokens)
    columns = [prompt]
    for tokens in stream(
        model,
        prompt,
        max_new_tokens,
        use_cache=use_cache,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        stop_tokens=stop_tokens,
    ):
        columns.append(tokens[:, None])
        if on_token is not None:
            on_token(tokens)
    sequences = np.concatenate(columns, axis=1)
    return sequences if np.ndim(prompt_tokens) == 2 else sequences[0]


def stream(
    model: GPT,
    prompt_tokens: ArrayLike,
    max_new_tokens: int,
    *,
    use_cache: bool = True,
    cache: KVCache | None = None,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop_tokens: Collection[int] = (),
) -> Iterator[np.ndarray]:
    """Yield the tokens that `generate` returns, as soon as each is known.

    Each step is one forward pass. Between steps the model is as the caller left it, so several
    streams may take turns on one model.

    Parameters
    ----------
    model, prompt_tokens, max_new_tokens, use_cache, temperature, top_k, top_p, seed, stop_tokens
        As for `generate`.
    cache : KVCache, optional
        Continue the text in this cache, and fill it, instead of a new one. The last token
        yielded is not in it: it starts the next prompt.

    Yields
    ------
    ndarray of shape (B,), int64
        The next token of each sequence.

    Raises
    ------
    ValueError
        As `generate`, when called, not at the first token.
    """
    prompt = _check_prompt(model, prompt_tokens)
    if cache is not None and not use_cache:
        raise ValueError("a cache was given, but use_cache is False")
    if cache is not None:
        require_fit(model, cache, batch_size=len(prompt))
    capacity = model.max_seq_len if cache is None else min(cache.max_seq_len, model.max_seq_len)
    cached = 0 if cache is None else len(cache)
    _check_length(cached + prompt.shape[1], max_new_tokens, capacity)
    sampler = Sampler(temperature, top_k, top_p, seed)
    stop = np.array(list(stop_tokens))
    if stop.size and stop.dtype.kind not in "iu":
        raise ValueError(f"stop_tokens must be integers, got {stop_tokens!r}")
    if use_cache and cache is None:
        cache = new_kv_cache(model, len(prompt), max(prompt.shape[1] + max_new_tokens - 1, 1))
    return _steps(model, prompt, max_new_tokens, cache, sampler, stop)


def _steps(
    model: GPT,
    sequences: np.ndarray,
    max_new_tokens: int,
    cache: KVCache | None,
    sampler: Sampler,
    stop: np.ndarray,
) -> Iterator[np.ndarray]:
    inputs = sequences
    finished = np.zeros(len(sequences), dtype=bool)
    for _ in range(max_new_tokens):
        with attached(model, cache):
            logits = model.forward(inputs, last_only=True)[:, -1]
        tokens = np.where(finished, inputs[:, -1], sampler(logits))
        yield tokens
        finished |= np.isin(tokens, stop)
        if finished.all():
            return
        new = tokens[:, None]
        inputs = np.concatenate([inputs, new], axis=1) if cache is None else new


class Sampler:
    """Choose the next token of each sequence from its logits.

    Parameters
    ----------
    temperature, top_k, top_p, seed
        As for `generate`.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ):
        if not 0 <= temperature < np.inf:
            raise ValueError(f"temperature must be finite and at least 0, got {temperature!r}")
        if top_k is not None and not (isinstance(top_k, int | np.integer) and top_k >= 1):
            raise ValueError(f"top_k must be an integer of at least 1, got {top_k!r}")
        if top_p is not None and not 0 < top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {top_p!r}")
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.rng = np.random.default_rng(seed)

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Map logits (B, V) to tokens (B,), int64."""
        if self.temperature == 0:
            return logits.argmax(axis=-1)
        return np.array([self._draw(row) for row in self.probabilities(logits)])

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Map logits (B, V) to the probabilities that tokens are drawn with (B, V), float64."""
        scaled = logits.astype(np.float64)
        scaled -= scaled.max(axis=-1, keepdims=True)
        scaled /= self.temperature
        probs = np.exp(scaled)
        probs /= probs.sum(axis=-1, keepdims=True)
        if self.top_k is None and self.top_p is None:
            return probs
        ranked = np.argsort(-probs, axis=-1, kind="stable")
        sorted_probs = np.take_along_axis(probs, ranked, axis=-1)
        if self.top_k is not None:
            sorted_probs[:, self.top_k :] = 0
            sorted_probs /= sorted_probs.sum(axis=-1, keepdims=True)
        if self.top_p is not None:
            before = np.cumsum(sorted_probs, axis=-1) - sorted_probs
            sorted_probs[before >= self.top_p] = 0
            sorted_probs /= sorted_probs.sum(axis=-1, keepdims=True)
        np.put_along_axis(probs, ranked, sorted_probs, axis=-1)
        return probs

    def _draw(self, probs: np.ndarray) -> int:
        return self.rng.choice(len(probs), p=probs)


def _check_prompt(model: GPT, prompt_tokens: ArrayLike) -> np.ndarray:
    prompt = np.asarray(prompt_tokens)
    if prompt.ndim == 1:
        prompt = prompt[None]
    if prompt.ndim != 2 or prompt.size == 0:
        raise ValueError(
            "prompt_tokens must have shape (batch, tokens) or (tokens,) and not be empty, "
            f"got {np.shape(prompt_tokens)}"
        )
    if prompt.dtype.kind not in "iu" or prompt.min() < 0 or prompt.max() >= model.vocab_size:
        raise ValueError(
            f"prompt_tokens must be integers from 0 to {model.vocab_size - 1}, got "
            f"{prompt.dtype} from {prompt.min()} to {prompt.max()}"
        )
    return prompt.astype(np.int64)


def _check_length(prompt_length: int, max_new_tokens: int, capacity: int) -> None:
    if not isinstance(max_new_tokens, int | np.integer) or max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must be an integer of at least 0, got {max_new_tokens!r}")
    # The last token is never fed back, so it needs no position.
    if prompt_length + max_new_tokens - 1 > capacity:
        raise ValueError(
            f"{prompt_length} tokens so far and {max_new_tokens} new ones exceed max_seq_len="
            f"{capacity}"
        )
