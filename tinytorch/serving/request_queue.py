"""Who waits and who runs, and what is told about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tinytorch.serving.blocks import BlockPool, blocks_for, require_positive
from tinytorch.serving.request import Request


class RequestQueue:
    """Requests in the order of arrival: first those that run, then those that wait.

    Only the first that waits may begin to run, and only the last that runs may be sent back to
    wait, so the order is always kept.

    Parameters
    ----------
    pool : BlockPool
        Blocks that running requests hold.
    on_event : callable, optional
        Called with a dict for each thing that happens, see below.

    Attributes
    ----------
    running : list of Request
    waiting : deque of Request
    num_requests, num_steps : int
        How many were added, and how many steps were scheduled.

    Notes
    -----
    Each event has the name ``event``, the number of the ``step`` (0 before the first) and of the
    ``request``. What else it has:

    ==========  =================================================================================
    arrive      ``tokens`` of the prompt
    admit       ``tokens`` found in memory
    share       ``blocks`` taken over from a text that began alike, with ``tokens`` in them
    copy        ``blocks``: the shared one, and the own one that replaces it
    allocate    ``blocks`` put behind the others
    compute     ``tokens`` from position ``start``, the last ``drafts`` of them guessed; ``blocks``
    generate    ``tokens`` that came out: one, and the guesses that were right
    free        ``blocks`` given back, the last first
    preempt     nothing; the request waits again, before all others
    finish      ``tokens`` generated
    cancel      ``tokens`` generated
    ==========  =================================================================================
    """

    def __init__(self, pool: BlockPool, on_event: Callable[[dict], None] | None = None):
        self.pool = pool
        self.on_event = on_event
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()
        self.num_requests = 0
        self.num_steps = 0

    def add(self, request: Request) -> None:
        """Put a new request behind all others.

        Raises
        ------
        ValueError
            If it is empty, was added before, or could not run even if it had all blocks.
        """
        if request.status != "new":
            raise ValueError(f"request {request.request_id} is {request.status} already")
        require_positive(max_new_tokens=request.max_new_tokens, prompt_length=len(request.prompt))
        needed = blocks_for(request.max_cached, self.pool.block_size)
        if needed > self.pool.num_blocks:
            raise ValueError(
                f"{len(request.prompt)} prompt tokens and {request.max_new_tokens} new ones need "
                f"{needed} blocks, there are {self.pool.num_blocks}"
            )
        request.request_id = self.num_requests
        request.status = "waiting"
        self.num_requests += 1
        self.waiting.append(request)
        self._record("arrive", request, tokens=len(request.prompt))

    def cancel(self, request: Request) -> None:
        """End a request early and free its blocks. Does nothing if it has ended.

        Raises
        ------
        ValueError
            If the request is not one of this scheduler's.
        """
        if request.done:
            return
        if request in self.running:
            self.running.remove(request)
        elif request in self.waiting:
            self.waiting.remove(request)
        else:
            raise ValueError("the request was not added here")
        self._end(request, "cancelled")

    def _preempt(self) -> None:
        """Drop the blocks of the request that came last, and let it wait before all others."""
        request = self.running.pop()
        request.status = "waiting"
        request.num_preemptions += 1
        self.waiting.appendleft(request)
        self._record("preempt", request)
        self._drop_table(request)

    def _end(self, request: Request, status: str) -> None:
        request.status = status
        event = {"finished": "finish", "cancelled": "cancel"}[status]
        self._record(event, request, tokens=len(request.new_tokens))
        if request.table is not None:
            self._drop_table(request)

    def _drop_table(self, request: Request) -> None:
        self._record_free(request, request.table.reset())
        request.table = None

    def _record_free(self, request: Request, blocks: list[int]) -> None:
        if blocks:
            self._record("free", request, blocks=blocks)

    def _record(self, event: str, request: Request, **details: int | list[int]) -> None:
        if self.on_event is not None:
            self.on_event(
                {"step": self.num_steps, "event": event, "request": request.request_id, **details}
            )
