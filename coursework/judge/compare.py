"""Compare what a guest said with what is right; the messages are for the student."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch import GPT

TOLERANCE = 1e-3
"""How far numbers may lie apart, as in the assignment's own tests."""


class WrongAnswerError(Exception):
    """An answer is not right; the message says what it must be."""


def require(condition: bool, message: str) -> None:
    """Raise WrongAnswerError with the message unless the condition holds."""
    if not condition:
        raise WrongAnswerError(message)


def require_close(found: Any, expected: np.ndarray, message: str) -> None:
    """Require an array of this shape and, within TOLERANCE, these numbers."""
    require(type(found) is np.ndarray, f"{message} (it is no array)")
    require(
        found.shape == expected.shape,
        f"{message} (the shape is {found.shape}, expected {expected.shape})",
    )
    require(found.dtype.kind == "f", f"{message} (the dtype is {found.dtype})")
    difference = np.abs(found.astype(np.float64) - expected).max(initial=0)
    require(difference < TOLERANCE, f"{message} (the largest difference is {difference:.2g})")


def require_pair(found: Any, message: str) -> list:
    """Require two results; return them."""
    require(type(found) is list and len(found) == 2, f"{message} (that is no pair)")
    return found


def require_text(model: GPT, found: Any, prompt: np.ndarray, num_tokens: int, message: str) -> None:
    """Require the prompt with `num_tokens` behind it, each with the largest logit.

    One pass over the whole text, without a cache, shows what was the best token at each place. Of
    two that are equally good within TOLERANCE times 10, either will do.
    """
    if type(found) is list:
        found = np.array(found)
    require(type(found) is np.ndarray, f"{message} (it is no array)")
    shape = (len(prompt), prompt.shape[1] + num_tokens)
    require(found.shape == shape, f"{message} (got {found.shape}, need {shape})")
    require(found.dtype.kind in "iu", f"{message} (tokens are integers, not {found.dtype})")
    in_range = (found >= 0).all() and (found < model.vocab_size).all()
    require(in_range, f"{message} (there are no such tokens)")
    start = prompt.shape[1]
    require(np.array_equal(found[:, :start], prompt), f"{message} (the prompt has changed)")
    logits = model.forward(found[:, :-1])[:, start - 1 :]
    chosen = np.take_along_axis(logits, found[:, start:, None].astype(np.int64), axis=-1)[..., 0]
    wrong = np.flatnonzero((chosen < logits.max(-1) - 10 * TOLERANCE).any(axis=0))
    if wrong.size:
        where = f"they part at token {start + wrong[0]} of {shape[1]}"
        raise WrongAnswerError(f"{message} ({where})")
