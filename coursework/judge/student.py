"""What the judge's tests say to a guest, in the words of the assignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from coursework.judge.draw import DrawnModel
from coursework.judge.session import Session
from tinytorch import GPT

CACHE, MODEL = "cache", "model"


def kept(name: str) -> dict[str, str]:
    """Return what stands for an object that the guest keeps."""
    return {"kept": name}


class Student:
    """A student's functions and classes, asked about in a room.

    Whatever a method returns is plain data of any type and shape: compare it.

    Attributes
    ----------
    session : Session
    slowness : str, optional
        What shows that texts are written without a cache; empty if nothing does, None if it is not
        known yet.
    """

    def __init__(self, session: Session):
        self.session = session
        self.slowness: str | None = None

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        """Call a function of the student's."""
        return self.session.ask("call", name=name, args=args, options=options)

    def method(self, of: str, name: str, *args: Any, keep: str | None = None, **options) -> Any:
        """Call a method of a kept object; return the result, or let the guest keep it."""
        return self.session.ask("call", of=of, name=name, args=args, options=options, keep=keep)

    def get(self, of: str, name: str) -> Any:
        """Return an attribute of a kept object."""
        return self.session.ask("get", of=of, name=name)

    def make_cache(self, *sizes: int, kind: str = "KVCache", keep: str = CACHE, **named: int):
        """Let the guest make a cache, the student's own or the one it was given."""
        self.session.ask("call", name=kind, args=sizes, options=named, keep=keep)

    def make_model(self, model: DrawnModel, keep: str = MODEL) -> None:
        """Let the guest make the same model."""
        self.session.ask("model", keep=keep, **model.described())

    def make_fitting_cache(self, model: GPT, batch_size: int = 1, **options: str) -> None:
        """Let the guest make a cache with room for all that the model can read."""
        sizes = (model.max_seq_len, model.num_layers, model.num_kv_heads, model.head_dim)
        self.make_cache(batch_size, *sizes, **options)

    def write(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Write one pass to the cache: every layer, of shape (layers, batch, ...), then advance."""
        for layer_idx, (key, value) in enumerate(zip(keys, values, strict=True)):
            self.method(CACHE, "update", layer_idx, key, value, keep="updated")
        self.method(CACHE, "advance", keys.shape[3])

    def forward(self, tokens: np.ndarray, of: str = MODEL) -> Any:
        """Feed tokens through a model."""
        return self.method(of, "forward", tokens)
