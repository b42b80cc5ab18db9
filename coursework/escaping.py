"""Text that others wrote, made harmless for where it is shown: a terminal, a spreadsheet."""

from __future__ import annotations

import unicodedata

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, or skips on its way to one."""

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories that a terminal obeys or does not show: controls, directions, surrogates."""


def printable(text: str, most: int = 300) -> str:
    r"""Return a text on one line, with what is not visible written as an escape.

    Parameters
    ----------
    text : str
        Anything, for example the name of a file or the message of an error.
    most : int
        Characters of the text that are kept.

    Examples
    --------
    >>> printable("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    short = text if len(text) <= most else f"{text[:most]}..."
    return "".join(_visible(char) for char in short)


def _visible(char: str) -> str:
    if unicodedata.category(char) in HIDDEN:
        return char.encode("unicode_escape").decode("ascii")
    return char


def spreadsheet_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula when it opens a CSV file.

    An apostrophe is put before a beginning that could be one, as OWASP advises on CSV injection.
    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
