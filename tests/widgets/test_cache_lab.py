"""The cache lab's record, its limits, and its drawing."""

import re
from pathlib import Path

import numpy as np
import pytest
from traitlets import TraitError

import tinytorch as tt
import tinytorch.browser
from tests.widgets.sessions import Session
from tinytorch.core import init_weights
from tinytorch.widgets import CacheLab, record_lab
from tinytorch.widgets.cache_lab import SWITCHES, first_difference, loss

TEXT = np.random.default_rng(0).integers(0, 50, 20)
START, NEW = 6, 5


class Words:
    """A tokenizer whose tokens are numbers."""

    def decode(self, ids) -> str:
        return "".join(self.decode_stream(ids))

    def decode_stream(self, ids):
        return (f" {token}" for token in ids)


@pytest.fixture(scope="module")
def model() -> tt.GPT:
    sizes = {"vocab_size": 50, "embed_dim": 16, "num_layers": 2, "num_heads": 2}
    config = tt.ModelConfig(**sizes, max_seq_len=32)
    weights = init_weights(config, seed=2)
    return tt.GPT(config, weights={name: 8 * weight for name, weight in weights.items()})


@pytest.fixture(scope="module")
def record(model) -> dict:
    sessions = {
        "right": lambda: Session(model),
        "no-prefill": lambda: Session(model, forgets=True),
    }
    made = record_lab(Words(), TEXT, START, sessions, NEW)
    tt.disable_kv_cache(model)
    return made


def test_the_right_run_is_that_of_the_model_without_a_cache(model, record):
    right = record["runs"]["right"]
    assert right["ids"] == tt.generate(model, TEXT[:START], NEW)[START:].tolist()
    assert right["texts"] == [f" {token}" for token in right["ids"]]
    logits = model.forward(TEXT[None])[0, START - 1 : -1].astype(float)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(p[np.arange(len(p)), TEXT[START:]]).mean()
    assert right["loss"] == pytest.approx(expected, abs=1e-3)
    assert right["bytes"] == 2 * 2 * 16 * 4 * (START + NEW - 1)
    assert record["prompt"] + record["rest"] == "".join(f" {token}" for token in TEXT)


def test_a_wrong_run_differs(record):
    right, wrong = (record["runs"][name] for name in ("right", "no-prefill"))
    assert wrong["loss"] != right["loss"]
    assert wrong["bytes"] < right["bytes"]


def test_losses_that_are_known_are_taken(model):
    sessions = {"right": lambda: Session(model)}
    made = record_lab(Words(), TEXT, START, sessions, NEW, losses={"right": 1.23456})
    tt.disable_kv_cache(model)
    assert (made["runs"]["right"]["loss"], made["one_pass"]) == (1.2346, True)


@pytest.mark.parametrize(
    ("ids", "place"), [([1, 2, 3], None), ([1, 9, 3], 1), ([7, 2, 9], 0), ([1, 2, 9], 2)]
)
def test_the_first_difference(ids, place):
    assert first_difference(ids, [1, 2, 3]) == place


def test_a_name_that_is_no_switch_is_refused():
    with pytest.raises(ValueError, match=r"\['nothing'\]; there are \['right', 'first-lost'"):
        record_lab(Words(), TEXT, START, {"right": None, "nothing": None})
    with pytest.raises(ValueError, match="no right one"):
        record_lab(Words(), TEXT, START, {"window": None})


def test_the_loss_is_finite_for_logits_that_overflow_exp():
    class Sure:
        def feed(self, tokens):
            return np.full((1, tokens.shape[1], 50), 1000, np.float32)

    assert loss(Sure(), TEXT, START) == pytest.approx(np.log(50))


def test_a_switch_or_record_that_is_not_there_is_refused(record):
    with pytest.raises(TraitError, match=r"switch must be one of \['right', 'no-prefill'\]"):
        CacheLab(record, "window")
    with pytest.raises(TraitError, match=r"record needs \['start'"):
        CacheLab({"ids": []}, "right")
    broken = record | {"runs": {"right": {"ids": []}}}
    with pytest.raises(TraitError, match=r"the run right needs \['texts'"):
        CacheLab(broken, "right")


def test_its_drawing_has_both_texts_and_all_losses(record):
    drawn = CacheLab(record, "no-prefill").fallback()
    html = drawn._repr_html_()
    right, wrong = (record["runs"][name] for name in ("right", "no-prefill"))
    assert f"<b>{''.join(right['texts'])}</b>" in html
    assert right["ids"] != wrong["ids"]
    place = first_difference(wrong["ids"], right["ids"])
    assert f"<u>{''.join(wrong['texts'][place:])}</u>" in html
    assert f"The right cache has a loss of {right['loss']:.2f}" in drawn.chart.alt


def test_the_engine_has_the_same_switches():
    source = Path(tinytorch.browser.__file__).with_name("lab_sessions.mjs").read_text()
    table = source.partition("export const SESSIONS = {")[2].partition("\n};")[0]
    names = re.findall(r'^  "?([\w-]+)"?: ', table, re.MULTILINE)
    assert names == list(SWITCHES)
