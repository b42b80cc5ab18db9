"""Requests from seeds: when they arrive, how long they are, and what they have in common.

The draws use comparisons, additions and multiplications only, so a program in another language
that does the same in float64 makes the same requests to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinytorch.serving.blocks import require_positive
from tinytorch.serving.engine import Engine, Generation

MASK = 2**32 - 1


class SeededRandom:
    """Repeatable random numbers (mulberry32 by Tommy Ettinger, public domain)."""

    def __init__(self, seed: int):
        self._state = seed & MASK

    def uniform(self) -> float:
        """Draw a number from 0 to below 1, a multiple of 2**-32."""
        self._state = (self._state + 0x6D2B79F5) & MASK
        x = self._state
        x = (x ^ (x >> 15)) * (x | 1) & MASK
        x ^= (x + (x ^ (x >> 7)) * (x | 61)) & MASK
        return (x ^ (x >> 14)) / 2**32

    def integer(self, low: int, high: int) -> int:
        """Draw an integer from `low` to `high`, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def exponential(self) -> float:
        """Draw a waiting time with mean 1.

        Notes
        -----
        Von Neumann 1951, "Various techniques used in connection with random digits": the length
        of a descending run of uniform numbers that starts at x is odd with probability exp(-x).
        """
        whole = 0
        while True:
            first = last = self.uniform()
            length = 1
            while (draw := self.uniform()) < last:
                last = draw
                length += 1
            if length % 2:
                return whole + first
            whole += 1

    def length(self, mean: float, longest: int) -> int:
        """Draw a length from 1 to `longest`: many are short, a few are long."""
        return min(1 + int(self.exponential() * (mean - 1)), longest)

    def tokens(self, count: int, vocab_size: int) -> list[int]:
        """Draw `count` tokens."""
        return [self.integer(0, vocab_size - 1) for _ in range(count)]


@dataclass(frozen=True)
class Arrival:
    """One request of a workload.

    Attributes
    ----------
    time : float
        Seconds from the start, or from the end of the turn before.
    prompt : tuple of int
        What the user adds; a later turn's prompt is the whole chat before and this.
    max_new_tokens : int
    follows : int or None
        Index of the turn before, of which this is the next.
    """

    time: float
    prompt: tuple[int, ...]
    max_new_tokens: int
    follows: int | None = None


def make_workload(
    seed: int,
    num_chats: int,
    vocab_size: int,
    *,
    rate: float = 1.0,
    mean_prompt: float = 32.0,
    mean_answer: float = 32.0,
    max_prompt: int = 256,
    max_answer: int = 256,
    num_system_prompts: int = 0,
    system_length: int = 0,
    num_turns: int = 1,
    mean_pause: float = 1.0,
) -> list[Arrival]:
    """Draw chats that arrive independently of each other, a Poisson process.

    Parameters
    ----------
    seed : int
    num_chats : int
    vocab_size : int
        Tokens are drawn from 0 to below this.
    rate : float
        New chats a second.
    mean_prompt, mean_answer : float
        About the mean lengths of what a user adds and of an answer. Lengths are exponential, so
        that the longest of 16 is about three times as long as their mean.
    max_prompt, max_answer : int
        The longest lengths.
    num_system_prompts : int
        Each chat begins with one of these texts; 0 for none.
    system_length : int
        Tokens of a system prompt.
    num_turns : int
        Questions in a chat.
    mean_pause : float
        Mean seconds between an answer and the next question.

    Returns
    -------
    list of Arrival
        Each turn stands somewhere behind the turn it follows.

    Raises
    ------
    ValueError
        If a size is out of range.
    """
    require_positive(num_chats=num_chats, vocab_size=vocab_size, num_turns=num_turns)
    require_positive(max_prompt=max_prompt, max_answer=max_answer)
    if num_system_prompts:
        require_positive(num_system_prompts=num_system_prompts, system_length=system_length)
    if not rate > 0 or not mean_pause >= 0 or not mean_prompt >= 1 or not mean_answer >= 1:
        raise ValueError(
            f"rate={rate} must be above 0, mean_pause={mean_pause} at least 0, "
            f"mean_prompt={mean_prompt} and mean_answer={mean_answer} at least 1"
        )
    random = SeededRandom(seed)
    systems = [random.tokens(system_length, vocab_size) for _ in range(num_system_prompts)]
    arrivals: list[Arrival] = []
    now = 0.0
    for _ in range(num_chats):
        now += random.exponential() / rate
        start = systems[random.integer(0, len(systems) - 1)] if systems else []
        for turn in range(num_turns):
            own = random.tokens(random.length(mean_prompt, max_prompt), vocab_size)
            follows = len(arrivals) - 1 if turn else None
            when = random.exponential() * mean_pause if turn else now
            answer = random.length(mean_answer, max_answer)
            arrivals.append(Arrival(when, (*start, *own), answer, follows))
            start = []
    return arrivals


def replay(
    engine: Engine,
    arrivals: Sequence[Arrival],
    wait: Callable[[float], None] = time.sleep,
    **settings: object,
) -> list[Generation]:
    """Send a workload to an engine, each request at its time, and run until all have ended.

    Parameters
    ----------
    engine : Engine
        Its clock says what time it is.
    arrivals : sequence of Arrival
    wait : callable
        Lets so many seconds of the engine's clock go by; called when there is nothing to compute.
    **settings
        For `Engine.add_request`.

    Returns
    -------
    list of Generation
        In the order of `arrivals`.
    """
    start = engine.clock()
    due = {i: arrival.time for i, arrival in enumerate(arrivals) if arrival.follows is None}
    sent: dict[int, Generation] = {}
    followers = {arrival.follows: i for i, arrival in enumerate(arrivals)}
    unfinished: set[int] = set()
    while due or unfinished:
        now = engine.clock() - start
        for index in sorted((i for i in due if due[i] <= now), key=lambda i: (due[i], i)):
            arrival = arrivals[index]
            before = [] if arrival.follows is None else sent[arrival.follows].tokens
            sent[index] = engine.add_request(
                [*before, *arrival.prompt], arrival.max_new_tokens, **settings
            )
            unfinished.add(index)
            del due[index]
        if not unfinished:
            wait(min(due.values()) - now)
            continue
        engine.step()
        now = engine.clock() - start
        for index in sorted(i for i in unfinished if sent[i].done):
            unfinished.remove(index)
            if index in followers:
                follower = followers[index]
                due[follower] = now + arrivals[follower].time
    return [sent[i] for i in range(len(arrivals))]
