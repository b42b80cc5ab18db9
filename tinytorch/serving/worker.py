"""The engine's thread, and the requests that an event loop hands to it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from tinytorch.models import ChatTokenizer
from tinytorch.serving.blocks import require_positive
from tinytorch.serving.engine import Engine, Generation
from tinytorch.serving.text import TextStream
from tinytorch.serving.turnover import Turnover

logger = logging.getLogger(__name__)


class QueueFullError(RuntimeError):
    """As many requests run and wait as the worker takes.

    Attributes
    ----------
    retry_after : int
        Seconds until there should be room.
    """

    def __init__(self, message: str, retry_after: int):
        super().__init__(message)
        self.retry_after = retry_after


class WorkerStoppedError(RuntimeError):
    """The engine's thread has ended."""


@dataclass(frozen=True)
class Piece:
    """What a step added to a text.

    Attributes
    ----------
    text : str
    num_tokens : int
        Tokens so far, the one that ended the text included.
    num_found : int
        Tokens of the prompt that were in memory already.
    finish_reason : {None, "stop", "length"}
        Given with the last piece.
    """

    text: str
    num_tokens: int
    num_found: int
    finish_reason: str | None = None


class Job:
    """One request on its way through the engine's thread, see `EngineWorker.submit`."""

    def __init__(self, worker: EngineWorker, text: TextStream, request: dict):
        self.request = request
        self.text = text
        self.generation: Generation | None = None
        self.num_tokens = 0
        self._worker = worker
        self._pieces: asyncio.Queue[Piece | Exception] = asyncio.Queue()

    def deliver(self, piece: Piece | Exception) -> None:
        """Hand over the next piece, in the event loop's thread."""
        self._pieces.put_nowait(piece)

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield what each step adds, until the piece with a finish reason.

        A reader may take its time: the engine goes on without waiting for it.
        """
        while True:
            piece = await self._pieces.get()
            if isinstance(piece, Exception):
                raise piece
            yield piece
            if piece.finish_reason is not None:
                return

    def cancel(self) -> None:
        """End the request and free its blocks; no piece follows. Nothing if it has ended."""
        self._worker.cancel(self)


class EngineWorker:
    """Run an engine's steps in a thread of its own, which alone touches the engine.

    Parameters
    ----------
    engine : Engine
    tokenizer : ChatTokenizer
    max_requests : int
        Requests that run or wait; one more is refused.

    Raises
    ------
    ValueError
        If `max_requests` is not a positive integer.

    Notes
    -----
    A step that fails is tried once more, as the engine loses nothing by it. When it fails again,
    all requests end with its error, and the next ones start afresh.
    """

    def __init__(self, engine: Engine, tokenizer: ChatTokenizer, max_requests: int = 256):
        require_positive(max_requests=max_requests)
        self.engine = engine
        self.tokenizer = tokenizer
        self.max_requests = max_requests
        self._orders = threading.Condition()
        # Guarded by the condition:
        self._pending: set[Job] = set()
        self._arrived: list[Job] = []
        self._left: list[Job] = []
        self._turnover = Turnover(engine.clock)
        self._stopping = False
        # The thread's own:
        self._jobs: dict[Generation, Job] = {}
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def num_requests(self) -> int:
        """Requests that run or wait now."""
        return len(self._pending)

    def start(self) -> None:
        """Start the thread; what it makes is delivered to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its step. Requests that have not ended get an error."""
        with self._orders:
            self._stopping = True
            self._orders.notify()
        self._thread.join()

    def submit(
        self,
        prompt_tokens: Sequence[int],
        max_new_tokens: int,
        *,
        stop_strings: Sequence[str] = (),
        stop_tokens: Collection[int] = (),
        **sampling: float | int | None,
    ) -> Job:
        """Queue a request.

        Parameters
        ----------
        prompt_tokens, max_new_tokens, stop_tokens, **sampling
            As for `Engine.add_request`. What it raises is raised by `Job.pieces`.
        stop_strings
            As for `TextStream`.

        Returns
        -------
        Job

        Raises
        ------
        QueueFullError
            If `max_requests` run or wait.
        WorkerStoppedError
            If the thread has ended.
        ValueError
            If a stop string is empty.
        """
        text = TextStream(self.tokenizer, stop_strings, stop_tokens)
        request = {
            "prompt_tokens": prompt_tokens,
            "max_new_tokens": max_new_tokens,
            "stop_tokens": stop_tokens,
            **sampling,
        }
        job = Job(self, text, request)
        with self._orders:
            if self._stopping:
                raise WorkerStoppedError("the engine has stopped")
            if len(self._pending) >= self.max_requests:
                raise QueueFullError(
                    f"{len(self._pending)} requests run or wait already",
                    self._turnover.turn_away(),
                )
            self._pending.add(job)
            self._arrived.append(job)
            self._orders.notify()
        return job

    def cancel(self, job: Job) -> None:
        """End a request early and free its blocks. Does nothing if it has ended."""
        with self._orders:
            if job in self._pending:
                self._left.append(job)
                self._orders.notify()

    def _run(self) -> None:
        error: Exception = WorkerStoppedError("the engine has stopped")
        try:
            while self._take_orders():
                self._step()
        except Exception as unexpected:  # whoever waits must be told
            logger.exception("the engine's thread has failed")
            error = unexpected
        finally:
            with self._orders:
                self._stopping = True
                pending = list(self._pending)
            self._end_all(pending, error)

    def _take_orders(self) -> bool:
        """Wait for work; say whether to go on."""
        with self._orders:
            self._orders.wait_for(
                lambda: self._stopping or self._arrived or self._left or self.engine.has_work
            )
            arrived, self._arrived = self._arrived, []
            left, self._left = self._left, []
            stopping = self._stopping
        for job in arrived:
            self._add(job)
        for job in left:
            self._end(job)
        return not stopping

    def _add(self, job: Job) -> None:
        try:
            job.generation = self.engine.add_request(**job.request)
        except Exception as error:  # one wrong request must not end the others
            self._end_all([job], error)
        else:
            self._jobs[job.generation] = job

    def _step(self) -> None:
        if not self.engine.has_work:
            return
        try:
            outputs = self.engine.step()
        except Exception as error:
            logger.exception("a step failed")
            if self._has_failed:
                self._end_all(list(self._jobs.values()), error)
            self._has_failed = not self._has_failed
            return
        self._has_failed = False
        self._send([(self._jobs[request], self._read(request, new)) for request, new in outputs])

    def _read(self, request: Generation, new_tokens: Sequence[int]) -> Piece:
        """Take what a step gave a request up to its end, and end it there."""
        job, parts, reason = self._jobs[request], [], None
        for token in new_tokens:
            job.num_tokens += 1
            parts.append(job.text.push(token))
            if job.text.stopped:
                reason = "stop"
                break
        if reason is None and request.done:
            reason = "length"
            parts.append(job.text.flush())
        if reason is not None:
            self._end(job)
        return Piece("".join(parts), job.num_tokens, request.num_found, reason)

    def _end(self, job: Job) -> None:
        if job.generation is not None:
            self.engine.cancel(job.generation)
            self._jobs.pop(job.generation, None)
        with self._orders:
            if job in self._pending:
                self._pending.remove(job)
                self._turnover.ended(len(self._pending))

    def _end_all(self, jobs: Sequence[Job], error: Exception) -> None:
        for job in jobs:
            self._end(job)
        self._send([(job, error) for job in jobs])

    def _send(self, pieces: Sequence[tuple[Job, Piece | Exception]]) -> None:
        """Wake the event loop once for all that a step made."""
        if pieces:
            self._loop.call_soon_threadsafe(_deliver, pieces)


def _deliver(pieces: Sequence[tuple[Job, Piece | Exception]]) -> None:
    for job, piece in pieces:
        job.deliver(piece)
