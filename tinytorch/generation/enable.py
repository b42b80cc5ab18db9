"""Add a KV cache to a model from outside, and take it away again.

Nothing in `tinytorch.core` mentions a cache. `enable_kv_cache` puts another ``forward`` in front
of the model's and of each attention layer's; `disable_kv_cache` removes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinytorch.core.attention import attend
from tinytorch.generation.kv_cache import KVCache

MODEL_ATTRIBUTES = ("forward", "blocks", "num_kv_heads", "head_dim", "max_seq_len")
ATTENTION_ATTRIBUTES = ("forward", "project", "merge")


def enable_kv_cache(
    model: object,
    batch_size: int = 1,
    max_seq_len: int | None = None,
    dtype: DTypeLike = np.float32,
) -> KVCache:
    """Make `model` keep its keys and values, so that it needs to be fed new tokens only.

    After a prefill of any length, ``model.forward`` continues at ``cache.seq_pos``; a long
    prompt may also be fed in chunks. A model that has a cache already gets the new one instead.

    Parameters
    ----------
    model : GPT or similar
        Must have ``forward, blocks, num_kv_heads, head_dim, max_seq_len``; each block's
        ``attention`` must have ``forward, project, merge``, as `tinytorch.core` defines them.
    batch_size : int
        Number of sequences that are generated side by side.
    max_seq_len : int, optional
        Number of tokens that fit. Default: as many as the model can tell apart.
    dtype : dtype_like
        Floating-point type of the cache.

    Returns
    -------
    KVCache
        Empty. ``reset()`` it to start another text.

    Raises
    ------
    AttributeError
        If `model` lacks an attribute; the message lists all that are missing.
    ValueError
        If a size is out of range.

    Examples
    --------
    >>> cache = enable_kv_cache(model)
    >>> logits = model.forward(prompt)                   # prefill: fills the cache
    >>> logits = model.forward(next_token)               # decode: one token, shape (1, 1)
    >>> disable_kv_cache(model)
    """
    _require_attributes(model)
    if max_seq_len is None:
        max_seq_len = model.max_seq_len
    cache = new_kv_cache(model, batch_size, max_seq_len, dtype)
    if cache.max_seq_len > model.max_seq_len:
        raise ValueError(
            f"max_seq_len={max_seq_len} exceeds the model's max_seq_len={model.max_seq_len}"
        )
    set_kv_cache(model, cache)
    return cache


def set_kv_cache(model: object, cache: KVCache) -> None:
    """Make `model` use `cache`, as `enable_kv_cache` does with a new one.

    Parameters
    ----------
    model : GPT or similar
    cache : KVCache
        Or another with its verbs. One that lies elsewhere has a method ``forwards``, which gives
        parts of the model forward passes that ask it.

    Raises
    ------
    AttributeError
        As `enable_kv_cache`.
    ValueError
        If the cache was made for a model of another shape.
    """
    require_fit(model, cache)
    disable_kv_cache(model)
    _attach(model, cache)


def new_kv_cache(
    model: object, batch_size: int, max_seq_len: int, dtype: DTypeLike = np.float32
) -> KVCache:
    """Make an empty cache with the layers and heads of `model`, without enabling it.

    The parameters and errors are those of `KVCache`.
    """
    return KVCache(
        batch_size, max_seq_len, len(model.blocks), model.num_kv_heads, model.head_dim, dtype
    )


def disable_kv_cache(model: object) -> None:
    """Give `model` its plain ``forward`` back. Does nothing if it has no cache."""
    for part in (model, *model.blocks, *(block.attention for block in model.blocks)):
        patched = vars(part).get("forward")
        if hasattr(patched, "cache"):
            del part.forward
            vars(part).update(patched.replaced)


def get_kv_cache(model: object) -> KVCache | None:
    """Return the cache that `enable_kv_cache` gave to `model`, or None."""
    return getattr(model.forward, "cache", None)


@contextmanager
def use_kv_cache(model: object, cache: KVCache | None) -> Iterator[KVCache | None]:
    """Run `model` with `cache` inside a ``with`` block, whatever it has outside.

    Parameters
    ----------
    model : GPT or similar
    cache : KVCache or None
        None runs the model without a cache.

    Yields
    ------
    KVCache or None
        `cache`.

    Raises
    ------
    AttributeError
        As `enable_kv_cache`.
    ValueError
        If the cache was made for a model of another shape.

    Examples
    --------
    >>> with use_kv_cache(model, cache):
    ...     logits = model.forward(prompt)
    """
    if cache is not None:
        require_fit(model, cache)
    with attached(model, cache):
        yield cache


@contextmanager
def attached(model: object, cache: KVCache | None) -> Iterator[None]:
    """Do as `use_kv_cache`, without checking that `cache` fits."""
    before = get_kv_cache(model)
    disable_kv_cache(model)
    try:
        if cache is not None:
            _attach(model, cache)
        yield
    finally:
        disable_kv_cache(model)
        if before is not None:
            _attach(model, before)


def require_fit(model: object, cache: KVCache, batch_size: int | None = None) -> None:
    """Check that `cache` has the layers and heads of `model`, and rows for a batch.

    Raises
    ------
    AttributeError
        As `enable_kv_cache`.
    ValueError
        If a size differs; the message names it.
    """
    _require_attributes(model)
    needed = {
        "num_layers": len(model.blocks),
        "num_heads": model.num_kv_heads,
        "head_dim": model.head_dim,
        "batch_size": cache.batch_size if batch_size is None else batch_size,
    }
    for name, size in needed.items():
        if getattr(cache, name) != size:
            raise ValueError(
                f"a cache with {name}={getattr(cache, name)} does not fit, need {size}"
            )


def _attach(model: object, cache: KVCache) -> None:
    forwards = getattr(cache, "forwards", None) or partial(_cached_forwards, cache)
    for part, forward in forwards(model):
        _patch(part, cache, forward)


def _cached_forwards(cache: KVCache, model: object) -> Iterator[tuple[object, Callable]]:
    for layer_idx, block in enumerate(model.blocks):
        yield block.attention, _cached_attention(block.attention, cache, layer_idx)
    yield model, _cached_model(model.forward, cache)


def _patch(part: object, cache: KVCache, forward: Callable) -> None:
    forward.cache = cache
    attributes = vars(part)
    forward.replaced = {"forward": attributes["forward"]} if "forward" in attributes else {}
    part.forward = forward


def _cached_attention(attention: object, cache: KVCache, layer_idx: int) -> Callable:
    def forward(x: np.ndarray, rotation: np.ndarray | None = None) -> np.ndarray:
        query, key, value = attention.project(x, rotation)
        key, value = cache.update(layer_idx, key, value)  # the one line that plain forward lacks
        return attention.merge(attend(query, key, value))

    return forward


def _cached_model(plain_forward: Callable, cache: KVCache) -> Callable:
    def forward(
        tokens: ArrayLike, positions: ArrayLike | None = None, *, last_only: bool = False
    ) -> np.ndarray:
        num_tokens = (0, *np.shape(tokens))[-1]
        if positions is None:
            positions = np.arange(cache.seq_pos, cache.seq_pos + num_tokens)
        logits = plain_forward(tokens, positions, last_only=last_only)
        cache.advance(num_tokens)
        return logits

    return forward


def _require_attributes(model: object) -> None:
    missing = [name for name in MODEL_ATTRIBUTES if not hasattr(model, name)]
    for i, block in enumerate(getattr(model, "blocks", [])):
        if not hasattr(block, "attention"):
            missing.append(f"blocks[{i}].attention")
            continue
        missing += [
            f"blocks[{i}].attention.{name}"
            for name in ATTENTION_ATTRIBUTES
            if not hasattr(block.attention, name)
        ]
    if missing:
        raise AttributeError(
            f"cannot add a KV cache to {type(model).__name__}: it lacks {', '.join(missing)}"
        )
