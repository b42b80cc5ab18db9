"""Whether `generate_cached` writes what the model writes without a cache, with less work."""

from __future__ import annotations

import time

import numpy as np

from coursework.judge.compare import require, require_close, require_text
from coursework.judge.draw import STYLES, Draw, DrawnModel
from coursework.judge.student import CACHE, MODEL, Student, kept
from tinytorch import generate
from tinytorch.analysis import generation_operations

LONG_TEXT = 500
"""Tokens of a text that takes some twenty times as long without a cache."""
MOST_TIMES, SPARE_SECONDS = 3, 0.3
"""A guest may take so much more processor time than the package, and that much besides."""


def test_same_text(student: Student, draw: Draw) -> None:
    """The same text, from fewer operations, and the cache is off afterwards."""
    _require_speed(student, draw)
    for style in (*STYLES, *STYLES):
        model = draw.model(draw.integer(2, 5), style)
        prompt = draw.text(model, draw.integer(1, 8))
        student.make_model(model)
        student.make_fitting_cache(model)
        arguments = [kept(MODEL), kept(CACHE), prompt, 25]
        found, count = student.session.ask("count", name="generate_cached", args=arguments)
        message = f"{style}: the text with and without a cache must be equal"
        require_text(model, found, prompt, 25, message)
        naive = generation_operations(model.config, prompt.shape[1], 25, use_cache=False)
        few = type(count) is int and 0 < count < sum(naive.values()) / 4
        require(few, "with a cache, a pass must take in new tokens only")
        message = "the cache must be off after generating"
        require_close(student.forward(prompt), model.forward(prompt), message)


def test_second_text(student: Student, draw: Draw) -> None:
    """A cache that is used again starts empty."""
    _require_speed(student, draw)
    for style in ("learned positions", "rotary positions"):
        model = draw.model(3, style)
        student.make_model(model)
        student.make_fitting_cache(model)
        for length, num_tokens in ((6, 12), (7, 12), (40, 20), (39, 20), (41, 20)):
            prompt = draw.text(model, length)
            found = student.call("generate_cached", kept(MODEL), kept(CACHE), prompt, num_tokens)
            message = "a cache that is used again must start empty"
            require_text(model, found, prompt, num_tokens, message)


def test_padding(student: Student, draw: Draw) -> None:
    """A row with padding says what its prompt says alone."""
    _require_speed(student, draw)
    for style in (*STYLES, "learned positions"):
        model = draw.model(draw.integer(2, 3), style)
        longest = draw.integer(9, 12)
        lengths = [draw.integer(2, 6), longest, draw.integer(5, 8)]
        prompts = [draw.text(model, length) for length in lengths]
        pads = [longest - length for length in lengths]
        batch = [np.pad(p, ((0, 0), (n, 0))) for p, n in zip(prompts, pads, strict=True)]
        found = _generate_padded(student, model, np.concatenate(batch), pads)
        for row, (prompt, n) in enumerate(zip(prompts, pads, strict=True)):
            require_text(
                model,
                found[row : row + 1, n:],
                prompt,
                15,
                f"{style}: a row with {n} tokens of padding must say what its prompt says alone; "
                "at which position does its first real token stand?",
            )


def _generate_padded(
    student: Student, model: DrawnModel, batch: np.ndarray, pads: list[int]
) -> np.ndarray:
    student.make_model(model)
    student.make_fitting_cache(model, len(batch))
    arguments = (kept(MODEL), kept(CACHE), batch, 15)
    found = np.asarray(student.call("generate_cached", *arguments, num_pads=pads))
    shape = (len(batch), batch.shape[1] + 15)
    require(found.shape == shape, f"generate_cached must return {shape}, got {found.shape}")
    return found


def _require_speed(student: Student, draw: Draw) -> None:
    """Require once for all of these tests that a long text takes little processor time.

    The time is the system's word, for all in the room; what the guest says that it counted may be
    a lie. Without a cache the text takes some twenty times as long.
    """
    if student.slowness is None:
        student.slowness = _slowness(student, draw.apart("speed"))
    require(not student.slowness, student.slowness)


def _slowness(student: Student, draw: Draw) -> str:
    """Return what shows that there is no cache at work, or the empty text."""
    model = draw.model(2, "rotary positions", embed_dim=128, room=LONG_TEXT + 8)
    prompt = draw.text(model, 8)
    start = time.thread_time()
    generate(model, prompt, LONG_TEXT)
    needed = time.thread_time() - start
    student.make_model(model)
    student.make_fitting_cache(model)
    start = student.session.cpu_seconds()
    student.call("generate_cached", kept(MODEL), kept(CACHE), prompt, LONG_TEXT)
    taken = student.session.cpu_seconds() - start
    if taken < MOST_TIMES * needed + SPARE_SECONDS:
        return ""
    return (
        f"{LONG_TEXT} tokens took {taken:.1f} s of the processor, with the package's cache "
        f"{needed:.1f} s: with a cache, a pass must take in new tokens only"
    )
