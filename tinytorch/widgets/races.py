"""Races of a model against itself, without a cache and with one: recorded, or run for a view."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import stream
from tinytorch.models import ChatTokenizer
from tinytorch.widgets.records import Record

LANES = (False, True)
"""Whether each lane uses a cache."""

COLUMNS = ("ids", "texts", "ms")


def sizes_record(config: ModelConfig) -> Record:
    """Describe a model by what its costs depend on, as `costs.mjs` reads it."""
    names = ("num_layers", "embed_dim", "num_heads", "num_kv_heads", "head_dim", "mlp_dim")
    return {name: getattr(config, name) for name in (*names, "vocab_size")} | {
        "mlp_matrices": 3 if config.mlp == "swiglu" else 2,
        "kv_elements_per_token_per_layer": 2 * config.num_kv_heads * config.head_dim,
        "num_windowed_layers": 0,
        "window": None,
    }


class Race:
    """One prompt, continued without a cache and with one, a token at a time.

    Parameters
    ----------
    model : GPT
    tokenizer : ChatTokenizer
    prompt : str
    new_tokens : int
        Each lane ends earlier at one of the tokenizer's stop tokens.
    temperature : float
        Both lanes draw with the same random numbers.
    seed : int, optional

    Raises
    ------
    ValueError
        As `tinytorch.stream`.
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: ChatTokenizer,
        prompt: str,
        new_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
    ):
        tokens = tokenizer.encode(prompt)
        options = {
            "temperature": temperature,
            "seed": seed,
            "stop_tokens": tokenizer.stop_tokens,
        }
        self.prompt_length = len(tokens)
        self._lanes = [
            self._steps(tokenizer, stream(model, tokens, new_tokens, use_cache=lane, **options))
            for lane in LANES
        ]

    def next(self, lane: int) -> Record | None:
        """Compute the next token of a lane: its id, its text, its milliseconds.

        Returns
        -------
        dict or None
            None if the lane has ended.
        """
        return next(self._lanes[lane], None)

    @staticmethod
    def _steps(tokenizer: ChatTokenizer, steps: Iterator) -> Iterator[Record]:
        timed: list[tuple[int, float]] = []

        def ids() -> Iterator[int]:
            while True:
                start = time.perf_counter()
                if (new := next(steps, None)) is None:
                    return
                timed.append((int(new[0]), round((time.perf_counter() - start) * 1e3, 2)))
                yield timed[-1][0]

        for text in tokenizer.decode_stream(ids()):
            token, ms = timed.pop()
            yield {"id": token, "text": text, "ms": ms}


def record_race(model: GPT, tokenizer: ChatTokenizer, prompt: str, new_tokens: int) -> Record:
    """Run a race greedily, one lane after the other.

    A pass that is not counted goes first: a program's first one is slower than the same later.

    Returns
    -------
    dict
        The prompt, how many tokens it has, and for each lane its ids, texts and milliseconds.
    """
    Race(model, tokenizer, prompt, 1).next(0)
    race = Race(model, tokenizer, prompt, new_tokens)
    lanes = []
    for lane in range(len(LANES)):
        steps = list(iter(lambda lane=lane: race.next(lane), None))
        columns = zip(COLUMNS, ("id", "text", "ms"), strict=True)
        lanes.append({column: [step[name] for step in steps] for column, name in columns})
    return {"prompt": prompt, "prompt_length": race.prompt_length, "lanes": lanes}


def check_race(race: object) -> None:
    """Refuse what is not a recorded race.

    Raises
    ------
    ValueError
        If a part is missing, or the columns of a lane are empty or not equally long.
    """
    if not isinstance(race, dict):
        raise ValueError(f"a race is a dict, as record_race returns it, got {type(race).__name__}")
    missing = sorted({"prompt", "prompt_length", "lanes"} - set(race))
    if missing:
        raise ValueError(f"a race needs {missing}; LiveRace.from_prompt records one")
    if len(race["lanes"]) != len(LANES):
        raise ValueError(f"a race has {len(LANES)} lanes, got {len(race['lanes'])}")
    for lane in race["lanes"]:
        lengths = {column: len(lane.get(column, ())) for column in COLUMNS}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            raise ValueError(f"a lane needs as many of each, got {lengths}")


class Kernel:
    """Runs races for the views of a widget: a view asks for each token, so that it can stop.

    Parameters
    ----------
    model : GPT
    tokenizer : ChatTokenizer
    send : callable
        Sends an answer, a dict, to all views; each finds its own by its race's name.
    """

    def __init__(self, model: GPT, tokenizer: ChatTokenizer, send: Callable[[Record], None]):
        self.model, self.tokenizer, self.send = model, tokenizer, send
        self.races: dict[str, Race] = {}

    def hear(self, message: Record) -> None:
        """Do what a view asks for, and answer; what cannot be done is answered with a sentence."""
        name = message.get("race")
        try:
            answer = self._answer(name, message)
        except (ValueError, KeyError, TypeError) as error:
            self.races.pop(name, None)
            answer = {"error": f"This cannot be run: {error}."}
        if answer is not None:
            self.send({"race": name, **answer})

    def _answer(self, name: str, message: Record) -> Record | None:
        if message["ask"] == "stop":
            self.races.pop(name, None)
            return None
        if message["ask"] == "start":
            names = ("prompt", "new_tokens", "temperature", "seed")
            options = {option: message[option] for option in names}
            self.races[name] = Race(self.model, self.tokenizer, **options)
            return {"prompt_length": self.races[name].prompt_length}
        return {"lane": message["lane"], "token": self.races[name].next(message["lane"])}
