"""Values that come together are checked in any order, and what is broken is told in each."""

from itertools import permutations

import pytest
from traitlets import TraitError

from tests.widgets.runs import small_run
from tinytorch.widgets import AttentionStepper, CacheLab, GenerationPlayer
from tinytorch.widgets.attention_stepper import FIELDS as TRACE_FIELDS
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.cache_lab import FIELDS as RECORD_FIELDS
from tinytorch.widgets.cache_lab import RUN_FIELDS

TRACE = dict.fromkeys(TRACE_FIELDS, 0) | {"tokens": list("abcd"), "prompt_length": 2}
RIGHT = {"right": dict.fromkeys(RUN_FIELDS, 0)}
RECORD = dict.fromkeys(RECORD_FIELDS, 0) | {"runs": RIGHT}

FIGURES = {
    "stepper": lambda: AttentionStepper(TRACE | {"heads": [{}, {}]}),
    "player": lambda: GenerationPlayer(small_run(6), step=2),
    "lab": lambda: CacheLab(RECORD, "right"),
}
BROKEN = [
    ("stepper", {"trace": {"tokens": ["a"]}, "head": 1, "step": 2}, r"trace needs \['prompt_len"),
    ("stepper", {"trace": {}, "head": 9, "step": 9}, "trace needs"),
    ("player", {"recordings": [{}], "recording": 1, "step": 1}, "trace: a run needs"),
    ("player", {"recordings": ["a"], "recording": -1, "step": 9}, "trace: a run is a dict"),
    ("player", {"recording": 9, "step": 1}, "recording must be from 0 to 0, got 9"),
    ("lab", {"record": {"ids": []}, "switch": "window"}, r"record needs \['start'"),
]


def set_together(figure: ChapterWidget, values: dict[str, object]) -> None:
    """Set traits, which are checked in the end, in the order of the values."""
    with figure.hold_trait_notifications():
        for trait, value in values.items():
            setattr(figure, trait, value)


@pytest.mark.parametrize(("name", "given", "message"), BROKEN)
def test_what_is_broken_is_told_whichever_value_is_checked_first(name, given, message):
    for order in permutations(given):
        figure = FIGURES[name]()
        before = figure.get_state()
        with pytest.raises(TraitError, match=message):
            set_together(figure, {trait: given[trait] for trait in order})
        assert figure.get_state() == before, order
