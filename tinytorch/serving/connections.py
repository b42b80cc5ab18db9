"""The HTTP server around an application, and how long it waits for clients."""

from __future__ import annotations

import functools
from asyncio import TimerHandle, Transport
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tinytorch.serving.local_names import LocalNames, is_loopback


@dataclass(frozen=True)
class Timeouts:
    """Seconds that the server waits for a client.

    Attributes
    ----------
    request : float
        That a connection may be open without a whole request head: from its beginning, and after
        each answer.
    stall : float
        That an answer may wait for a client that does not read.
    shutdown : float
        That the last answers may take when the server ends.
    """

    request: float = 10.0
    stall: float = 60.0
    shutdown: float = 5.0


class TimedProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1, with time-outs that it lacks.

    Parameters
    ----------
    timeouts : Timeouts
    **kwargs
        As for `H11Protocol`.
    """

    def __init__(self, *, timeouts: Timeouts, **kwargs):
        super().__init__(**kwargs)
        self._timeouts = timeouts
        self._request_timer: TimerHandle | None = None
        self._stall_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:
        """Expect a request."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a request's head is there."""
        super().data_received(data)
        self._expect_request()

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for ever."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self._timeouts.stall, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting."""
        super().resume_writing()
        self._stall_timer = _stopped(self._stall_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both clocks."""
        super().connection_lost(exc)
        self._request_timer = _stopped(self._request_timer)
        self._stall_timer = _stopped(self._stall_timer)

    def _expect_request(self) -> None:
        """Let the clock run exactly while no request is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._request_timer = _stopped(self._request_timer)
        elif self._request_timer is None:
            self._request_timer = self.loop.call_later(self._timeouts.request, self._give_up)

    def _give_up(self) -> None:
        """Close, once what was answered before is sent, or not read for too long."""
        self.transport.close()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(self._timeouts.stall, self.transport.abort)


def _stopped(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def make_server(
    app: ASGIApp, timeouts: Timeouts, host: str = "127.0.0.1", port: int = 8000, **config
) -> uvicorn.Server:
    """Make an HTTP server; its ``run`` returns when it is told to end.

    Parameters
    ----------
    app : ASGI application
    timeouts : Timeouts
    host : str
        Loopback unless told otherwise. There it answers only to this machine's own names, see
        `LocalNames`.
    port : int
        0 takes a free one.
    **config
        As for `uvicorn.Config`.

    Returns
    -------
    uvicorn.Server
    """
    return uvicorn.Server(
        uvicorn.Config(
            LocalNames(app) if is_loopback(host) else app,
            host=host,
            port=port,
            http=functools.partial(TimedProtocol, timeouts=timeouts),
            ws="none",
            loop="asyncio",
            timeout_keep_alive=timeouts.request,
            timeout_graceful_shutdown=timeouts.shutdown,
            **config,
        )
    )
