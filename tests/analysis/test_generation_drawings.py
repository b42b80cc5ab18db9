"""The drawings of a generation count what its passes took in."""

import pytest

from tests.analysis.drawn import elements, fills, texts
from tinytorch.analysis.drawings import generation
from tinytorch.analysis.drawings.canvas import WIDTH

CHOICES = [(" tale", 21.34), (" and", 20.5), ("\n", 18.0)]


def test_the_loop_shows_the_end_of_the_text_and_the_best_token():
    drawing = generation.loop(["a", "b", " the", "\n", " long", " way"], CHOICES, 30)
    words = texts(drawing)
    assert {"The whole text goes in: 6 tokens", "2 more", "the", "↵", "30 layers"} <= set(words)
    assert "a" not in words
    assert [word for word in words if word in ("21.3", "20.5", "18.0")] == ["21.3", "18.0", "20.5"]
    assert fills(drawing).count("now") == 1
    assert "“tale” has the highest logit, 21.3" in drawing.alt


@pytest.mark.parametrize(("tokens", "choices"), [(["a"] * 3, CHOICES), (["a"] * 4, [])])
def test_a_loop_without_text_or_choice_is_refused(tokens, choices):
    with pytest.raises(ValueError, match="at least 4 tokens and one choice"):
        generation.loop(tokens, choices, 30)


def test_the_staircase_counts_new_tokens_and_repeats():
    passes = [5, 6, 7, 8]
    drawing = generation.staircase(passes)
    words = texts(drawing)
    assert f"again: {sum(passes) - 8}" in words
    assert "new: 8" in words
    assert f"{(sum(passes) - 8) / sum(passes):.0%}" in words
    # The rows and the sum below them, and the legend's two boxes.
    assert fills(drawing).count("now") == len(passes) + 2
    assert fills(drawing).count("again") == len(passes) - 1 + 1


@pytest.mark.parametrize("passes", [range(1, 9), range(39, 69), [100, 101, 102]])
def test_the_large_number_stands_on_no_row(passes):
    drawing = generation.staircase(list(passes))
    caption = next(text for text in elements(drawing, "text") if text.text == "went in before")
    right = [
        float(rect.get("y"))
        for rect in elements(drawing, "rect")
        if float(rect.get("x")) + float(rect.get("width")) > WIDTH - generation.NUMBER_WIDTH
    ]
    assert min(right) > float(caption.get("y"))


@pytest.mark.parametrize("passes", [[], [5], [5, 5], [5, 4], [0, 1]])
def test_passes_that_do_not_grow_are_refused(passes):
    with pytest.raises(ValueError, match="each longer"):
        generation.staircase(passes)


def test_one_pass_gives_one_place_of_logits_and_misses_the_others():
    drawing = generation.one_pass(12, 5)
    assert fills(drawing).count("now") == 12 + 1
    assert fills(drawing).count("free") == 4
    assert "4 missing" in texts(drawing)


@pytest.mark.parametrize("chosen", [1, 13])
def test_more_chosen_tokens_than_places_are_refused(chosen):
    with pytest.raises(ValueError, match="from 2 to 12"):
        generation.one_pass(12, chosen)
