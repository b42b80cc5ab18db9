"""Where shards live, and how they are asked. The rules, and workers inside this process."""

from __future__ import annotations

import pickle
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from tinytorch.distributed.traffic import Traffic, payload_bytes
from tinytorch.serving.blocks import require_positive


class WorkerLostError(RuntimeError):
    """Workers no longer answer, and what they held is gone.

    Attributes
    ----------
    lost : frozenset of int
        Numbers of the workers. Shard i lives on worker i, so they are the shards' numbers too.
    """

    def __init__(self, lost: Collection[int]):
        super().__init__(f"lost: {sorted(lost)}")
        self.lost = frozenset(lost)


class Shard:
    """A part of a cache, which lives on a worker and answers requests.

    It holds nothing that cannot be computed again: each request says how many tokens count, so a
    worker need not be told that a pass was committed, was given up, or that tokens were forgotten.
    """

    def answer(self, method: str, *args: object) -> tuple[object, float]:
        """Call a method; return its result and how many seconds it took."""
        start = time.perf_counter()
        result = getattr(self, method)(*args)
        return result, time.perf_counter() - start

    def echo(self, first: object, *_others: object) -> object:
        """Return the first part of a message, to measure the way there and back."""
        return first


@dataclass(frozen=True)
class Request:
    """A method of a shard to call, and with what."""

    handle: object
    method: str
    args: tuple


class Workers(ABC):
    """Processes that hold shards and answer for them. A context manager.

    Attributes
    ----------
    num_workers : int
    share_files : bool
        Whether the workers can read the files of this machine.
    """

    share_files = True

    def __init__(self, num_workers: int):
        require_positive(num_workers=num_workers)
        self.num_workers = num_workers

    @abstractmethod
    def create(self, worker: int, make: Callable[[], Shard]) -> object:
        """Make a shard on a worker, and return what `ask` finds it by.

        Raises
        ------
        WorkerLostError
            If the worker is gone.
        """

    @abstractmethod
    def ask(self, requests: Sequence[Request]) -> list[object]:
        """Send requests side by side and wait for all answers.

        Returns
        -------
        list
            For each request what `Shard.answer` returned, or a WorkerLostError. Other errors of a
            shard are raised.
        """

    @abstractmethod
    def replace(self, worker: int) -> None:
        """Put another process in the place of a worker that is gone; does nothing if it is not.

        Raises
        ------
        RuntimeError
            If there is no other process.
        """

    @abstractmethod
    def close(self) -> None:
        """End what was started."""

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class LocalWorkers(Workers):
    """Workers that are objects of this process: to try and to test, without Dask.

    What is sent to them and what they answer is copied, as if it had travelled.
    """

    def __init__(self, num_workers: int):
        super().__init__(num_workers)
        self._alive: list[object] = [object() for _ in range(num_workers)]

    def kill(self, worker: int) -> None:
        """Lose a worker and all that it holds."""
        self._alive[worker] = None

    def create(self, worker: int, make: Callable[[], Shard]) -> object:
        """Make a shard."""
        if self._alive[worker] is None:
            raise WorkerLostError({worker})
        return worker, self._alive[worker], _copied(make)()

    def ask(self, requests: Sequence[Request]) -> list[object]:
        """Call the shards, one after the other."""
        return [self._ask(request) for request in requests]

    def replace(self, worker: int) -> None:
        """Start again without what was held."""
        if self._alive[worker] is None:
            self._alive[worker] = object()

    def close(self) -> None:
        """Forget all shards."""
        self._alive = [None] * self.num_workers

    def _ask(self, request: Request) -> object:
        worker, born_on, shard = request.handle
        if self._alive[worker] is not born_on:
            return WorkerLostError({worker})
        return _copied(shard.answer(request.method, *_copied(request.args)))


def _copied(message: object) -> object:
    return pickle.loads(pickle.dumps(message))


class ShardGroup:
    """The shards of one cache, and the traffic with them.

    Parameters
    ----------
    workers : Workers
    recipes : sequence of callable
        For each shard what makes it, empty, on its worker; must be picklable. Shard i lives on
        worker i.
    shares : sequence of object, optional
        For each shard what its method ``load`` is given after it was made.

    Attributes
    ----------
    traffic : Traffic
        Of all requests so far, without making and loading.

    Raises
    ------
    ValueError
        If there are more shards than workers.
    """

    def __init__(
        self,
        workers: Workers,
        recipes: Sequence[Callable[[], Shard]],
        shares: Sequence[object] = (),
    ):
        if len(recipes) > workers.num_workers:
            raise ValueError(
                f"{len(recipes)} shards need as many workers, there are {workers.num_workers}"
            )
        self.workers = workers
        self.recipes = recipes
        self.shares = shares
        self.traffic = Traffic()
        self.handles: dict[int, object] = {}
        self.revive(range(len(recipes)))

    def __len__(self) -> int:
        return len(self.recipes)

    def call(self, method: str, requests: Mapping[int, tuple]) -> dict[int, object]:
        """Call a method of some shards side by side: one round trip.

        Parameters
        ----------
        method : str
        requests : mapping of int to tuple
            For each shard the arguments.

        Returns
        -------
        dict
            For each shard what it returned.

        Raises
        ------
        WorkerLostError
            If a worker did not answer. The others have done what they were asked.
        """
        start = time.perf_counter()
        answers = self.workers.ask(
            [Request(self.handles[i], method, args) for i, args in requests.items()]
        )
        seconds = time.perf_counter() - start
        outcomes = dict(zip(requests, answers, strict=True))
        lost = {i for i, answer in outcomes.items() if isinstance(answer, WorkerLostError)}
        answered = {i: answer for i, answer in outcomes.items() if i not in lost}
        self.traffic += Traffic(
            round_trips=1,
            messages=len(requests),
            bytes_sent=payload_bytes(list(requests.values())),
            bytes_received=payload_bytes(list(answered.values())),
            seconds=seconds,
            busy_seconds=max((busy for _, busy in answered.values()), default=0.0),
        )
        if lost:
            raise WorkerLostError(lost)
        return {i: result for i, (result, _) in answered.items()}

    def revive(self, lost: Collection[int]) -> None:
        """Make shards, empty, on other workers where their own are gone.

        Raises
        ------
        WorkerLostError
            If a worker is lost meanwhile.
        RuntimeError
            If there is no other worker.
        """
        for i in sorted(lost):
            self.workers.replace(i)
            self.handles[i] = self.workers.create(i, self.recipes[i])
            if self.shares:
                (outcome,) = self.workers.ask([Request(self.handles[i], "load", (self.shares[i],))])
                if isinstance(outcome, WorkerLostError):
                    raise WorkerLostError({i})
