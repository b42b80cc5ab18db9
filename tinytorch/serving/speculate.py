"""Speculative decoding: guess several tokens, check them in one pass, take back the wrong ones.

The guesses come from the text itself (prompt lookup), so there is no second model. A pass over
k + 1 tokens reads the weights once, as a pass over one token does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.transformer import GPT
from tinytorch.generation.decoding import Sampler, stream
from tinytorch.generation.enable import attached, new_kv_cache
from tinytorch.generation.kv_cache import KVCache
from tinytorch.serving.blocks import require_positive

NGRAM_SIZE = 2


def prompt_lookup(tokens: Sequence[int], max_drafts: int) -> list[int]:
    """Guess that a text goes on as it did where its last two tokens stood before.

    Parameters
    ----------
    tokens : sequence of int
    max_drafts : int

    Returns
    -------
    list of int
        The tokens after the last earlier occurrence, at most `max_drafts`; none without one.

    Notes
    -----
    Saxena 2023, "Prompt Lookup Decoding", with n-grams of two tokens.
    """
    tokens = list(tokens)
    last = tokens[-NGRAM_SIZE:]
    for start in range(len(tokens) - NGRAM_SIZE - 1, -1, -1):
        if tokens[start : start + NGRAM_SIZE] == last:
            return tokens[start + NGRAM_SIZE : start + NGRAM_SIZE + max_drafts]
    return []


def verify(
    sampler: Sampler,
    logits: np.ndarray,
    drafts: Sequence[int],
    stop_tokens: Collection[int] = (),
) -> list[int]:
    """Choose the next tokens, as many as the drafts turn out to have been right, and one more.

    Parameters
    ----------
    sampler : Sampler
        Draws once for each token returned.
    logits : ndarray of shape (k + 1, V)
        Row i scores the token after the first i drafts.
    drafts : sequence of k int
    stop_tokens : collection of int
        Nothing follows one of these.

    Returns
    -------
    list of 1 to k + 1 int

    Notes
    -----
    The token at each place is drawn as without drafts, and the next row is used only if the draft
    there is the same token. So the text is exactly the one that the sampler draws alone. It is
    also the rejection rule of Leviathan et al. 2023, arXiv:2211.17192, section 2.3, for a
    draft x that is certain, q(x) = 1: x is taken with probability p(x), and otherwise the token
    comes from p without x.
    """
    chosen = []
    for row, draft in zip(logits, [*drafts, None], strict=True):
        chosen.append(int(sampler(row[None])[0]))
        if chosen[-1] != draft or draft in stop_tokens:
            break
    return chosen


def speculate(
    model: GPT,
    prompt_tokens: ArrayLike,
    max_new_tokens: int,
    *,
    max_drafts: int = 4,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop_tokens: Collection[int] = (),
) -> Iterator[list[int]]:
    """Yield what `tinytorch.generation.stream` yields for one text, often several tokens at once.

    Parameters
    ----------
    model : GPT
    prompt_tokens : array_like of shape (T,), int
    max_new_tokens : int
    max_drafts : int
        Guesses a pass.
    temperature, top_k, top_p, seed, stop_tokens
        As for `tinytorch.generation.generate`.

    Yields
    ------
    list of int
        The tokens that one forward pass has settled: the right drafts and one more.

    Raises
    ------
    ValueError
        As `stream`, when called; or if `max_drafts` is not an integer of at least 1, or the
        prompt is not one text.
    """
    require_positive(max_drafts=max_drafts)
    if np.ndim(prompt_tokens) != 1:
        raise ValueError(f"prompt_tokens must have shape (T,), got {np.shape(prompt_tokens)}")
    settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    # `stream` checks its arguments when it is called, and computes nothing until it is read.
    check = {"use_cache": False, "stop_tokens": stop_tokens, **settings}
    stream(model, prompt_tokens, max_new_tokens, **check)
    text = np.asarray(prompt_tokens).tolist()
    cache = new_kv_cache(model, 1, max(len(text) + max_new_tokens - 1, 1))
    stop = frozenset(int(token) for token in stop_tokens)
    return _passes(model, text, max_new_tokens, cache, Sampler(**settings), max_drafts, stop)


def _passes(
    model: GPT,
    text: list[int],
    num_left: int,
    cache: KVCache,
    sampler: Sampler,
    max_drafts: int,
    stop: frozenset[int],
) -> Iterator[list[int]]:
    new, drafts = text, []
    while num_left:
        with attached(model, cache):
            logits = model.forward([[*new, *drafts]], last_only=not drafts)[0]
        settled = verify(sampler, logits, drafts, stop)
        text = text + settled
        cache.truncate(len(text) - 1)  # takes the keys and values of wrong drafts back
        num_left -= len(settled)
        yield settled
        if settled[-1] in stop:
            return
        new, drafts = settled[-1:], prompt_lookup(text, min(max_drafts, num_left - 1))
