"""Which tokens of which requests the next forward pass computes.

Plain Python without arrays, clocks or chance: the same calls give the same steps, and the events
tell them to whoever wants to draw or replay them. The scheduler knows no model. It says what to
compute, and `commit` tells it which tokens came out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinytorch.serving.blocks import BlockPool, BlockTable, require_positive
from tinytorch.serving.prefix import admission_cost, extend_hashes, known_beginning
from tinytorch.serving.request import Chunk, Request, Step
from tinytorch.serving.request_queue import RequestQueue

POLICIES = ("continuous", "static")

Drafter = Callable[[Sequence[int], int], list[int]]
"""Guesses up to so many next tokens of a text, see `tinytorch.serving.speculate`."""


class Scheduler(RequestQueue):
    """First come, first served, under a budget of tokens a step and of blocks.

    Every step, each running request gets a token of the budget; what is left prefills prompts in
    chunks, in the order of arrival. When blocks run out, the request that came last gives its
    own back and is computed again later (preemption by recomputation). So running and waiting
    requests together stay in the order of arrival, the first of them always advances, and none
    starves.

    Parameters
    ----------
    pool : BlockPool
    max_tokens_per_step : int
        The budget: tokens that one forward pass computes.
    max_running : int
        Requests that run side by side; at most the budget.
    policy : {"continuous", "static"}
        Static batching lets requests in only when all of the last batch have ended.
    share_prefixes : bool
        Whether a new request takes the blocks of a beginning that is known.
    reserve_longest : bool
        Whether a request holds blocks for its longest possible text from the start, as servers
        without blocks must.
    drafter : callable, optional
        Guesses tokens that are then checked in one pass, as the budget allows.
    max_drafts : int
        Guesses a step and request.
    on_event : callable, optional
        As for `RequestQueue`.

    Attributes
    ----------
    waiting, running, num_requests, num_steps
        As for `RequestQueue`.
    batch_size : int
        Requests that ran after the last admissions.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(
        self,
        pool: BlockPool,
        *,
        max_tokens_per_step: int = 256,
        max_running: int = 16,
        policy: str = "continuous",
        share_prefixes: bool = True,
        reserve_longest: bool = False,
        drafter: Drafter | None = None,
        max_drafts: int = 4,
        on_event: Callable[[dict], None] | None = None,
    ):
        require_positive(
            max_tokens_per_step=max_tokens_per_step, max_running=max_running, max_drafts=max_drafts
        )
        if max_running > max_tokens_per_step:
            raise ValueError(
                f"max_running={max_running} exceeds max_tokens_per_step={max_tokens_per_step}: "
                "each running request needs a token of every step"
            )
        if policy not in POLICIES:
            raise ValueError(f"policy must be one of {POLICIES}, got {policy!r}")
        super().__init__(pool, on_event)
        self.max_tokens_per_step = max_tokens_per_step
        self.max_running = max_running
        self.policy = policy
        self.share_prefixes = share_prefixes
        self.reserve_longest = reserve_longest
        self.drafter = drafter
        self.max_drafts = max_drafts
        self.batch_size = 0
        self._step: Step | None = None

    def schedule(self) -> Step:
        """Choose what the next forward pass computes, and reserve the blocks for it.

        Returns
        -------
        Step
            To be followed by `commit` or `abort`. Without chunks if nothing is left to do.

        Raises
        ------
        RuntimeError
            If the step before has not ended.
        """
        self._require_no_step()
        self.num_steps += 1
        self._step = step = Step(self.num_steps)
        batch_ended = not self.running
        num_preempted = self._continue_running(step)
        if not num_preempted and (self.policy == "continuous" or batch_ended):
            while self.waiting and len(self.running) < self.max_running and self._admit(step):
                pass
            self.batch_size = len(self.running)
        return step

    def commit(self, new_tokens: Sequence[Sequence[int]]) -> None:
        """Take over what the step has computed.

        Parameters
        ----------
        new_tokens : sequence of sequence of int
            The next tokens of each chunk's request: none where the chunk does not sample, else
            the drafts that were right and one more.

        Raises
        ------
        ValueError
            If they do not fit the chunks. Nothing has changed then.
        RuntimeError
            If there is no step.
        """
        if self._step is None:
            raise RuntimeError("commit without a step: call schedule first")
        pairs = list(zip(self._step.chunks, new_tokens, strict=True))
        for chunk, new in pairs:
            chunk.require_fit(new)
        self._step = None
        for chunk, new in pairs:
            self._commit_chunk(chunk, list(new))

    def cancel(self, request: Request) -> None:
        """Do as `RequestQueue.cancel`; a RuntimeError between `schedule` and `commit`."""
        self._require_no_step()
        super().cancel(request)

    def abort(self) -> None:
        """Give up a step whose pass has failed: everything running is computed again later."""
        self._step = None
        while self.running:
            self._preempt()

    def _continue_running(self, step: Step) -> int:
        """Add a chunk of each running request; return how many were preempted for it."""
        num_preempted, index = 0, 0
        while index < len(self.running):
            request = self.running[index]
            tokens, drafts = self._next_tokens(request, self._budget(step, index))
            num_certain = len(tokens) - len(drafts)
            while request.status == "running" and not self._fits(request, num_certain):
                self._preempt()
                num_preempted += 1
            if request.status == "running":
                self._add_chunk(step, request, tokens, drafts)
                index += 1
        return num_preempted

    def _require_no_step(self) -> None:
        if self._step is not None:
            raise RuntimeError(f"step {self._step.index} is not over: commit or abort it first")

    def _budget(self, step: Step, index: int) -> int:
        """Tokens for request `index`, when each running one behind it keeps one for itself."""
        behind = len(self.running) - index - 1
        return self.max_tokens_per_step - step.num_tokens - behind

    def _next_tokens(self, request: Request, budget: int) -> tuple[list[int], list[int]]:
        start = request.table.seq_pos
        tokens = request.tokens[start : start + budget]
        room = min(budget - len(tokens), request.num_left - 1, self.max_drafts)
        if self.drafter is None or room < 1 or start + len(tokens) < len(request.tokens):
            return tokens, []
        drafts = self.drafter(request.tokens, room)[:room]
        return tokens + drafts, drafts

    def _fits(self, request: Request, num_tokens: int) -> bool:
        return request.table.blocks_needed(num_tokens) <= self.pool.num_free

    def _add_chunk(
        self, step: Step, request: Request, tokens: list[int], drafts: list[int]
    ) -> None:
        if not tokens:
            return
        if drafts and not self._fits(request, len(tokens)):
            tokens, drafts = tokens[: -len(drafts)], []
        start, table = request.table.seq_pos, request.table
        self._reserve(step, request, len(tokens))
        end = start + len(tokens) - len(drafts)
        samples = end == len(request.tokens)
        size = self.pool.block_size
        step.completed.update(request.hashes[start // size : end // size])
        step.chunks.append(Chunk(request, tokens, drafts, samples))
        self._record(
            "compute",
            request,
            start=start,
            tokens=len(tokens),
            drafts=len(drafts),
            blocks=list(table.block_ids),
        )

    def _reserve(self, step: Step, request: Request, num_tokens: int) -> None:
        table, before = request.table, len(request.table.block_ids)
        copies = table.reserve(num_tokens)
        step.copies.extend(copies)
        for source, target in copies:
            self._record("copy", request, blocks=[source, target])
        if table.block_ids[before:]:
            self._record("allocate", request, blocks=table.block_ids[before:])

    def _admit(self, step: Step) -> bool:
        """Let the first waiting request run, if its whole text so far finds room."""
        request, pool = self.waiting[0], self.pool
        budget = self.max_tokens_per_step - step.num_tokens
        if budget < 1 and self.policy == "continuous":
            return False
        found, seq_len = [], 0
        if self.share_prefixes:
            extend_hashes(request.hashes, request.tokens, pool.block_size)
            found, seq_len = known_beginning(pool, request.hashes, len(request.tokens))
            if self._is_computed_now(step, request, len(found)):
                return False  # wait a step, then share it
        whole = request.max_cached if self.reserve_longest else len(request.tokens)
        if admission_cost(pool, found, seq_len, whole) > pool.num_free:
            return False
        self.running.append(self.waiting.popleft())
        request.status = "running"
        request.table = BlockTable(pool)
        request.table.adopt(found, seq_len)
        if request.num_found is None:
            request.num_found = seq_len
        self._record("admit", request, tokens=seq_len)
        if found:
            self._record("share", request, blocks=found, tokens=seq_len)
        if self.reserve_longest:
            self._reserve(step, request, whole - seq_len)
        self._add_chunk(step, request, *self._next_tokens(request, max(budget, 0)))
        return True

    def _is_computed_now(self, step: Step, request: Request, index: int) -> bool:
        """Say whether another request computes the text of block `index` in this very step."""
        return self.policy == "continuous" and any(
            text_hash in step.completed for text_hash in request.hashes[index : index + 1]
        )

    def _commit_chunk(self, chunk: Chunk, new: list[int]) -> None:
        request, table = chunk.request, chunk.request.table
        num_wrong = len(chunk.drafts) - max(len(new) - 1, 0)
        table.advance(len(chunk.tokens) - num_wrong)
        request.tokens.extend(new)
        if new:
            self._record("generate", request, tokens=len(new))
        if self.share_prefixes:
            extend_hashes(request.hashes, request.tokens, self.pool.block_size)
            table.publish(request.hashes)
        if new and (request.num_left == 0 or new[-1] in request.stop_tokens):
            self.running.remove(request)
            self._end(request, "finished")
        elif num_wrong and not self.reserve_longest:
            self._record_free(request, table.truncate(table.seq_pos))
