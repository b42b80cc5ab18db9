"""A server without a model: the real scheduler, whose passes take the time of their costs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tinytorch.analysis.model_zoo import ModelSpec
from tinytorch.analysis.server_clock import Device, NewTokens, pass_cost
from tinytorch.serving import Arrival, BlockPool, EngineMetrics, Request, Scheduler, Step
from tinytorch.serving.blocks import blocks_for

QUEUED, PREFILL, AGAIN, DECODE = "queued", "prefill", "again", "decode"
PREEMPTED, IDLE = "preempted", "idle"
LONG_STATES = (DECODE, IDLE)
"""States that go on from pass to pass; of the others, each pass is a stretch of its own."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A model on a machine, its blocks, and the settings of its `Scheduler`."""

    model: ModelSpec
    device: Device
    num_blocks: int
    block_size: int = 16
    max_tokens_per_step: int = 512
    max_running: int = 8
    policy: str = "continuous"
    share_prefixes: bool = True
    reserve_longest: bool = False

    def scheduler(self, on_event) -> Scheduler:
        """Return a scheduler with all blocks free."""
        return Scheduler(
            BlockPool(self.num_blocks, self.block_size),
            max_tokens_per_step=self.max_tokens_per_step,
            max_running=self.max_running,
            policy=self.policy,
            share_prefixes=self.share_prefixes,
            reserve_longest=self.reserve_longest,
            on_event=on_event,
        )


@dataclass(eq=False, kw_only=True)
class TimedRequest(Request):
    """A request, and when what happened to it.

    Attributes
    ----------
    index : int
        Its place in the order of arrival.
    arrived_at : float
        Seconds from the start.
    token_times : list of float
        When each of its tokens came out.
    stretches : list of (str, float, float)
        What it did from when to when: ``"queued"``, ``"prefill"``, ``"decode"``, ``"preempted"``,
        ``"again"`` (computes what it had computed before it was preempted), ``"idle"`` (has
        ended, and its place in a static batch is empty).
    num_again : int
        Tokens computed again.
    refused : bool
        Whether all blocks together are too few for it.
    """

    index: int
    arrived_at: float
    token_times: list[float] = field(default_factory=list)
    stretches: list[tuple[str, float, float]] = field(default_factory=list)
    num_computed: int = 0
    num_again: int = 0
    refused: bool = False

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds from its arrival to its first token; None before."""
        return self.token_times[0] - self.arrived_at if self.token_times else None

    @property
    def gaps(self) -> list[float]:
        """Seconds between its tokens."""
        return [b - a for a, b in zip(self.token_times, self.token_times[1:], strict=False)]

    @property
    def time_per_token(self) -> float | None:
        """Mean seconds between its tokens; None before the second."""
        if len(self.token_times) < 2:
            return None
        return (self.token_times[-1] - self.token_times[0]) / (len(self.token_times) - 1)

    def add_stretch(self, state: str, start: float, end: float) -> None:
        """Note what it does from `start` to `end`; before, it waited."""
        last_end = self.stretches[-1][2] if self.stretches else self.arrived_at
        if start > last_end:
            waiting = PREEMPTED if self.stretches else QUEUED
            self.stretches.append((waiting, last_end, start))
        elif self.stretches and self.stretches[-1][0] == state and state in LONG_STATES:
            start = self.stretches.pop()[1]
        self.stretches.append((state, start, end))


@dataclass(frozen=True)
class Pass:
    """One forward pass: when, what it moves and computes, and what the memory holds meanwhile.

    Attributes
    ----------
    num_tokens : int
        New tokens, of all requests.
    num_running, num_idle : int
        Requests in the batch, and places in it that have fallen empty.
    num_held, num_filled, num_cached : int
        Places for tokens: in blocks that requests hold, those of them that have a token, and
        those in blocks that are free but known by their text.
    """

    start: float
    end: float
    num_bytes: int
    operations: int
    num_tokens: int
    num_running: int
    num_idle: int
    num_held: int
    num_filled: int
    num_cached: int


class ServerSimulation:
    """Serve a workload pass by pass, with a clock that bytes and operations move.

    Parameters
    ----------
    arrivals : sequence of Arrival
        In the order of their times; no later turns of chats.
    server : Server

    Attributes
    ----------
    now : float
        Seconds from the start.
    events : list of dict
        The scheduler's, see `RequestQueue`, each with its ``time``; ``request`` is the index of
        an arrival. One more event is ``refuse``: the request's text would not fit in all blocks.
    passes : list of Pass
    requests : list of TimedRequest
        One for each arrival.
    metrics : EngineMetrics
    """

    def __init__(self, arrivals: Sequence[Arrival], server: Server):
        self.server = server
        self.scheduler = server.scheduler(self._note)
        self.metrics = EngineMetrics()
        self.now = 0.0
        self.events: list[dict] = []
        self.passes: list[Pass] = []
        self.requests = [
            TimedRequest(
                list(arrival.prompt), arrival.max_new_tokens, index=index, arrived_at=arrival.time
            )
            for index, arrival in enumerate(arrivals)
        ]
        self._due = deque(self.requests)
        self._accepted: list[int] = []
        self._ended: list[TimedRequest] = []

    @property
    def has_work(self) -> bool:
        """Whether a request is waiting or running."""
        return bool(self.scheduler.waiting or self.scheduler.running)

    def run(self) -> ServerSimulation:
        """Run until every request has ended; return this simulation."""
        for _ in self.steps():
            pass
        return self

    def steps(self) -> Iterator[Step]:
        """Run; yield each step while its pass is under way, scheduled but not committed."""
        while self._due or self.has_work:
            if not self.has_work:
                self.now = max(self.now, self._due[0].arrived_at)
            while self._due and self._due[0].arrived_at <= self.now:
                self._arrive(self._due.popleft())
            if self.has_work:
                step = self.scheduler.schedule()
                self._begin(step)
                yield step
                self._finish(step)

    def _note(self, event: dict) -> None:
        request = self._accepted[event["request"]]
        self.events.append({**event, "time": self.now, "request": request})

    def _arrive(self, request: TimedRequest) -> None:
        needed = blocks_for(request.max_cached, self.server.block_size)
        if needed > self.server.num_blocks:
            request.refused = True
            step = self.scheduler.num_steps
            event = {"step": step, "event": "refuse", "request": request.index, "time": self.now}
            self.events.append(event)
            return
        self._accepted.append(request.index)
        self.scheduler.add(request)
        self.metrics.arrived(request.arrived_at)

    def _begin(self, step: Step) -> None:
        server, scheduler, metrics = self.server, self.scheduler, self.metrics
        before = metrics.num_slots, metrics.num_filled, metrics.num_idle_rows
        for chunk in step.chunks:
            if not chunk.request.num_computed:
                metrics.admitted(chunk.request)
        metrics.computed(step, scheduler)
        texts = [
            NewTokens(
                len(chunk.tokens), chunk.request.table.seq_pos + len(chunk.tokens), chunk.samples
            )
            for chunk in step.chunks
        ]
        cost = pass_cost(server.model, texts, len(step.copies) * server.block_size)
        pool = scheduler.pool
        self.passes.append(
            Pass(
                start=self.now,
                end=self.now + cost.seconds(server.device),
                num_bytes=cost.num_bytes,
                operations=cost.operations,
                num_tokens=step.num_tokens,
                num_running=len(scheduler.running),
                num_idle=metrics.num_idle_rows - before[2],
                num_held=metrics.num_slots - before[0],
                num_filled=metrics.num_filled - before[1],
                num_cached=sum(map(pool.is_known, pool.free)) * server.block_size,
            )
        )
        self._add_stretches(step, self.passes[-1])

    def _add_stretches(self, step: Step, now: Pass) -> None:
        if any(event["event"] == "admit" for event in self._events_of(step)):
            self._ended = []
        for request in self._ended if self.server.policy == "static" else ():
            request.add_stretch(IDLE, now.start, now.end)
        for chunk in step.chunks:
            request, start = chunk.request, chunk.request.table.seq_pos
            end = start + len(chunk.tokens)
            state = PREFILL if start < len(request.prompt) else DECODE
            if start < request.num_computed:
                state = AGAIN
                request.num_again += min(end, request.num_computed) - start
            request.num_computed = max(request.num_computed, end)
            request.add_stretch(state, now.start, now.end)

    def _events_of(self, step: Step) -> Iterator[dict]:
        for event in reversed(self.events):
            if event["step"] != step.index:
                return
            yield event

    def _finish(self, step: Step) -> None:
        self.now = self.passes[-1].end
        new_tokens = [
            made_up_token(chunk.request) if chunk.samples else [] for chunk in step.chunks
        ]
        self.scheduler.commit(new_tokens)
        for chunk, new in zip(step.chunks, new_tokens, strict=True):
            if new:
                chunk.request.token_times.append(self.now)
                self.metrics.generated(chunk, new, self.now)
            if chunk.request.done:
                self._ended.append(chunk.request)


def made_up_token(request: TimedRequest) -> list[int]:
    """Return a token that no prompt and no other request has."""
    return [2**20 * (request.index + 1) + len(request.tokens)]
