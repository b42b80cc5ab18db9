"""The OpenAI protocol over HTTP: ``/v1/models``, ``/v1/completions``, ``/v1/chat/completions``.

It needs the package's extra ``serving``. There is no authentication and no encryption (TLS): the
server is meant for the machine it runs on. For others, put a proxy in front of it that has both.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tinytorch.serving.errors import ApiError, model_not_found
from tinytorch.serving.protocol import (
    Completion,
    Limits,
    parse_completion,
    parse_json,
)
from tinytorch.serving.replies import (
    Reply,
    describe_model,
    encode_event,
    encode_json,
    internal_error,
)
from tinytorch.serving.worker import (
    EngineWorker,
    Job,
    Piece,
    QueueFullError,
    WorkerStoppedError,
)

CLOSE = {"Connection": "close"}
DRAINED_BODIES = 16
"""So many times the limit of a body is read and dropped, for the client to see its error."""


class Api:
    """The routes of the protocol.

    Parameters
    ----------
    worker : EngineWorker
        Started and stopped with the application.
    model_id : str
        What clients call the model.
    limits : Limits
    max_body_bytes : int
    body_timeout : float
        Seconds for the whole body of a request.

    Raises
    ------
    ValueError
        If the longest request that the limits allow fits neither the model nor the blocks.
    """

    def __init__(
        self,
        worker: EngineWorker,
        model_id: str,
        limits: Limits,
        *,
        max_body_bytes: int = 2**18,
        body_timeout: float = 10.0,
    ):
        pool = worker.engine.scheduler.pool
        longest = limits.max_prompt_tokens + limits.max_new_tokens - 1
        room = min(worker.engine.model.max_seq_len, pool.num_blocks * pool.block_size)
        if min(limits.max_prompt_tokens, limits.max_new_tokens) < 1 or longest > room:
            raise ValueError(
                f"{limits.max_prompt_tokens} prompt tokens and {limits.max_new_tokens} new ones "
                f"must be at least 1 each and fit in {room} places (the model's and the blocks')"
            )
        self.worker = worker
        self.model_id = model_id
        self.limits = limits
        self.max_body_bytes = max_body_bytes
        self.body_timeout = body_timeout
        self._created = int(time.time())

    def app(self) -> Starlette:
        """Make the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/models", self.list_models),
                Route("/v1/models/{model_id:path}", self.get_model),
                Route("/v1/completions", self.complete, methods=["POST"]),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
            ],
            exception_handlers={
                ApiError: _on_api_error,
                HTTPException: _on_http_error,
                ClientDisconnect: _on_disconnect,
                Exception: _on_failure,
            },
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.worker.start()
        yield
        await asyncio.to_thread(self.worker.stop)

    async def list_models(self, request: Request) -> Response:
        """Answer ``GET /v1/models``."""
        return json_response(
            {"object": "list", "data": [describe_model(self.model_id, self._created)]}
        )

    async def get_model(self, request: Request) -> Response:
        """Answer ``GET /v1/models/{id}``."""
        if request.path_params["model_id"] != self.model_id:
            raise model_not_found(request.path_params["model_id"], self.model_id)
        return json_response(describe_model(self.model_id, self._created))

    async def complete(self, request: Request) -> Response:
        """Answer ``POST /v1/completions``."""
        return await self._answer(request, chat=False)

    async def chat(self, request: Request) -> Response:
        """Answer ``POST /v1/chat/completions``."""
        return await self._answer(request, chat=True)

    async def _answer(self, request: Request, *, chat: bool) -> Response:
        data = await read_body(request, self.max_body_bytes, self.body_timeout)
        # Encoding a long prompt takes a while: others are served meanwhile.
        completion = await asyncio.to_thread(self._parse, data, chat)
        job = self._submit(completion)
        reply = Reply(self.model_id, completion, chat=chat)
        if completion.stream:
            return EventStream(job, reply)
        return await whole_answer(request, job, reply)

    def _parse(self, data: bytes, chat: bool) -> Completion:
        body = parse_json(data)
        return parse_completion(body, self.worker.tokenizer, self.model_id, self.limits, chat=chat)

    def _submit(self, completion: Completion) -> Job:
        try:
            return self.worker.submit(
                completion.prompt,
                completion.max_new_tokens,
                stop_strings=completion.stop_strings,
                stop_tokens=completion.stop_tokens,
                **completion.sampling,
            )
        except QueueFullError as error:
            raise ApiError(
                f"{error}: try again later",
                status=429,
                code="rate_limit_exceeded",
                headers={"Retry-After": str(error.retry_after)},
            ) from error
        except WorkerStoppedError as error:
            raise ApiError(str(error), status=503) from error


class EventStream(StreamingResponse):
    """An answer as server-sent events. Its request ends with it, however it ends."""

    def __init__(self, job: Job, reply: Reply):
        headers = {"Cache-Control": "no-cache"}
        super().__init__(_events(job, reply), media_type="text/event-stream", headers=headers)
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the last, or until the client is gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._job.cancel()


async def _events(job: Job, reply: Reply) -> AsyncIterator[bytes]:
    try:
        yield reply.first()
        async for piece in job.pieces():
            yield reply.piece(piece)
    except Exception as error:
        yield encode_event(internal_error(error).body)


async def whole_answer(request: Request, job: Job, reply: Reply) -> Response:
    """Wait for the whole text, as long as the client does."""
    answer = asyncio.ensure_future(_collect(job))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return json_response(reply.whole(*answer.result()))
    except ClientDisconnect:
        raise
    except Exception as error:
        raise internal_error(error) from error
    finally:
        job.cancel()
        answer.cancel()
        gone.cancel()


async def _collect(job: Job) -> tuple[str, Piece]:
    pieces = [piece async for piece in job.pieces()]
    return "".join(piece.text for piece in pieces), pieces[-1]


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read_body(request: Request, max_bytes: int, timeout: float) -> bytes:
    """Read a JSON body; an ApiError says if it is another kind, too large or too slow."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(f"Content-Type must be application/json, got {kind!r}", status=415)
    message = f"the body is larger than {max_bytes} bytes"
    too_large = ApiError(message, status=413, headers=CLOSE)
    declared = request.headers.get("content-length", "0")  # h11 lets only numbers through
    if int(declared) > DRAINED_BODIES * max_bytes:
        raise too_large
    chunks, size = [], 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= max_bytes:
                    chunks.append(chunk)
                elif size > DRAINED_BODIES * max_bytes:
                    raise too_large
    except TimeoutError as error:
        message = f"the body did not come within {timeout:g} seconds"
        raise ApiError(message, status=408, headers=CLOSE) from error
    if size > max_bytes:
        raise too_large
    return b"".join(chunks)


def json_response(value: Any, status: int = 200, headers: dict | None = None) -> Response:
    """Answer with a JSON value."""
    return Response(encode_json(value), status, headers, media_type="application/json")


async def _on_api_error(request: Request, error: ApiError) -> Response:
    return json_response(error.body, error.status, error.headers)


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    message = f"{request.method} {request.url.path}: {error.detail}"
    headers = dict(error.headers or {})
    return json_response(
        ApiError(message, status=error.status_code).body, error.status_code, headers
    )


async def _on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _on_failure(request: Request, error: Exception) -> Response:
    return json_response(internal_error(error).body, 500)
