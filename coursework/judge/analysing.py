"""Whether the profile without a cache and the analyses are right, by closed forms."""

from __future__ import annotations

import math
from typing import Any

from coursework.judge.compare import require, require_pair
from coursework.judge.draw import STYLES, Draw
from coursework.judge.student import MODEL, Student, kept
from tinytorch.analysis import generation_operations


def test_profile_naive(student: Student, draw: Draw) -> None:
    """Each pass takes in the whole text, and costs what the formula says."""
    for style in STYLES:
        for num_tokens in (draw.integer(1, 3), draw.integer(4, 7)):
            model = draw.model(draw.integer(1, 3), style)
            prompt = draw.text(model, draw.integer(2, 6))
            student.make_model(model)
            profile = student.call("profile_naive", kept(MODEL), prompt, num_tokens)
            require(type(profile) is list, "profile_naive must return a list")
            pairs = [require_pair(each, "an entry has two numbers") for each in profile]
            length = prompt.shape[1]
            expected = list(range(length, length + num_tokens))
            require(
                [tokens for tokens, _ in pairs] == expected,
                "each pass must take in the whole text, which grows by one token a pass",
            )
            for tokens, work in pairs:
                one = generation_operations(model.config, tokens, 1, use_cache=False)
                needed = sum(one.values())
                message = f"a pass over {tokens} tokens takes {needed:,} multiply-adds"
                require(_equals(work, needed), message)


def test_memory(student: Student, draw: Draw) -> None:
    """Bytes of keys and values."""
    cases = [[1, 1, 1, 1], [12, 12, 64, 1024]]
    cases += [[draw.integer(1, 99) for _ in range(5)] for _ in range(3)]
    for sizes in cases:
        expected = 8 * math.prod(sizes)
        message = f"layers, heads, width, tokens and rows {sizes} take {expected:,} bytes"
        require(_equals(student.call("cache_bytes", *sizes), expected), message)
        found = student.call("cache_bytes", *sizes, bytes_per_element=2)
        message = "half the bytes an element must give half the memory"
        require(_equals(found, expected // 2), message)


def test_speedup(student: Student, draw: Draw) -> None:
    """How many times fewer keys and values, and pairs: (n + 1) / 2 and (2 n + 1) / 3."""
    for n in (1, 3, 100, draw.integer(4, 99), draw.integer(101, 999)):
        found = student.call("operation_ratios", n)
        projections, pairs = require_pair(found, "operation_ratios must return two numbers")
        require(_is_close(projections, (n + 1) / 2), f"keys and values at {n} tokens")
        require(_is_close(pairs, (2 * n + 1) / 3), f"query-key pairs at {n} tokens")


def _equals(found: Any, expected: int) -> bool:
    return type(found) in (int, float) and found == expected


def _is_close(found: Any, expected: float) -> bool:
    return type(found) in (int, float) and math.isclose(found, expected, rel_tol=1e-6)
