"""Selectors in the words of Playwright's engine, which finds elements in every browser."""

import json
import re
from re import Pattern

FLAGS = {re.IGNORECASE: "i", re.DOTALL: "s", re.MULTILINE: "m"}

Text = str | Pattern[str]


def flags_of(pattern: Pattern[str]) -> str:
    """Return a pattern's flags as JavaScript writes them."""
    return "".join(letter for flag, letter in FLAGS.items() if pattern.flags & flag)


def quoted(text: Text, exact: bool) -> str:
    """Write a text that is looked for: whole, as a part, or by a pattern."""
    if isinstance(text, Pattern):
        return f"/{text.pattern}/{flags_of(text)}"
    return json.dumps(text, ensure_ascii=False) + ("s" if exact else "i")


def by_role(role: str, name: Text | None = None, exact: bool = False) -> str:
    """Find elements by their role and accessible name."""
    return f"internal:role={role}" + (f"[name={quoted(name, exact)}]" if name is not None else "")


def by_label(text: Text, exact: bool = False) -> str:
    """Find controls by the text of their label."""
    return f"internal:label={quoted(text, exact)}"


def by_text(text: Text, exact: bool = False) -> str:
    """Find the smallest elements that hold a text."""
    return f"internal:text={quoted(text, exact)}"


def narrowed(selector: str, has: str | None = None, has_text: Text | None = None) -> str:
    """Keep the elements that hold another one, or a text."""
    if has_text is not None:
        selector += f" >> internal:has-text={quoted(has_text, exact=False)}"
    if has is not None:
        selector += f" >> internal:has={json.dumps(has, ensure_ascii=False)}"
    return selector


def below(outer: str, inner: str) -> str:
    """Find within what was found."""
    return f"{outer} >> {inner}" if outer else inner
