"""Errors as the OpenAI protocol tells them."""

from __future__ import annotations

import json
from collections.abc import Mapping


class ApiError(Exception):
    """An error that the client is told.

    Parameters
    ----------
    message : str
    status : int
        Of HTTP.
    param : str, optional
        The field that is wrong.
    code : str, optional
        One of OpenAI's error codes.
    headers : mapping, optional
        To send along.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {
            "error": {"message": message, "type": _kind(status), "param": param, "code": code}
        }


def model_not_found(model: str, model_id: str) -> ApiError:
    """Say that another model is served than the one asked for."""
    return ApiError(
        f"there is no model {shown(model)}, this server has {shown(model_id)}",
        status=404,
        param="model",
        code="model_not_found",
    )


def shown(value: object) -> str:
    """Write a value of a request as JSON, short enough for a message."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _kind(status: int) -> str:
    if status >= 500:
        return "server_error"
    return "rate_limit_error" if status == 429 else "invalid_request_error"
