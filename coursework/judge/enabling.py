"""Whether `enable_cache` adds a cache, and `disable_cache` takes it away without a trace.

The guest's cache is `plain_cache`, so that a mistake in the student's costs nothing here. Each test
also looks at what the cache holds: logits alone would be right without one.
"""

from __future__ import annotations

import numpy as np

from coursework.judge.compare import require, require_close
from coursework.judge.draw import STYLES, Draw, DrawnModel
from coursework.judge.student import CACHE, MODEL, Student, kept
from tinytorch import KVCache
from tinytorch.generation.enable import attached, new_kv_cache

GIVEN = "PlainCache"


def test_enable_prefill(student: Student, draw: Draw) -> None:
    """Every token of a prompt is in the cache after one pass."""
    for style in STYLES:
        model = draw.model(3, style)
        _enable(student, model)
        length = draw.integer(5, 9)
        student.forward(draw.text(model, length))
        found = student.get(CACHE, "seq_pos")
        message = f"{style}: a prompt of {length} tokens must leave {length} tokens in the cache"
        require(found == length, f"{message}, found {found}")

        model = draw.model(1, style)
        _enable(student, model)
        text = draw.text(model, draw.integer(3, 6))
        student.forward(text)
        _require_entries(student, model, text, f"{style}: every token of a prompt must be there")
        length = text.shape[1]
        for size in (draw.integer(2, 4), 1):
            student.forward(draw.text(model, size))
            length += size
        found = student.get(CACHE, "seq_pos")
        message = f"{style}: every pass must be counted once, whatever its length"
        require(found == length, message)


def test_enable_positions(student: Student, draw: Draw) -> None:
    """Token by token, positions go on where the last pass ended."""
    for style in (*STYLES, *STYLES):
        model = draw.model(1, style)
        text = draw.text(model, draw.integer(8, 20))
        _enable(student, model)
        passes = [student.forward(text[:, [column]]) for column in range(text.shape[1])]
        expected = model.forward(text)
        for column, found in enumerate(passes):
            require_close(
                found,
                expected[:, [column]],
                f"{style}: token by token, the logits must be those of the model without a cache; "
                "at which position does each token stand?",
            )
        _require_entries(student, model, text, f"{style}: every token must be in the cache")


def test_enable_layers(student: Student, draw: Draw) -> None:
    """Each layer uses its own weights, and keeps its own keys and values."""
    for style in STYLES:
        for num_layers in (draw.integer(2, 3), draw.integer(4, 5)):
            model = draw.model(num_layers, style)
            text = draw.text(model, draw.integer(7, 12))
            _enable(student, model)
            require_close(
                student.forward(text),
                model.forward(text),
                f"{style}: in one pass over a text, the logits must be those without a cache; "
                "does each layer use its own weights?",
            )
            _enable(student, model)
            first = text[:, :1]
            student.forward(first)
            message = f"{style}, {num_layers} layers: each must keep its own keys and values"
            _require_entries(student, model, first, message)


def test_no_trace(student: Student, draw: Draw) -> None:
    """After `disable_cache` the model is the object that it was."""
    model = draw.model(1, "learned positions")
    text = draw.text(model, draw.integer(4, 8))
    expected = model.forward(text)
    student.make_model(model)
    before = student.session.ask("state", of=MODEL)
    _switch_on(student, model)
    now = student.session.ask("state", of=MODEL)
    require(now != before, "enable_cache must change what the model's forward does")
    student.forward(text[:, :1])
    _require_entries(student, model, text[:, :1], "the model must use the cache while it is on")
    for _ in range(2):
        student.call("disable_cache", kept(MODEL))
        _require_state(student, before, "after disable_cache the model must have what it had")
    message = "the model must compute what it did before"
    require_close(student.forward(text), expected, message)
    require(student.get(CACHE, "seq_pos") == 1, "a cache that is off must not change")
    for _ in range(2):
        _switch_on(student, model)
        _switch_on(student, model)
        message = "enabling twice must leave one cache on"
        require_close(student.forward(text), expected, message)
        student.call("disable_cache", kept(MODEL))
        _require_state(student, before, "one disable_cache must undo two enable_cache")
    require_close(student.forward(text), expected, "the model must compute what it did before")


def test_other_models(student: Student, draw: Draw) -> None:
    """No other model gets a cache, and no weight is written to."""
    model, other, third = (draw.model(1, style) for style in STYLES)
    text = draw.text(model, draw.integer(4, 8)) % other.vocab_size % third.vocab_size
    student.make_model(other, keep="other")
    _enable(student, model)
    student.forward(text[:, :1])
    message = "the model must use its cache"
    _require_entries(student, model, text[:, :1], message)
    student.make_model(third, keep="third")
    for each, name in ((other, "other"), (third, "third")):
        message = "another model must not get a cache"
        require_close(student.forward(text, of=name), each.forward(text), message)
    _enable(student, model)
    student.make_fitting_cache(other, kind=GIVEN, keep="second")
    student.call("enable_cache", kept("other"), kept("second"))
    student.forward(text[:, :1])
    counts = [student.get(name, "seq_pos") for name in (CACHE, "second")]
    require(counts == [1, 0], "each model must keep to its own cache")
    found = student.get(MODEL, "token_embedding")
    require_close(found, model.token_embedding, "no weight may be written to")


def _enable(student: Student, model: DrawnModel) -> None:
    """Let the guest make a model anew, and switch a new cache on."""
    student.make_model(model)
    _switch_on(student, model)


def _switch_on(student: Student, model: DrawnModel) -> None:
    student.make_fitting_cache(model, kind=GIVEN)
    student.call("enable_cache", kept(MODEL), kept(CACHE))


def _require_entries(student: Student, model: DrawnModel, text: np.ndarray, message: str) -> None:
    """Require that the guest's cache holds what one pass over `text` leaves in it."""
    expected: KVCache = new_kv_cache(model, len(text), text.shape[1])
    with attached(model, expected):
        model.forward(text)
    count = student.get(CACHE, "seq_pos")
    require(count == text.shape[1], f"{message} (seq_pos is {count})")
    for layer_idx in range(model.num_layers):
        pair = student.method(CACHE, "get", layer_idx)
        for found, written in zip(pair, expected.get(layer_idx), strict=True):
            require_close(found, written, message)


def _require_state(student: Student, before: object, message: str) -> None:
    require(student.session.ask("state", of=MODEL) == before, f"{message}, and no more")
