"""What clients of the OpenAI protocol ask, checked field by field.

The fields are those of OpenAI's API reference (completions, chat completions). ``stop_token_ids``
is vLLM's name for what OpenAI lacks. A field that would change the answer and is not supported is
refused, so that nobody gets another answer than the one asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinytorch.models import ChatTokenizer
from tinytorch.serving.errors import ApiError, model_not_found, shown
from tinytorch.serving.prompts import chat_prompt, text_prompt, token_ids

MAX_STOPS = 4
MAX_STOP_CHARACTERS = 256
COMPLETION_TOKENS = 16
"""OpenAI's default of max_tokens for completions. A chat's answer may take all that is left."""

COMMON_FIELDS = {"model", "max_tokens", "temperature", "top_p", "seed", "stop", "stop_token_ids"}
COMMON_FIELDS |= {"stream", "stream_options", "user"}  # `user` is for the operator's records
TEXT_FIELDS = COMMON_FIELDS | {"prompt"}
CHAT_FIELDS = COMMON_FIELDS | {"messages", "max_completion_tokens"}
NEUTRAL: dict[str, Any] = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": "",
    "logprobs": False,
    "logit_bias": {},
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "response_format": {"type": "text"},
    "tools": [],
    "store": False,
}
"""Known fields that are not supported, and the value that asks for nothing."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes
    ----------
    max_prompt_tokens, max_new_tokens : int
    """

    max_prompt_tokens: int
    max_new_tokens: int


@dataclass(frozen=True)
class Completion:
    """A request that has been checked.

    Attributes
    ----------
    prompt : list of int
    max_new_tokens : int
    stop_strings : tuple of str
    stop_tokens : frozenset of int
        The model's own and those asked for.
    sampling : dict
        ``temperature``, ``top_p`` and ``seed`` for the engine.
    stream, include_usage : bool
    """

    prompt: list[int]
    max_new_tokens: int
    stop_strings: tuple[str, ...]
    stop_tokens: frozenset[int]
    stream: bool
    include_usage: bool
    sampling: dict[str, Any] = field(default_factory=dict)


def parse_json(data: bytes) -> dict[str, Any]:
    """Read a request's body; an ApiError says why it is no JSON object."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ApiError(f"the body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise ApiError(f"the body must be a JSON object, got {shown(body)}")
    return body


def parse_completion(
    body: Mapping[str, Any], tokenizer: ChatTokenizer, model_id: str, limits: Limits, *, chat: bool
) -> Completion:
    """Check a request field by field.

    Parameters
    ----------
    body : mapping
        Null stands for a field that is absent.
    tokenizer : ChatTokenizer
    model_id : str
        The model served.
    limits : Limits
    chat : bool
        Whether it is a chat completion.

    Returns
    -------
    Completion

    Raises
    ------
    ApiError
        Names the field, what was given and what was expected.
    """
    body = {name: value for name, value in body.items() if value is not None}
    _require_supported(body, CHAT_FIELDS if chat else TEXT_FIELDS)
    _require_model(body, model_id)
    prompt = chat_prompt(body, tokenizer) if chat else text_prompt(body, tokenizer)
    name = "messages" if chat else "prompt"
    if not prompt:
        raise ApiError(f"{name} must have at least one token", param=name)
    if len(prompt) > limits.max_prompt_tokens:
        raise ApiError(
            f"{name} has {len(prompt)} tokens, this server takes {limits.max_prompt_tokens}",
            param=name,
            code="context_length_exceeded",
        )
    stream = _flag(body, "stream", "stream")
    return Completion(
        prompt=prompt,
        max_new_tokens=_max_new_tokens(body, limits, chat),
        stop_strings=_stop_strings(body),
        stop_tokens=frozenset(tokenizer.stop_tokens)
        | frozenset(token_ids(body.get("stop_token_ids", []), "stop_token_ids", tokenizer)),
        stream=stream,
        include_usage=_include_usage(body, stream),
        sampling=_sampling(body),
    )


def _require_supported(body: Mapping[str, Any], supported: set[str]) -> None:
    for name in sorted(body.keys() - supported):
        if name not in NEUTRAL:
            raise ApiError(f"{shown(name)} is not a field that this server knows", param=name)
        neutral = NEUTRAL[name]
        if body[name] != neutral or isinstance(body[name], bool) != isinstance(neutral, bool):
            raise ApiError(
                f"{name} is not supported: leave it out, or give {shown(neutral)}", param=name
            )


def _require_model(body: Mapping[str, Any], model_id: str) -> None:
    model = body.get("model")
    if not isinstance(model, str):
        raise ApiError(f"model must be a string, got {shown(model)}", param="model")
    if model != model_id:
        raise model_not_found(model, model_id)


def _number(
    body: Mapping[str, Any], name: str, low: float, high: float, *, integer: bool = False
) -> Any:
    value = body.get(name)
    kinds = int if integer else int | float
    if value is not None and not (
        isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
    ):
        kind = "an integer" if integer else "a number"
        raise ApiError(
            f"{name} must be {kind} from {low} to {high}, got {shown(value)}", param=name
        )
    return value


def _flag(fields: Mapping[str, Any], name: str, param: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise ApiError(f"{param} must be true or false, got {shown(value)}", param=param)
    return value


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    temperature = _number(body, "temperature", 0, 2)
    top_p = _number(body, "top_p", 0, 1)
    if top_p == 0:
        raise ApiError("top_p must be above 0: temperature 0 is greedy", param="top_p")
    return {
        "temperature": 1.0 if temperature is None else temperature,
        "top_p": top_p,
        "seed": _number(body, "seed", 0, 2**63 - 1, integer=True),
    }


def _max_new_tokens(body: Mapping[str, Any], limits: Limits, chat: bool) -> int:
    given = {
        name: _number(body, name, 1, limits.max_new_tokens, integer=True)
        for name in ("max_completion_tokens", "max_tokens")
        if name in body
    }
    if len(set(given.values())) > 1:
        raise ApiError(f"max_tokens and max_completion_tokens differ: {given}", param="max_tokens")
    default = limits.max_new_tokens if chat else min(COMPLETION_TOKENS, limits.max_new_tokens)
    return next(iter(given.values()), default)


def _stop_strings(body: Mapping[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop", [])
    stops = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(s, str) and 0 < len(s) <= MAX_STOP_CHARACTERS for s in stops)
    ):
        raise ApiError(
            f"stop must be a string or up to {MAX_STOPS} strings, each of 1 to "
            f"{MAX_STOP_CHARACTERS} characters, got {shown(stop)}",
            param="stop",
        )
    return tuple(stops)


def _include_usage(body: Mapping[str, Any], stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not stream:
        raise ApiError("stream_options need stream: true", param="stream_options")
    if not isinstance(options, dict) or not options.keys() <= {"include_usage"}:
        raise ApiError(
            f"stream_options must be an object with include_usage, got {shown(options)}",
            param="stream_options",
        )
    return _flag(options, "include_usage", "stream_options.include_usage")
