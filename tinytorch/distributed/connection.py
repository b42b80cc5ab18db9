"""How long messages take, measured with messages that do nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinytorch.distributed.traffic import FLOAT32, Traffic
from tinytorch.distributed.workers import Request, Shard, Workers

SIZES = (2_000, 20_000, 200_000, 1_000_000)
"""Bytes that are sent, in parts; one of the parts comes back."""

PARTS = 4
"""Arrays in a message: as many as a query, a key, a value and positions."""


@dataclass(frozen=True)
class Connection:
    """What a round trip costs: so much for itself, for each message and for each byte.

    Attributes
    ----------
    round_trip : float
        Seconds.
    message : float
        Seconds for each message of a round trip.
    byte : float
        Seconds for each byte, sent or received.
    """

    round_trip: float
    message: float
    byte: float

    def seconds(self, traffic: Traffic) -> float:
        """Say how long messages should take."""
        counts = traffic.round_trips, traffic.messages, traffic.nbytes
        return float(np.dot(counts, (self.round_trip, self.message, self.byte)))


def measure_connection(
    workers: Workers,
    sizes: Sequence[int] = SIZES,
    repeats: int = 20,
    between: Callable[[], object] = lambda: None,
) -> Connection:
    """Send arrays to one worker, and to all at once, and fit what their echoes took.

    Parameters
    ----------
    workers : Workers
    sizes : sequence of int
        Bytes of the messages.
    repeats : int
        Round trips of each kind; their mean counts.
    between : callable
        Called before each round trip, such as a layer of the model: messages are slower where other
        work was done since the last one.

    Returns
    -------
    Connection
        The costs of at least 0 that fit best, by relative least squares. With one worker, a round
        trip cannot be told from its message: half of the cost is given to each.
    """
    handles = [workers.create(worker, Shard) for worker in range(workers.num_workers)]
    rows, means = [], []
    for num_messages in {1, len(handles)}:
        for size in sizes:
            part = np.zeros(max(size // FLOAT32 // PARTS, 1), np.float32)
            asked = handles[:num_messages]
            requests = [Request(handle, "echo", (part,) * PARTS) for handle in asked]
            workers.ask(requests)
            seconds = 0.0
            for _ in range(repeats):
                between()
                start = time.perf_counter()
                workers.ask(requests)
                seconds += time.perf_counter() - start
            rows.append((1, num_messages, (PARTS + 1) * num_messages * part.nbytes))
            means.append(seconds / repeats)
    return Connection(*_fit(np.array(rows, float), np.array(means)))


def _fit(rows: np.ndarray, seconds: np.ndarray) -> list[float]:
    """Fit costs by least squares, leaving out those that would be below 0."""
    rows, goal = rows / seconds[:, None], np.ones(len(rows))
    costs, kept = np.zeros(rows.shape[1]), np.arange(rows.shape[1])
    while len(kept):
        fitted = np.linalg.lstsq(rows[:, kept], goal, rcond=None)[0]
        if (fitted >= 0).all():
            costs[kept] = fitted
            break
        kept = np.delete(kept, fitted.argmin())
    return costs.tolist()
