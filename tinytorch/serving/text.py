"""The text of a request as it may be sent: whole characters, nothing of what ends it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from tinytorch.models import ChatTokenizer


class TextStream:
    """Turn tokens into text that can be sent, up to a stop string or a stop token.

    Parameters
    ----------
    tokenizer : ChatTokenizer
    stop_strings : sequence of str
        The text ends before the one that is complete first; of two that are complete with the
        same character, before the longer. Where tokens end makes no difference.
    stop_tokens : collection of int
        The text ends before one of these.

    Attributes
    ----------
    stopped : bool
        Whether the text has met its end. What follows is not read.

    Raises
    ------
    ValueError
        If a stop string is empty.

    Examples
    --------
    >>> text = TextStream(tokenizer, stop_strings=["END"])
    >>> "".join(text.push(token) for token in tokens) + text.flush()
    """

    def __init__(
        self,
        tokenizer: ChatTokenizer,
        stop_strings: Sequence[str] = (),
        stop_tokens: Collection[int] = (),
    ):
        if "" in stop_strings:
            raise ValueError("a stop string must not be empty")
        self.stopped = False
        self._stop_strings = tuple(stop_strings)
        self._stop_tokens = frozenset(stop_tokens)
        self._inbox: deque[int] = deque()
        # The iterator never ends: each `next` of the pieces reads the one token put in before.
        self._pieces = tokenizer.decode_stream(iter(self._inbox.popleft, None))
        self._held = ""

    def push(self, token: int) -> str:
        """Add a token; return what may be sent now, without what could begin a stop string."""
        if self.stopped:
            return ""
        if token in self._stop_tokens:
            self.stopped = True
            return self.flush()
        self._inbox.append(token)
        text = self._held + next(self._pieces)
        found = [
            (start + len(stop), start)
            for stop in self._stop_strings
            if (start := text.find(stop)) >= 0
        ]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        num_sent = len(text) - max((_overlap(text, stop) for stop in self._stop_strings), default=0)
        self._held = text[num_sent:]
        return text[:num_sent]

    def flush(self) -> str:
        """Return what was held back, when nothing more will come."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins, but does not complete, `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
