"""The live race's record, what its kernel answers, and its limits."""

import json

import pytest
from traitlets import TraitError

import tinytorch as tt
from tinytorch.models import load_smollm2
from tinytorch.widgets import LiveRace
from tinytorch.widgets.live_race import PROMPTS
from tinytorch.widgets.races import Kernel, record_race

PROMPT = "The café serves 🍰 and"
ASK = {"race": "a", "ask": "start", "prompt": PROMPT, "new_tokens": 5, "temperature": 0, "seed": 1}


@pytest.fixture(scope="module")
def smollm2():
    return load_smollm2()


@pytest.fixture(scope="module")
def figure(smollm2) -> LiveRace:
    return LiveRace.from_prompt(*smollm2, PROMPT, 5)


@pytest.fixture
def kernel(smollm2):
    """A kernel, and the list of what it has answered."""
    answers = []
    return Kernel(*smollm2, answers.append), answers


def test_both_lanes_hold_the_tokens_of_generate(smollm2, figure):
    model, tokenizer = smollm2
    prompt = tokenizer.encode(PROMPT)
    new = tt.generate(model, prompt, 5)[len(prompt) :].tolist()
    assert figure.race["prompt_length"] == len(prompt)
    for lane in figure.race["lanes"]:
        assert lane["ids"] == new
        assert "".join(lane["texts"]) == tokenizer.decode(new)
        assert min(lane["ms"]) > 0
    json.dumps(figure.race)


def test_a_race_ends_at_a_stop_token(smollm2):
    prompt = "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>"
    race = record_race(*smollm2, prompt.removesuffix("<|im_end|>"), 9)
    without, with_cache = (lane["ids"] for lane in race["lanes"])
    assert without == with_cache
    assert len(without) < 9
    assert without[-1] in smollm2[1].stop_tokens


def test_the_question_among_the_prompts_has_the_models_own_form(smollm2):
    message = {"role": "user", "content": "Why is the sky blue?"}
    assert PROMPTS["a question, as a chat"] == smollm2[1].render_chat([message])
    assert len(PROMPTS) == 5


def test_the_kernel_computes_a_token_when_it_is_asked(kernel, figure):
    kernel, answers = kernel
    kernel.hear(ASK)
    kernel.hear(ASK | {"race": "b", "new_tokens": 1})
    for name, lane in (("a", 1), ("a", 0), ("b", 1), ("a", 1), ("b", 1)):
        kernel.hear({"race": name, "ask": "next", "lane": lane})
    start, other, *tokens = answers
    assert start == {"race": "a", "prompt_length": figure.race["prompt_length"]}
    assert other["race"] == "b"
    ids = figure.race["lanes"][0]["ids"]
    assert [told["token"] and told["token"]["id"] for told in tokens] == [
        *(ids[0], ids[0], ids[0]),
        *(ids[1], None),
    ]
    kernel.hear({"race": "a", "ask": "stop"})
    assert list(kernel.races) == ["b"]
    assert len(answers) == 7


def test_both_lanes_of_the_kernel_draw_the_same(kernel):
    kernel, answers = kernel
    kernel.hear(ASK | {"temperature": 1.5, "new_tokens": 8})
    for lane in (0, 1) * 8:
        kernel.hear({"race": "a", "ask": "next", "lane": lane})
    drawn = [[a["token"]["id"] for a in answers if a.get("lane") == lane] for lane in (0, 1)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": ""}, "not be empty"),
        ({"new_tokens": 10_000}, "exceed max_seq_len=8192"),
        ({"temperature": -1}, "temperature must be finite and at least 0, got -1"),
        ({"ask": "next", "lane": 0}, "'a'"),
    ],
)
def test_the_kernel_says_what_cannot_be_run(kernel, change, said):
    kernel, answers = kernel
    kernel.hear(ASK | change)
    assert answers[0]["race"] == "a"
    assert answers[0]["error"].startswith("This cannot be run: ")
    assert said in answers[0]["error"]
    assert kernel.races == {}


def test_its_drawing_says_what_the_race_was(figure):
    html = figure.to_html()
    assert "Recorded on the machine that built this page: 5 tokens after a prompt of" in html
    assert "The texts are equal, token for token." in html
    assert "café serves 🍰" in html.split("</script>")[1]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("prompt", "", "prompt must have 1 to 4,000 characters, got 0"),
        ("prompt", "x" * 4001, "got 4,001"),
        ("new_tokens", 0, "new_tokens must be from 1 to 400, got 0"),
        ("temperature", 2.5, "temperature must be from 0 to 2.0, got 2.5"),
        (
            "race",
            {"prompt": "a"},
            r"race: a race needs \['lanes', 'prompt_length'\]; LiveRace.from",
        ),
    ],
)
def test_a_value_out_of_range_is_refused(figure, name, value, message):
    with pytest.raises(TraitError, match=message):
        setattr(figure, name, value)


def test_lanes_of_unequal_columns_are_refused(figure):
    lane = {"ids": [1], "texts": ["a", "b"], "ms": [1.0]}
    with pytest.raises(TraitError, match="race: a lane needs as many of each"):
        LiveRace({"prompt": "a", "prompt_length": 1, "lanes": [lane, lane]}, figure.sizes)
