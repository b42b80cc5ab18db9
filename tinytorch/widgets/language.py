"""The words of the figures, which stand in `languages`, one file for each language.

A phrase has a group and a name: ``player.step``. It is a text with places for values, ``{step}``,
or a table of such texts; from a table with the forms that `Intl.PluralRules` names, such as one and
other, a count chooses. The file of a language has the keys of ``en.json``, in the same order.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tinytorch.analysis import plots

VARIABLE = "TINYTORCH_LANGUAGE"
"""A variable that may hold the language of the figures: the name of a file of `languages`."""

PHRASE = re.compile(r'\b(phrases?|plural)\(\s*"([\w.]+)"')
"""How JavaScript names a phrase; see language.mjs."""

Phrase = str | dict[str, str]


@cache
def languages() -> list[str]:
    """Return the names of the languages."""
    folder = files(__package__).joinpath("languages")
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir())


@cache
def catalogue(language: str) -> dict[str, dict[str, Phrase]]:
    """Return the phrases of a language, by group and name.

    Raises
    ------
    ValueError
        If there is no such language.
    """
    if language not in languages():
        raise ValueError(f"language must be one of {languages()}, got {language!r}")
    file = files(__package__).joinpath("languages", f"{language}.json")
    return json.loads(file.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Language:
    """Words and numbers as a language has them.

    Parameters
    ----------
    name : str
        Of a file of `languages`, without its ending.
    """

    name: str

    @property
    def phrases(self) -> dict[str, dict[str, Phrase]]:
        """All phrases, by group and name."""
        return catalogue(self.name)

    def phrase(self, key: str, **values: object) -> str:
        """Return a phrase with values in its places.

        Parameters
        ----------
        key : str
            Group and name, ``"player.title"``; of a table also the name in it.
        **values
            By the names of their places.
        """
        found = self.phrases
        for name in key.split("."):
            found = found[name]
        return found.format(**values)

    def table(self, key: str) -> list[str]:
        """Return the phrases of a table."""
        group, name = key.split(".")
        return list(self.phrases[group][name].values())

    @property
    def signs(self) -> str:
        """What stands between thousands, and before decimals."""
        return self.phrase("numbers.signs")

    def number(self, value: float, spec: str = ",") -> str:
        """Format a number, with the language's own signs."""
        return format(value, spec).translate(str.maketrans(",.", self.signs))

    def unit(self, largest: float, key: str) -> tuple[float, str]:
        """Return a power of a thousand to divide counts by, and the unit of the quotients.

        Parameters
        ----------
        largest : float
            Of the counts.
        key : str
            The phrase of what is counted.
        """
        scale, word = plots.unit(largest)
        unit = self.phrase(key)
        return scale, self.phrase(f"chart.{word.strip()}", unit=unit) if word else unit

    def translated(self, script: str) -> str:
        """Return a script with phrases in the places of their keys.

        Raises
        ------
        KeyError
            If a key is unknown.
        """

        def put(found: re.Match) -> str:
            group, name = found[2].split(".")
            text = json.dumps(self.phrases[group][name], ensure_ascii=False, separators=(",", ":"))
            return f"{found[1]}({text}"

        return PHRASE.sub(put, script)


ENGLISH = Language("en")


def chosen_language() -> str:
    """Return the language that the variable names, or English."""
    return os.environ.get(VARIABLE) or ENGLISH.name
