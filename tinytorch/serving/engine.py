"""A model that answers many requests at once.

The scheduler says what each forward pass computes, the paged cache holds keys and values, and the
engine joins them: it runs the pass, draws the tokens, and measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinytorch.core.transformer import GPT
from tinytorch.generation.decoding import Sampler, stream
from tinytorch.serving.blocks import BlockPool, require_positive
from tinytorch.serving.metrics import EngineMetrics
from tinytorch.serving.paged_cache import forward_ragged, new_paged_cache
from tinytorch.serving.request import Request, Step
from tinytorch.serving.scheduler import Scheduler
from tinytorch.serving.speculate import prompt_lookup, verify


@dataclass(eq=False, kw_only=True)
class Generation(Request):
    """A request to the engine: its settings, its text so far, and when what happened.

    Attributes
    ----------
    sampler : Sampler
    arrived_at, admitted_at, first_token_at, last_token_at : float or None
        Seconds of the engine's clock.
    """

    sampler: Sampler
    arrived_at: float
    admitted_at: float | None = None
    first_token_at: float | None = None
    last_token_at: float | None = None

    @property
    def waiting_time(self) -> float | None:
        """Seconds from arrival until it was first admitted; None before."""
        return None if self.admitted_at is None else self.admitted_at - self.arrived_at

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds from arrival to the first token; None before."""
        return None if self.first_token_at is None else self.first_token_at - self.arrived_at

    @property
    def time_per_token(self) -> float | None:
        """Mean seconds between its tokens; None before the second."""
        if len(self.new_tokens) < 2:
            return None
        return (self.last_token_at - self.first_token_at) / (len(self.new_tokens) - 1)


class Engine:
    """Continue many texts with one model; each gets the tokens that `generate` gives it alone.

    Parameters
    ----------
    model : GPT
        Left as it is between steps.
    num_blocks : int
        Blocks of keys and values, all the memory that texts have.
    block_size : int
        Tokens in a block.
    max_drafts : int
        Tokens guessed by prompt lookup for each request and step; 0 is no speculation.
    max_tokens_per_step, max_running, policy, share_prefixes, reserve_longest, on_event
        As for `Scheduler`.
    dtype : dtype_like
        Floating-point type of the cache.
    clock : callable
        Gives the time in seconds.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> engine = Engine(model, num_blocks=256)
    >>> first = engine.add_request(prompt, 40)
    >>> second = engine.add_request(other_prompt, 40)
    >>> for token in engine.stream(first):     # the second makes progress, too
    ...     print(tokenizer.decode([token]), end="")
    >>> engine.run()
    >>> second.new_tokens, second.time_to_first_token
    """

    def __init__(
        self,
        model: GPT,
        num_blocks: int,
        block_size: int = 16,
        *,
        max_tokens_per_step: int = 256,
        max_running: int = 16,
        policy: str = "continuous",
        share_prefixes: bool = True,
        reserve_longest: bool = False,
        max_drafts: int = 0,
        on_event: Callable[[dict], None] | None = None,
        dtype: DTypeLike = np.float32,
        clock: Callable[[], float] = time.perf_counter,
    ):
        if max_drafts != 0:
            require_positive(max_drafts=max_drafts)
        self.model = model
        self.scheduler = Scheduler(
            BlockPool(num_blocks, block_size),
            max_tokens_per_step=max_tokens_per_step,
            max_running=max_running,
            policy=policy,
            share_prefixes=share_prefixes,
            reserve_longest=reserve_longest,
            drafter=prompt_lookup if max_drafts else None,
            max_drafts=max_drafts or 1,
            on_event=on_event,
        )
        self.cache = new_paged_cache(model, self.scheduler.pool, dtype)
        self.clock = clock
        self.metrics = EngineMetrics()

    @property
    def has_work(self) -> bool:
        """Whether a request is waiting or running."""
        return bool(self.scheduler.waiting or self.scheduler.running)

    def add_request(
        self,
        prompt_tokens: ArrayLike,
        max_new_tokens: int,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop_tokens: Collection[int] = (),
    ) -> Generation:
        """Queue a text to be continued.

        Parameters
        ----------
        prompt_tokens : array_like of shape (T,), int
        max_new_tokens : int
            At least 1.
        temperature, top_k, top_p, seed, stop_tokens
            As for `tinytorch.generation.generate`.

        Returns
        -------
        Generation
            Its ``tokens`` grow with each step; the engine drops it when it has ended.

        Raises
        ------
        ValueError
            If an argument is out of range, or the text would outgrow the model or all blocks.
        """
        if np.ndim(prompt_tokens) != 1:
            raise ValueError(f"prompt_tokens must have shape (T,), got {np.shape(prompt_tokens)}")
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        # `stream` checks its arguments when it is called, and computes nothing until it is read.
        check = {"use_cache": False, "stop_tokens": stop_tokens, **settings}
        stream(self.model, prompt_tokens, max_new_tokens, **check)
        request = Generation(
            np.asarray(prompt_tokens).tolist(),
            int(max_new_tokens),
            frozenset(int(token) for token in stop_tokens),
            sampler=Sampler(**settings),
            arrived_at=self.clock(),
        )
        self.scheduler.add(request)
        self.metrics.arrived(request.arrived_at)
        return request

    def cancel(self, request: Generation) -> None:
        """End a request early and free its blocks. Does nothing if it has ended."""
        self.scheduler.cancel(request)

    def step(self) -> list[tuple[Generation, list[int]]]:
        """Run one forward pass.

        Returns
        -------
        list of (Generation, list of int)
            The requests that got tokens, and which.

        Notes
        -----
        If the pass fails, its error is raised, no request has lost a token, and all that were
        running will be computed again.
        """
        step = self.scheduler.schedule()
        states = [chunk.request.sampler.rng.bit_generator.state for chunk in step.chunks]
        started_at = self.clock()
        try:
            new_tokens = self._compute(step)
        except BaseException:
            for chunk, state in zip(step.chunks, states, strict=True):
                chunk.request.sampler.rng.bit_generator.state = state
            self.scheduler.abort()
            raise
        self.metrics.computed(step, self.scheduler)
        self.scheduler.commit(new_tokens)
        return self._measure(step, new_tokens, started_at)

    def stream(self, request: Generation) -> Iterator[int]:
        """Yield the tokens of one request as soon as each is known, running steps as needed.

        Several streams may take turns: each step serves all requests. Closing the stream before
        its end cancels the request.
        """
        try:
            num_sent = len(request.prompt)
            while num_sent < len(request.tokens) or not request.done:
                if num_sent == len(request.tokens):
                    self.step()
                    continue
                num_sent += 1
                yield request.tokens[num_sent - 1]
        finally:
            self.cancel(request)

    def run(self) -> None:
        """Run steps until every request has ended."""
        while self.has_work:
            self.step()

    def _compute(self, step: Step) -> list[list[int]]:
        if not step.chunks:
            return []
        self.cache.copy_blocks(step.copies)
        rows, end = [], 0
        for chunk in step.chunks:
            end += len(chunk.tokens)
            if chunk.samples:
                rows.extend(range(end - len(chunk.drafts) - 1, end))
        logits = forward_ragged(
            self.model,
            self.cache,
            [chunk.request.table for chunk in step.chunks],
            [chunk.tokens for chunk in step.chunks],
            rows,
        )
        new_tokens, row = [], 0
        for chunk in step.chunks:
            if not chunk.samples:
                new_tokens.append([])
                continue
            request, stop = chunk.request, row + len(chunk.drafts) + 1
            new_tokens.append(
                verify(request.sampler, logits[row:stop], chunk.drafts, request.stop_tokens)
            )
            row = stop
        return new_tokens

    def _measure(
        self, step: Step, new_tokens: list[list[int]], started_at: float
    ) -> list[tuple[Generation, list[int]]]:
        now, outputs = self.clock(), []
        for chunk, new in zip(step.chunks, new_tokens, strict=True):
            request = chunk.request
            if request.admitted_at is None:
                request.admitted_at = started_at
                self.metrics.admitted(request)
            if new:
                if request.first_token_at is None:
                    request.first_token_at = now
                request.last_token_at = now
                self.metrics.generated(chunk, new, now)
                outputs.append((request, new))
        return outputs
