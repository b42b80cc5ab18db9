"""What the answer field takes and refuses, and what paper shows of it."""

import math

import pytest
from traitlets import TraitError

from tinytorch.widgets import AnswerField


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"answer": 0}, "answer must be finite and not 0, got 0.0"),
        ({"answer": math.nan}, "answer must be finite and not 0, got nan"),
        ({"answer": 5, "tolerance": 0.6}, "tolerance must be from 0 to 0.5, got 0.6"),
        ({"answer": 5, "hints": {"-2": "no"}}, "a factor must be a positive number, got '-2'"),
        ({"answer": 5, "hints": {"half": "no"}}, "a factor must be a positive number, got 'half'"),
    ],
)
def test_what_cannot_be_checked_is_refused(values, expected):
    with pytest.raises(TraitError, match=expected):
        AnswerField("Bytes", **values)


def test_paper_has_a_line_to_write_on():
    html = AnswerField("One cache", 384, unit="MiB").to_html()
    assert "One cache: ____________ MiB" in html
