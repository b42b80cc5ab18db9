"""The requests of the server explorer: drawn from a seed, with one thing that makes a scenario."""

from __future__ import annotations

from dataclasses import replace

from tinytorch.serving import Arrival, make_workload

VOCAB_SIZE = 50_257
LONGEST = 8
"""No drawn length is more than so many times the mean."""


def server_workload(
    seed: int,
    num_requests: int,
    *,
    rate: float,
    mean_prompt: int,
    mean_answer: int,
    system_length: int = 0,
    long_prompt: int = 0,
    all_at_once: bool = False,
    timestamp_first: bool = False,
    same_question: bool = False,
) -> list[Arrival]:
    """Draw requests, and change one thing about them.

    Parameters
    ----------
    seed, num_requests, rate, mean_prompt, mean_answer
        As for `tinytorch.serving.make_workload`, with one turn a chat.
    system_length : int
        Tokens of a system prompt with which all prompts begin.
    long_prompt : int
        If it is not 0, the prompt in the middle has so many tokens instead.
    all_at_once : bool
        Whether all are there from the start.
    timestamp_first : bool
        Whether each prompt has a token of its own in front of everything else.
    same_question : bool
        Whether all prompts are the first one.

    Returns
    -------
    list of Arrival

    Raises
    ------
    ValueError
        If a size is out of range.
    """
    arrivals = make_workload(
        seed,
        num_requests,
        VOCAB_SIZE,
        rate=rate,
        mean_prompt=mean_prompt,
        mean_answer=mean_answer,
        max_prompt=LONGEST * mean_prompt,
        max_answer=LONGEST * mean_answer,
        num_system_prompts=int(system_length > 0),
        system_length=system_length,
    )
    prompts = [arrival.prompt for arrival in arrivals]
    if same_question:
        prompts = [prompts[0]] * num_requests
    if timestamp_first:
        prompts = [(VOCAB_SIZE + index, *prompt) for index, prompt in enumerate(prompts)]
    if long_prompt:
        prompts[num_requests // 2] = tuple(range(long_prompt))
    return [
        replace(arrival, prompt=prompt, time=0.0 if all_at_once else arrival.time)
        for arrival, prompt in zip(arrivals, prompts, strict=True)
    ]
