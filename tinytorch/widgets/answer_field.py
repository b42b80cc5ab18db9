"""A field that checks a number which a reader worked out, in the page and on nobody's server."""

from __future__ import annotations

import math

import traitlets
from IPython.display import HTML
from traitlets import TraitError

from tinytorch.widgets.base import ChapterWidget


class AnswerField(ChapterWidget):
    """Asks for a number, and says whether it is right or how far off it is.

    Parameters
    ----------
    label : str
        What is asked for, in a few words.
    answer : float
        The right number, not zero, computed in the cell that shows the field.
    unit : str
        Its unit, shown behind the field; empty for a bare count.
    tolerance : float
        The relative difference that still counts as right, from 0 to 0.5.
    hints : dict of str to str
        What to say to a typed number that is some factor of the right one: ``{"0.5": "Keys and
        values are two."}``. A number nearer to such a factor than to 1 is wrong, also where the
        tolerance would take it.

    Raises
    ------
    traitlets.TraitError
        If the answer is zero or not finite, the tolerance out of range, or a hint's factor no
        positive number.
    """

    module = "answer_field"
    data_traits = ("label", "answer", "unit", "tolerance", "hints")
    view_traits = ()

    label = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Float(1.0).tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    tolerance = traitlets.Float(0.01).tag(sync=True)
    hints = traitlets.Dict().tag(sync=True)

    def __init__(self, label: str, answer: float, **values):
        super().__init__(label=label, answer=float(answer), **values)

    @traitlets.validate("answer")
    def _check_answer(self, proposal):
        answer = proposal["value"]
        if answer == 0 or not math.isfinite(answer):
            raise TraitError(f"answer must be finite and not 0, got {answer}")
        return answer

    @traitlets.validate("tolerance")
    def _check_tolerance(self, proposal):
        if not 0 <= proposal["value"] <= 0.5:
            raise TraitError(f"tolerance must be from 0 to 0.5, got {proposal['value']}")
        return proposal["value"]

    @traitlets.validate("hints")
    def _check_hints(self, proposal):
        for factor in proposal["value"]:
            try:
                positive = float(factor) > 0
            except (TypeError, ValueError):
                positive = False
            if not positive:
                raise TraitError(f"hints: a factor must be a positive number, got {factor!r}")
        return proposal["value"]

    def fallback(self) -> HTML:
        """Return what paper and readers without JavaScript get: a line to write on."""
        unit = f" {self.unit}" if self.unit else ""
        return HTML(f"<p>{self.label}: ____________{unit}</p>")
