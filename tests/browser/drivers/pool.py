"""Browsers that are the same but for what only their start decides: one is started for each."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Starts what is asked for, keeps it, and closes the one that was not used for longest.

    Parameters
    ----------
    start, close : callable
        ``start(key)`` returns a browser with the settings of the key.
    is_idle : callable
        Whether a browser may be closed: it has no page open.
    most : int
        How many run at once, unless more are in use.
    """

    def __init__(
        self,
        start: Callable[..., T],
        close: Callable[[T], None],
        is_idle: Callable[[T], bool],
        most: int = 2,
    ):
        self.start, self.stop, self.is_idle, self.most = start, close, is_idle, most
        self.running: dict[object, T] = {}

    def get(self, key) -> T:
        """Return the browser of a key; it is the one used last then."""
        found = self.running.pop(key, None)
        if found is None:
            self._make_room()
            found = self.start(key)
        self.running[key] = found
        return found

    def _make_room(self) -> None:
        for key, one in list(self.running.items()):
            if len(self.running) < self.most:
                break
            if self.is_idle(one):
                self.stop(self.running.pop(key))

    def close(self) -> None:
        """Close all."""
        while self.running:
            self.stop(self.running.popitem()[1])
