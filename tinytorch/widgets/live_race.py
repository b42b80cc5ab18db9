"""Races a model against itself, without a cache and with one, on a prompt of the reader's own."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Self

import traitlets
from traitlets import TraitError

from tinytorch.analysis import plots
from tinytorch.analysis.chart import Chart
from tinytorch.core import GPT
from tinytorch.models import ChatTokenizer
from tinytorch.widgets.base import ChapterWidget, IntRange
from tinytorch.widgets.generation_player import one_line
from tinytorch.widgets.language import Language
from tinytorch.widgets.races import Kernel, check_race, record_race, sizes_record
from tinytorch.widgets.records import Record

LONGEST_PROMPT = 4000
"""Characters, of which about four make a token."""

HOTTEST = 2.0

LETTER = (
    "Dear Anna, you asked me how the light is kept, so here is a whole day of it. At four in the "
    "morning I climb the hundred and twelve steps with a can of oil in each hand, for the tank "
    "must never be less than half full. I trim the wick, wipe the soot from the glass and turn the "
    "clockwork until the weight hangs below the ceiling. Then I write in the book: the wind, the "
    "height of the sea, every ship I could see and the colour of its lamps. At seven I put out the "
    "light and draw the curtains, because the sun on the lens could set fire to the hills behind "
    "us. I sleep until noon. In the afternoon there is bread to bake, paint to scrape from the "
    "railing, and the fog horn to be tried on Mondays. My brother comes on Thursdays with the "
    "boat, and brings flour, lamp oil, letters and whatever the people in the village want to be "
    "rid of. Last week it was a goat. She sleeps in the boat shed and has already eaten one page "
    "of the book, the second of March, on which, I must say, nothing happened. In the evening I "
    "light the lamp again half an hour before the sun goes down, and sit beside it, and listen. "
    "You asked if I am lonely. Sometimes. But each night some captain I shall never meet counts "
    "the seconds between two flashes, finds my name on his chart, and knows where he is. So tell "
    "your mother that I am well, and that"
)
"""A long text of our own, which ends where a model is to go on."""

PROMPTS = {
    "a story": "Once upon a time, in a village by the sea, there lived a clockmaker who",
    "a question, as a chat": (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n"
    ),
    "a recipe": "To bake a simple loaf of bread, you need",
    "a count": "One, two, three, four, five, six,",
    "a long letter": LETTER.partition(" My brother")[0],
}
"""What a reader may race without writing anything."""


@dataclass(frozen=True)
class DrawnRace:
    """A race for paper, and for readers without JavaScript: its text, its sums, its curves."""

    race: Record
    chart: Chart
    words: Language

    def _repr_html_(self) -> str:
        return f'<div class="tt-drawn"><p>{escape(self.summary())}</p></div>' + (
            f"<blockquote><p>{escape(one_line(self.text()))}</p></blockquote>"
            f"{self.chart._repr_html_()}"
        )

    def text(self) -> str:
        """Return the prompt and what was written with a cache."""
        return self.race["prompt"] + "".join(self.race["lanes"][1]["texts"])

    def summary(self) -> str:
        """Say what was raced, how long each lane took, and whether both wrote the same."""
        without, with_cache = self.race["lanes"]
        seconds = [
            self.words.number(sum(lane["ms"]) / 1e3, ".1f") for lane in (without, with_cache)
        ]
        same = without["ids"] == with_cache["ids"]
        return self.words.phrase(
            "race.drawn_equal" if same else "race.drawn_unequal",
            tokens=len(with_cache["ids"]),
            prompt=self.race["prompt_length"],
            without=seconds[0],
            with_cache=seconds[1],
        )


class LiveRace(ChapterWidget):
    """Races the same engine without a cache and with one, and compares the texts.

    On a website the reader's browser runs the model, once it is loaded; in a notebook the kernel
    does. Until then a recorded race is shown.

    Parameters
    ----------
    race : dict
        A recorded race, as `tinytorch.widgets.races.record_race` returns it.
    sizes : dict
        The model's sizes, as `tinytorch.widgets.races.sizes_record` returns them.
    model, tokenizer : GPT, ChatTokenizer, optional
        What runs the reader's races in a notebook.
    prompt : str
        At most 4,000 characters.
    new_tokens : int
        From 1 to 400.
    temperature : float
        From 0, the most likely token, to 2.

    Raises
    ------
    traitlets.TraitError
        If a value is out of range, or the race is not one.
    """

    module = "live_race"
    data_traits = ("race", "sizes", "prompts", "has_kernel")
    view_traits = ("prompt", "new_tokens", "temperature")

    race = traitlets.Dict().tag(sync=True)
    sizes = traitlets.Dict().tag(sync=True)
    prompts = traitlets.Dict(PROMPTS, read_only=True).tag(sync=True)
    has_kernel = traitlets.Bool(False, read_only=True).tag(sync=True)
    prompt = traitlets.Unicode().tag(sync=True)
    new_tokens = IntRange(1, 400, default=60).tag(sync=True)
    temperature = traitlets.Float(0.0).tag(sync=True)

    def __init__(
        self,
        race: Record,
        sizes: Record,
        model: GPT | None = None,
        tokenizer: ChatTokenizer | None = None,
        **values,
    ):
        recorded = {"prompt": race["prompt"]} if isinstance(race, dict) and "prompt" in race else {}
        super().__init__(race=race, sizes=sizes, **(recorded | values))
        if model is None or tokenizer is None:
            return
        kernel = Kernel(model, tokenizer, self.send)
        self.on_msg(lambda _, message, buffers: kernel.hear(message))
        self.set_trait("has_kernel", True)

    @classmethod
    def from_prompt(
        cls,
        model: GPT,
        tokenizer: ChatTokenizer,
        prompt: str = PROMPTS["a story"],
        new_tokens: int = 60,
        **values,
    ) -> Self:
        """Record a race on a prompt, and let the same model run the reader's own.

        Parameters
        ----------
        model, tokenizer, prompt, new_tokens
            As in `tinytorch.widgets.races.record_race`.
        **values
            Traits of the figure.

        Returns
        -------
        LiveRace
        """
        race = record_race(model, tokenizer, prompt, new_tokens)
        values = {"new_tokens": new_tokens} | values
        return cls(race, sizes_record(model.config), model, tokenizer, **values)

    @traitlets.validate("race")
    def _check_race(self, proposal):
        try:
            check_race(proposal["value"])
        except ValueError as error:
            raise TraitError(f"race: {error}") from None
        return proposal["value"]

    @traitlets.validate("prompt")
    def _check_prompt(self, proposal):
        length = len(proposal["value"])
        if not 1 <= length <= LONGEST_PROMPT:
            raise TraitError(f"prompt must have 1 to {LONGEST_PROMPT:,} characters, got {length:,}")
        return proposal["value"]

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal):
        if not 0 <= proposal["value"] <= HOTTEST:
            raise TraitError(f"temperature must be from 0 to {HOTTEST}, got {proposal['value']}")
        return proposal["value"]

    def fallback(self) -> DrawnRace:
        """Show the recorded race; see `ChapterWidget.fallback`."""
        lanes = self.race["lanes"]
        lines = {
            name: (range(1, len(lane["ms"]) + 1), lane["ms"])
            for name, lane in zip(self.words.table("common.ways"), lanes, strict=True)
        }
        ends = [self.words.number(lane["ms"][-1], ".0f") for lane in lanes]
        tokens = len(lanes[0]["ms"])
        chart = plots.curves(
            lines,
            x_label=self.words.phrase("race.drawn_x"),
            y_label=self.words.phrase("race.drawn_y"),
            states=("again", "kept"),
            alt=self.words.phrase(
                "race.drawn_alt", tokens=tokens, without=ends[0], with_cache=ends[1]
            ),
            signs=self.words.signs,
        )
        return DrawnRace(self.race, chart, self.words)
