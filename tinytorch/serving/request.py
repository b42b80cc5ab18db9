"""One text to be continued, and what one step computes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tinytorch.serving.blocks import BlockTable


@dataclass(eq=False)
class Request:
    """One text to be continued, and how far it has come.

    Attributes
    ----------
    prompt : list of int
    max_new_tokens : int
    stop_tokens : frozenset of int
        The text ends after one of these.
    tokens : list of int
        Prompt and continuation. Only ever grows.
    status : str
        ``"waiting"``, ``"running"``, ``"finished"`` or ``"cancelled"``.
    table : BlockTable or None
        Its blocks while it runs.
    num_found : int
        Tokens whose keys and values were found in memory when it was first admitted.
    num_preemptions : int
    """

    prompt: list[int]
    max_new_tokens: int
    stop_tokens: frozenset[int] = frozenset()
    request_id: int = -1
    status: str = "new"
    table: BlockTable | None = None
    num_found: int | None = None
    num_preemptions: int = 0
    tokens: list[int] = field(init=False)
    hashes: list[bytes] = field(init=False, default_factory=list)

    def __post_init__(self):
        self.tokens = list(self.prompt)

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ("finished", "cancelled")

    @property
    def new_tokens(self) -> list[int]:
        """The continuation so far."""
        return self.tokens[len(self.prompt) :]

    @property
    def num_left(self) -> int:
        """How many tokens it may still get."""
        return len(self.prompt) + self.max_new_tokens - len(self.tokens)

    @property
    def max_cached(self) -> int:
        """Tokens that are ever in its blocks: the last one is never fed back."""
        return len(self.prompt) + self.max_new_tokens - 1


@dataclass(frozen=True)
class Chunk:
    """What one step computes of one request: `tokens`, the last of them perhaps drafts."""

    request: Request
    tokens: list[int]
    drafts: list[int]
    samples: bool
    """Whether the text's last token is among them, so that a next one comes out."""

    def require_fit(self, new_tokens: Sequence[int]) -> None:
        """Raise a ValueError unless these may come out: right drafts, and one token more."""
        num_right = max(len(new_tokens) - 1, 0)
        right = list(new_tokens[:num_right]) == self.drafts[:num_right]
        if bool(new_tokens) != self.samples or not right:
            raise ValueError(
                f"{new_tokens} cannot follow drafts {self.drafts}, samples={self.samples}"
            )


@dataclass(frozen=True)
class Step:
    """One forward pass: first copy blocks, then compute the chunks."""

    index: int
    chunks: list[Chunk] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    completed: set[bytes] = field(default_factory=set)
    """Hashes of the blocks that this step fills."""

    @property
    def num_tokens(self) -> int:
        """Tokens that the pass computes."""
        return sum(len(chunk.tokens) for chunk in self.chunks)
