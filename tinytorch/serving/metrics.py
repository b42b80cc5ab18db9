"""What an engine has done so far, as sums that do not grow with the number of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinytorch.serving.request import Chunk, Request, Step
from tinytorch.serving.scheduler import Scheduler


@dataclass
class EngineMetrics:
    """Counts over all requests since the engine was made.

    Attributes
    ----------
    num_steps : int
        Forward passes.
    num_computed : int
        Tokens that passes computed: prompts, new tokens, wrong drafts, and all of it again after
        a preemption.
    num_generated : int
        Tokens that requests got.
    num_idle_rows : int
        Places of a batch that were empty while static batching waited for its slowest request.
    num_prompt, num_found : int
        Prompt tokens of the requests admitted, and how many of them were found in memory.
    num_drafted, num_accepted : int
        Tokens guessed, and how many of them were right.
    num_slots, num_filled : int
        Places for tokens in blocks that requests held, summed over steps, and how many of them
        held a token. A shared block counts once.
    """

    num_steps: int = 0
    num_computed: int = 0
    num_generated: int = 0
    num_idle_rows: int = 0
    num_prompt: int = 0
    num_found: int = 0
    num_drafted: int = 0
    num_accepted: int = 0
    num_slots: int = 0
    num_filled: int = 0
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens from the first arrival to the last token."""
        if self.ended_at is None or self.ended_at == self.started_at:
            return 0.0
        return self.num_generated / (self.ended_at - self.started_at)

    @property
    def useful_memory(self) -> float:
        """Share of the slots in held blocks that held a token, from 0 to 1."""
        return self.num_filled / max(self.num_slots, 1)

    @property
    def found_prefix(self) -> float:
        """Share of the prompt tokens that need not be computed, from 0 to 1."""
        return self.num_found / max(self.num_prompt, 1)

    @property
    def accepted_drafts(self) -> float:
        """Share of the guesses that were right, from 0 to 1."""
        return self.num_accepted / max(self.num_drafted, 1)

    def arrived(self, now: float) -> None:
        """Note that a request has arrived."""
        if self.started_at is None:
            self.started_at = now

    def admitted(self, request: Request) -> None:
        """Note that a request runs for the first time."""
        self.num_prompt += len(request.prompt)
        self.num_found += request.num_found

    def computed(self, step: Step, scheduler: Scheduler) -> None:
        """Note what a pass has computed, before it is committed."""
        if not step.chunks:
            return
        self.num_steps += 1
        self.num_computed += step.num_tokens
        if scheduler.policy == "static":
            self.num_idle_rows += scheduler.batch_size - len(scheduler.running)
        num_new = {chunk.request: len(chunk.tokens) for chunk in step.chunks}
        fill = block_fill(scheduler.running, scheduler.pool.block_size, num_new)
        self.num_slots += len(fill) * scheduler.pool.block_size
        self.num_filled += sum(fill.values())

    def generated(self, chunk: Chunk, new_tokens: Sequence[int], now: float) -> None:
        """Note the tokens that a request got."""
        self.num_generated += len(new_tokens)
        self.num_drafted += len(chunk.drafts)
        self.num_accepted += len(new_tokens) - 1
        self.ended_at = now


def block_fill(
    requests: Sequence[Request], block_size: int, num_new: Mapping[Request, int]
) -> dict[int, int]:
    """Count the tokens in each block that `requests` hold.

    Parameters
    ----------
    requests : sequence of Request
        Running.
    block_size : int
    num_new : mapping of Request to int
        Tokens that this step adds to those committed.

    Returns
    -------
    dict of int to int
        Block to number of tokens, 0 for one that is only reserved.
    """
    fill: dict[int, int] = {}
    for request in requests:
        num_tokens = request.table.seq_pos + num_new.get(request, 0)
        for index, block_id in enumerate(request.table.block_ids):
            here = min(max(num_tokens - index * block_size, 0), block_size)
            fill[block_id] = max(fill.get(block_id, 0), here)
    return fill
