"""Which names a server answers to that listens on this machine alone.

Any website can let its own name lead to 127.0.0.1 (DNS rebinding). A reader's browser then takes
this server for that website, and lets its scripts read the answers. Such a request still carries
the website's name in its ``Host`` header, which is why that is checked.
"""

from __future__ import annotations

import ipaddress
import re

from starlette.types import ASGIApp, Receive, Scope, Send

from tinytorch.serving.errors import ApiError, shown
from tinytorch.serving.replies import encode_json

MISDIRECTED = 421
"""RFC 9110, section 15.5.20: the server does not answer for this name."""


def is_loopback(host: str) -> bool:
    """Say whether a name or an address means this machine alone, whatever a name server says."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """Take the name or address out of a ``Host`` header; an empty string if it is none."""
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:]+))(?::\d*)?", header)
    return (match[1] or match[2]) if match else ""


class LocalNames:
    """Let only requests through that ask for this machine by its own names.

    Parameters
    ----------
    app : ASGI application
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 to a request for another name."""
        if scope["type"] == "http":
            header = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if not is_loopback(host_name(header)):
                await _refuse(header, send)
                return
        await self._app(scope, receive, send)


async def _refuse(header: str, send: Send) -> None:
    error = ApiError(
        f"this server answers to localhost, 127.0.0.1 and [::1], not to {shown(header)}: "
        "to serve others, listen on another address (--host)",
        status=MISDIRECTED,
    )
    body = encode_json(error.body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
