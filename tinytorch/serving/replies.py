"""What the server answers, in the objects of the OpenAI protocol."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from tinytorch.serving.errors import ApiError
from tinytorch.serving.protocol import Completion
from tinytorch.serving.worker import Piece, WorkerStoppedError

DONE = b"data: [DONE]\n\n"


class Reply:
    """Writes the answer to one request, whole or as events.

    Parameters
    ----------
    model_id : str
    completion : Completion
    chat : bool
        Whether it answers a chat.
    """

    def __init__(self, model_id: str, completion: Completion, *, chat: bool):
        self._chat = chat
        self._num_prompt = len(completion.prompt)
        self._include_usage = completion.include_usage
        self._head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model_id,
        }

    def whole(self, text: str, last: Piece) -> dict[str, Any]:
        """Give the answer as one object."""
        content = {"message": {"role": "assistant", "content": text}} if self._chat else None
        kind = "chat.completion" if self._chat else "text_completion"
        choice = self._choice(content or {"text": text}, last.finish_reason)
        return {"object": kind, **self._head, "choices": [choice], "usage": self._usage(last)}

    def first(self) -> bytes:
        """Give the event before all text: a chat's says who speaks."""
        if not self._chat:
            return b""
        return self._event([self._choice({"delta": {"role": "assistant", "content": ""}}, None)])

    def piece(self, piece: Piece) -> bytes:
        """Give the events of one piece; the last one's say why it ended, and the usage."""
        events = b""
        if piece.text:
            content = {"delta": {"content": piece.text}} if self._chat else {"text": piece.text}
            events = self._event([self._choice(content, None)])
        if piece.finish_reason is not None:
            content = {"delta": {}} if self._chat else {"text": ""}
            events += self._event([self._choice(content, piece.finish_reason)])
            if self._include_usage:
                events += self._event([], self._usage(piece))
            events += DONE
        return events

    def _choice(self, content: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        return {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}

    def _usage(self, last: Piece) -> dict[str, Any]:
        return {
            "prompt_tokens": self._num_prompt,
            "completion_tokens": last.num_tokens,
            "total_tokens": self._num_prompt + last.num_tokens,
            "prompt_tokens_details": {"cached_tokens": last.num_found},
        }

    def _event(self, choices: list[dict], usage: dict[str, Any] | None = None) -> bytes:
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        event = {"object": kind, **self._head, "choices": choices}
        return encode_event(event | ({"usage": usage} if self._include_usage else {}))


def encode_event(event: dict[str, Any]) -> bytes:
    """Write one server-sent event."""
    return b"data: " + encode_json(event) + b"\n\n"


def encode_json(value: Any) -> bytes:
    """Write JSON in ASCII, so that even half a surrogate pair can be quoted."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def describe_model(model_id: str, created: int) -> dict[str, Any]:
    """Give the object that ``/v1/models`` lists."""
    return {"id": model_id, "object": "model", "created": created, "owned_by": "tinytorch"}


def internal_error(error: Exception) -> ApiError:
    """Tell the client that the fault is not its own."""
    if isinstance(error, WorkerStoppedError):
        return ApiError(str(error), status=503)
    return ApiError(f"the engine failed: {error}", status=500)
