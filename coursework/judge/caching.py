"""Whether `KVCache` is a cache: the tests whose names begin with ``test_cache``."""

from __future__ import annotations

import numpy as np

from coursework.judge.compare import WrongAnswerError, require, require_close, require_pair
from coursework.judge.draw import Draw
from coursework.judge.session import RaisedError
from coursework.judge.student import CACHE, Student


def test_cache_allocate(student: Student, draw: Draw) -> None:
    """Sizes under their names, no tokens, float32, memory made once."""
    sizes = _new_cache(student, draw)
    for name, size in sizes.items():
        found = student.get(CACHE, name)
        require(type(found) is int and found == size, f"cache.{name} must be {size}")
    require(student.get(CACHE, "seq_pos") == 0, "a new cache holds no tokens: seq_pos must be 0")
    (one,) = _entries(draw, sizes, 1)[:1]
    for array in _update(student, 0, one, one):
        require(array.dtype == np.float32, f"entries must be float32, not {array.dtype}")
    new = _entries(draw, sizes, 1)
    student.write(new, new)
    student.method(CACHE, "get", 1, keep="counted")
    student.method(CACHE, "update", 1, one, one, keep="updated")
    require(
        student.session.ask("share_memory", first="counted", second="updated") is True,
        "update must return views of arrays that are made once, not copies",
    )


def test_cache_update(student: Student, draw: Draw) -> None:
    """The history and the new entries, and nothing counted before advance."""
    sizes, length = _new_cache(student, draw), 0
    for num_tokens in draw.split(sizes["max_seq_len"]):
        new_keys, new_values = _entries(draw, sizes, num_tokens), _entries(draw, sizes, num_tokens)
        length += num_tokens
        for layer_idx, new in enumerate(zip(new_keys, new_values, strict=True)):
            for found, expected in zip(_update(student, layer_idx, *new), new, strict=True):
                shape = (*expected.shape[:2], length, expected.shape[3])
                require(
                    found.shape == shape,
                    f"update must return the {length - num_tokens} tokens before and the "
                    f"{num_tokens} new ones, got shape {found.shape}: a token attends to itself",
                )
                require(
                    np.array_equal(found[:, :, -num_tokens:], expected),
                    "the last entries that update returns must be the new ones",
                )
        student.method(CACHE, "advance", num_tokens)
        require(student.get(CACHE, "seq_pos") == length, "advance must count the new tokens")
    sizes = _new_cache(student, draw)
    for _ in range(2):
        (new,) = _entries(draw, sizes, 2)[:1]
        keys, _ = _update(student, 0, new, new)
        require(
            student.get(CACHE, "seq_pos") == 0,
            "update must not count: the other layers still write there",
        )
        require(
            np.array_equal(keys, new),
            "until advance, a layer that writes again replaces what it wrote",
        )


def test_cache_history(student: Student, draw: Draw) -> None:
    """What was written is there, in its order, whether it came alone or not."""
    sizes = _new_cache(student, draw)
    length = sizes["max_seq_len"] - 1
    _write_and_compare(student, draw, sizes, [2, *draw.split(length - 2)])
    sizes = _new_cache(student, draw)
    _write_and_compare(student, draw, sizes, [1] * draw.integer(2, sizes["max_seq_len"]))


def test_cache_reset(student: Student, draw: Draw) -> None:
    """No tokens after it, and room for a whole new text."""
    sizes = _new_cache(student, draw)
    old = _entries(draw, sizes, draw.integer(3, sizes["max_seq_len"]))
    student.write(old, old)
    student.method(CACHE, "reset")
    require(
        student.get(CACHE, "seq_pos") == 0,
        "after reset the cache holds no tokens: seq_pos must be 0",
    )
    keys = _entries(draw, sizes, sizes["max_seq_len"])
    student.write(keys, keys[::-1])
    layer_idx = draw.integer(0, sizes["num_layers"] - 1)
    found, _ = _get(student, layer_idx)
    message = "after reset there must be room for a whole new text"
    require_close(found[:, :, 1:], keys[layer_idx][:, :, 1:], message)


def test_cache_overflow(student: Student, draw: Draw) -> None:
    """What does not fit is refused, and what fits exactly is taken."""
    sizes = _new_cache(student, draw)
    length = sizes["max_seq_len"] - 2
    old = _entries(draw, sizes, length)
    student.write(old, old)
    (more,) = _entries(draw, sizes, 3)[:1]
    try:
        student.method(CACHE, "update", 0, more, more, keep="updated")
    except RaisedError as error:
        require("ValueError" in error.kinds, f"update must raise a ValueError, not {error}")
    else:
        raise WrongAnswerError(
            f"3 tokens more do not fit behind {length} of {length + 2}: update must raise a "
            "ValueError"
        )
    found, _ = _get(student, 0)
    message = "a refused update must leave the cache as it was"
    require_close(found[:, :, 1:], old[0][:, :, 1:], message)
    last = _entries(draw, sizes, 2)
    student.write(last, last)
    require(student.get(CACHE, "seq_pos") == length + 2, "what fits exactly must be taken")


def _new_cache(student: Student, draw: Draw) -> dict[str, int]:
    sizes = {
        "batch_size": draw.integer(1, 3),
        "max_seq_len": draw.integer(8, 12),
        "num_layers": draw.integer(2, 4),
        "num_heads": draw.integer(1, 4),
        "head_dim": draw.integer(2, 6),
    }
    student.make_cache(**sizes)
    return sizes


def _entries(draw: Draw, sizes: dict[str, int], num_tokens: int) -> np.ndarray:
    """Draw the keys, or values, of new tokens for all layers."""
    rows = (sizes["num_layers"], sizes["batch_size"], sizes["num_heads"])
    return draw.entries(*rows, num_tokens, sizes["head_dim"])


def _write_and_compare(
    student: Student, draw: Draw, sizes: dict[str, int], passes: list[int]
) -> None:
    keys, values = _entries(draw, sizes, sum(passes)), _entries(draw, sizes, sum(passes))
    stops = np.cumsum(passes)
    for start, stop in zip(stops - passes, stops, strict=True):
        student.write(keys[:, :, :, start:stop], values[:, :, :, start:stop])
    for layer_idx in range(sizes["num_layers"]):
        message = f"layer {layer_idx} must hold all that was written to it, in its order"
        written = (keys[layer_idx], values[layer_idx])
        for found, expected in zip(_get(student, layer_idx), written, strict=True):
            require_close(found, expected, message)


def _update(student: Student, layer_idx: int, key: np.ndarray, value: np.ndarray) -> list:
    return _arrays(student.method(CACHE, "update", layer_idx, key, value), "update")


def _get(student: Student, layer_idx: int) -> list:
    return _arrays(student.method(CACHE, "get", layer_idx), "get")


def _arrays(found: object, name: str) -> list[np.ndarray]:
    pair = require_pair(found, f"{name} must return keys and values")
    for array in pair:
        is_array = type(array) is np.ndarray and array.ndim == 4
        require(is_array, f"{name} must return arrays of shape (batch, heads, tokens, width)")
    return pair
