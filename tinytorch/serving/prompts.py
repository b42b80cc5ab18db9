"""A request's prompt, checked and turned into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinytorch.models import ChatTokenizer
from tinytorch.serving.errors import ApiError, shown

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def token_ids(value: Any, name: str, tokenizer: ChatTokenizer) -> list[int]:
    """Check that the field `name` holds a list of tokens of the vocabulary."""
    if not isinstance(value, list) or not all(
        isinstance(token, int) and not isinstance(token, bool) and 0 <= token < tokenizer.vocab_size
        for token in value
    ):
        raise ApiError(
            f"{name} must hold token ids from 0 to {tokenizer.vocab_size - 1}, got {shown(value)}",
            param=name,
        )
    return value


def text_prompt(body: Mapping[str, Any], tokenizer: ChatTokenizer) -> list[int]:
    """Read ``prompt``: a string, a list of token ids, or a list of one of these."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return _encode(prompt, "prompt", tokenizer)
    if not isinstance(prompt, list) or any(isinstance(part, str | list) for part in prompt):
        raise ApiError(
            f"prompt must be one string or one list of token ids, got {shown(prompt)}",
            param="prompt",
        )
    return token_ids(prompt, "prompt", tokenizer)


def chat_prompt(body: Mapping[str, Any], tokenizer: ChatTokenizer) -> list[int]:
    """Read ``messages``, each with a role and a text."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(
            f"messages must be a list of at least one message, got {shown(messages)}",
            param="messages",
        )
    checked = [_message(message, f"messages[{i}]") for i, message in enumerate(messages)]
    return _encode(tokenizer.render_chat(checked), "messages", tokenizer)


def _message(message: Any, name: str) -> dict[str, str]:
    if not isinstance(message, dict) or message.keys() != {"role", "content"}:
        raise ApiError(
            f"{name} must be an object with role and content alone, got {shown(message)}",
            param=name,
        )
    role = message["role"]
    if not isinstance(role, str) or role not in ROLES:
        raise ApiError(
            f"{name}.role must be one of {', '.join(ROLES)}, got {shown(role)}",
            param=f"{name}.role",
        )
    return {"role": ROLES[role], "content": _content(message["content"], f"{name}.content")}


def _content(content: Any, name: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(_is_text_part(part) for part in content):
        raise ApiError(
            f"{name} must be a string, or parts of type text, got {shown(content)}", param=name
        )
    return "".join(part["text"] for part in content)


def _is_text_part(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and part.keys() == {"type", "text"}
        and part["type"] == "text"
        and isinstance(part["text"], str)
    )


def _encode(text: str, name: str, tokenizer: ChatTokenizer) -> list[int]:
    try:
        return tokenizer.encode(text).tolist()
    except ValueError as error:  # half a surrogate pair is one, too
        raise ApiError(f"{name} cannot be encoded: {error}", param=name) from error
