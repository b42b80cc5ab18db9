"""The attention stepper's record and its limits."""

import numpy as np
import pytest
from traitlets import TraitError

from tinytorch.models import load_smollm2
from tinytorch.widgets import AttentionStepper

PROMPT = "The cat sat"


@pytest.fixture(scope="module")
def stepper() -> AttentionStepper:
    model, tokenizer = load_smollm2()
    return AttentionStepper.from_prompt(model, tokenizer, PROMPT, 4)


def test_a_run_is_recorded_with_its_text_and_heads(stepper):
    trace = stepper.trace
    assert "".join(trace["tokens"]).startswith(PROMPT)
    assert len(trace["tokens"]) == trace["prompt_length"] + 4
    assert stepper.last_step == 4
    assert trace["layers"] == [0, 1, 15, 29]
    assert trace["difference"] < 1e-3
    assert trace["group"] == 9 // 3
    assert trace["row_bytes"] == 2 * 30 * 3 * 64 * 4
    assert trace["row_operations"] == 30 * (2 * 576 * (9 + 3) * 64 + 3 * 576 * 1536)
    for head in trace["heads"]:
        assert head["channels"] == [0, 8, 16, 24, 32, 40, 48, 56]
        products, scores = np.array(head["products"]), np.tril(head["scores"])
        np.testing.assert_allclose(products / 8, scores, atol=0.0125)
        for i, row in enumerate(head["weights"]):
            assert sum(row[: i + 1]) == pytest.approx(1, abs=1e-3)


def test_its_drawing_is_of_the_newest_token(stepper):
    newest = stepper.trace["tokens"][stepper.trace["prompt_length"] - 1].strip()
    assert stepper.fallback().alt.startswith(f"The query of “{newest}” meets")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("step", 5, "step must be from 0 to 4, got 5"),
        ("head", 4, "head must be from 0 to 3, got 4"),
        ("phase", 5, "phase must be from 0 to 4, got 5"),
    ],
)
def test_a_value_out_of_range_is_refused(stepper, name, value, message):
    with pytest.raises(TraitError, match=message):
        setattr(stepper, name, value)


def test_a_trace_that_lacks_parts_is_refused():
    with pytest.raises(TraitError, match=r"trace needs \['prompt_length', .*from_prompt records"):
        AttentionStepper({"tokens": ["a"]})
