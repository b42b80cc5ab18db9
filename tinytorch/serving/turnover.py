"""How soon a full queue has room again."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

NUM_ENDS = 32
"""The last ends that tell how fast the queue moves."""

SHORTEST, LONGEST = 1, 60
"""Seconds that a client is told to wait, at least and at most."""


class Turnover:
    """Says when to come back, from how often requests end and how many were told so before.

    Each end makes room for one. So the first client that is turned away should come back after
    one end, the second after two.

    Parameters
    ----------
    clock : callable
        Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=NUM_ENDS)
        self._num_turned_away = 0

    def ended(self, num_left: int) -> None:
        """Note that a request has ended, and that `num_left` still run or wait.

        A queue that was empty has had pauses, which say nothing about the next rush.
        """
        self._num_turned_away = max(self._num_turned_away - 1, 0)
        if num_left == 0:
            self._ends.clear()
        else:
            self._ends.append(self._clock())

    def turn_away(self) -> int:
        """Count a client that found no room.

        Returns
        -------
        int
            Seconds until there should be room for it: one, as long as fewer than two requests
            have ended since the queue was last empty, since nothing is known then.
        """
        self._num_turned_away += 1
        if len(self._ends) < 2:
            return SHORTEST
        between_ends = (self._clock() - self._ends[0]) / (len(self._ends) - 1)
        wait = math.ceil(self._num_turned_away * between_ends)
        return min(max(wait, SHORTEST), LONGEST)
