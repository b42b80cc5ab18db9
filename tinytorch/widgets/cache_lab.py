"""Puts a switch on a cache: what the model then writes, how a text surprises it, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Protocol

import numpy as np
import traitlets
from traitlets import TraitError

from tinytorch.analysis import plots
from tinytorch.analysis.chart import Chart
from tinytorch.models import ChatTokenizer
from tinytorch.widgets.base import ChapterWidget
from tinytorch.widgets.language import Language
from tinytorch.widgets.records import Record

RIGHT = "right"

SWITCHES = (
    RIGHT,
    "first-lost",
    "misses-itself",
    "off-by-one",
    "no-prefill",
    "last-layer",
    "length-stays",
    "columns",
    "shifted",
    "first-dropped",
    "window",
    "sinks",
    "int8-token",
    "int8-channel",
    "int4-token",
    "int4-channel",
)
"""What can be done to a cache. lab_sessions.mjs has the same names; languages say what happens."""

SHOWN = 80
"""Characters of the prompt that paper shows."""

FIELDS = ("ids", "start", "one_pass", "prompt", "rest", "runs")
RUN_FIELDS = ("ids", "texts", "loss", "bytes")


class Session(Protocol):
    """A model and its cache, as the page about bugs joins them."""

    cache: object

    def feed(self, tokens: np.ndarray) -> np.ndarray:
        """Run the model over new tokens (1, T), and return logits whose last row is theirs."""


def write(session: Session, prompt: np.ndarray, max_new_tokens: int) -> list[int]:
    """Append the best token, again and again; the last one is not fed."""
    logits = session.feed(prompt[None])
    written = [int(logits[0, -1].argmax())]
    while len(written) < max_new_tokens:
        logits = session.feed(np.array([written[-1:]]))
        written.append(int(logits[0, -1].argmax()))
    return written


def loss(session: Session, text: np.ndarray, start: int) -> float:
    """Mean -ln p of a text's tokens from `start` on, which are fed one by one."""
    rows = [session.feed(text[None, :start])[0, -1]]
    rows += [session.feed(text[None, i : i + 1])[0, -1] for i in range(start, len(text) - 1)]
    logits = np.asarray(rows, float)
    logits -= logits.max(axis=-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return float(-log_p[np.arange(len(rows)), text[start:]].mean())


def record_lab(
    tokenizer: ChatTokenizer,
    text: np.ndarray,
    start: int,
    sessions: Mapping[str, Callable[[], Session]],
    max_new_tokens: int = 14,
    *,
    losses: Mapping[str, float] | None = None,
) -> Record:
    """Run sessions with one cache each, and record what they write, lose and keep.

    Parameters
    ----------
    tokenizer : ChatTokenizer
    text : ndarray of int, shape (T,)
        Its first `start` tokens are the prompt; the loss is that of the others.
    start : int
    sessions : mapping of str to callable
        For the right cache, ``"right"``, and for some of `SWITCHES`, what makes a fresh session.
    max_new_tokens : int
    losses : mapping of str to float, optional
        Those of the text in one pass. Default: the tokens from `start` on are fed one by one.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If a name is not one of `SWITCHES`, or the right cache is missing.
    """
    unknown = sorted(set(sessions) - set(SWITCHES))
    if unknown or RIGHT not in sessions:
        raise ValueError(f"sessions: {unknown or 'no right one'}; there are {list(SWITCHES)}")
    runs = {}
    for name, new_session in sessions.items():
        session = new_session()
        ids = write(session, text[:start], max_new_tokens)
        runs[name] = {
            "ids": ids,
            "texts": list(tokenizer.decode_stream(ids)),
            "loss": round(losses[name] if losses else loss(new_session(), text, start), 4),
            "bytes": int(session.cache.nbytes_used),
        }
    return {
        "ids": text.tolist(),
        "start": start,
        "one_pass": losses is not None,
        "prompt": tokenizer.decode(text[:start]),
        "rest": tokenizer.decode(text[start:]),
        "runs": runs,
    }


def first_difference(ids: list[int], right: list[int]) -> int | None:
    """Return the place of the first token that is not the right one, from 0."""
    return next(
        (i for i, pair in enumerate(zip(ids, right, strict=True)) if len({*pair}) > 1), None
    )


@dataclass(frozen=True)
class DrawnLab:
    """A switch for paper, and for readers without JavaScript: both texts, and all losses."""

    record: Record
    switch: str
    chart: Chart
    words: Language

    def _repr_html_(self) -> str:
        runs = self.record["runs"]
        run, right = runs[self.switch], runs[RIGHT]
        place = first_difference(run["ids"], right["ids"])
        lanes = self.lane(self.words.phrase("lab.right_cache"), right["texts"], None)
        title = self.words.phrase(f"lab.titles.{self.switch}")
        lanes += self.lane(title, run["texts"], place)
        return f'<div class="tt-drawn">{lanes}</div>{self.chart._repr_html_()}'

    def lane(self, title: str, texts: list[str], place: int | None) -> str:
        """Write a text behind the prompt's end, and underline it from a place on."""
        prompt = self.record["prompt"]
        beginning = prompt if len(prompt) <= SHOWN else f"…{prompt[-SHOWN:]}"
        same, wrong = "".join(texts[:place]), "" if place is None else "".join(texts[place:])
        text = f"{escape(beginning)}<b>{escape(same)}</b><u>{escape(wrong)}</u>"
        return f"<p><strong>{escape(title)}:</strong> {text}</p>"


class CacheLab(ChapterWidget):
    """Shows what a model writes with a cache that does one thing otherwise.

    Parameters
    ----------
    record : dict
        As `record_lab` returns it.
    switch : str
        The name of the run that is shown beside the right one.

    Raises
    ------
    traitlets.TraitError
        If the record lacks a part, or has no such switch.
    """

    module = "cache_lab"
    data_traits = ("record",)
    view_traits = ("switch",)

    record = traitlets.Dict().tag(sync=True)
    switch = traitlets.Unicode().tag(sync=True)

    def __init__(self, record: Record, switch: str):
        super().__init__(record=record, switch=switch)

    @traitlets.validate("record")
    def _check_record(self, proposal):
        record = proposal["value"]
        missing = [field for field in FIELDS if field not in record]
        if missing or RIGHT not in record["runs"]:
            raise TraitError(f"record needs {missing or 'a right run'}; record_lab makes one")
        for name, run in record["runs"].items():
            if lacks := [field for field in RUN_FIELDS if field not in run]:
                raise TraitError(f"record: the run {name} needs {lacks}")
        return record

    @traitlets.validate("switch")
    def _check_switch(self, proposal):
        known = list(self.record.get("runs", ()))  # none: the record is refused
        if known and proposal["value"] not in known:
            raise TraitError(f"switch must be one of {known}, got {proposal['value']!r}")
        return proposal["value"]

    def fallback(self) -> DrawnLab:
        """Write both texts and draw all losses; see `ChapterWidget.fallback`."""
        words = self.words
        runs = self.record["runs"]
        losses = {words.phrase(f"lab.titles.{name}"): run["loss"] for name, run in runs.items()}
        worst = max(losses, key=losses.get)
        right, most = (words.number(loss, ".2f") for loss in (runs[RIGHT]["loss"], losses[worst]))
        chart = plots.bars(
            {words.phrase("lab.drawn_series"): losses},
            x_label=words.phrase("lab.drawn_x"),
            value_format="{:.2f}",
            alt=words.phrase("lab.drawn_alt", right=right, worst=worst, loss=most),
            signs=words.signs,
        )
        return DrawnLab(self.record, self.switch, chart, words)
