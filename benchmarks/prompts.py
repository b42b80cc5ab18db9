"""Prompts to run implementations on side by side: written for this project, kept as data.

They are short on purpose and cover what a tokenizer and a cache may get wrong: prose, code,
accents, scripts without spaces, emoji of several code points, digits, runs of whitespace, a
prompt of one token, and prompts of more than 128 tokens, which is one block of queries in
`tinytorch.core.attention`.
"""

from __future__ import annotations

from typing import NamedTuple


class Prompt(NamedTuple):
    """A text to complete or, with `chat`, a user's message to answer."""

    name: str
    text: str
    chat: bool = False


LONG_STORY = (
    "The lighthouse keeper kept a diary. Every evening, when the lamp was lit, she wrote down "
    "the weather, the ships that had passed and one thing that had surprised her.\n\n"
    "Monday. Wind from the north-west, light rain. Three fishing boats and a ferry. A seal "
    "looked at me for a whole minute.\n\n"
    "Tuesday. No wind at all. A grey tanker, very slow, and two yachts. The gulls were silent "
    "until noon.\n\n"
    "Wednesday. Fog. I heard a horn four times, but saw nobody. The radio played a song that my "
    "mother used to sing.\n\n"
    "Thursday. Storm from the south. No ships. A window broke in the tower and I mended it with "
    "an old sail.\n\n"
    "Friday. Clear sky and"
)

LONG_CODE = '''\
Find the mistake in this function and correct it.

```python
def moving_average(values: list[float], width: int) -> list[float]:
    """Return the mean of each window of `width` neighbours."""
    if not 1 <= width <= len(values):
        raise ValueError(f"width must be from 1 to {len(values)}, got {width}")
    total = sum(values[:width])
    means = [total / width]
    for i in range(width, len(values)):
        total += values[i]
        total -= values[i - width + 1]
        means.append(total / width)
    return means


if __name__ == "__main__":
    print(moving_average([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3))
```
'''

PROMPTS = (
    Prompt("one token", "The"),
    Prompt("prose", "The sky looks blue during the day because"),
    Prompt("history", "In 1969, three astronauts flew to the Moon. The first to walk on it was"),
    Prompt("long story", LONG_STORY),
    Prompt("python", "def fibonacci(n: int) -> list[int]:\n    "),
    Prompt(
        "html",
        "<!DOCTYPE html>\n<html>\n\t<head>\n\t\t<title>Shopping list</title>\n\t</head>\n"
        "\t<body>\n\t\t<ul>\n\t\t\t<li>Apples</li>\n",
    ),
    Prompt("json", '{"name": "Ada", "age": 36, "languages": ["English", "French"], "city": "'),
    Prompt("french", "L'été dernier, à la plage, nous avons mangé des crêpes et bu du café. Ça"),
    Prompt("german", "Die Straße führt über die große Brücke in die Stadt. Dort"),
    Prompt("polish and czech", "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy."),
    Prompt("greek and russian", "Καλημέρα κόσμε! Доброе утро, мир!"),
    Prompt("chinese", "从前有一座山,山上有一座庙。"),
    Prompt("emoji", "The week: ☀️ Monday, 🌧️ Tuesday, ⛈️ Wednesday, 👩‍🚀🇪🇺👍🏽"),
    Prompt(
        "digits", "Pi is 3.14159265358979, e is 2.71828, and 1,000,000 / 7 = 142857.1428. Ⅻ ½ ٣"
    ),
    Prompt(
        "whitespace", "name\tage   \n\n  Ann\t  31\r\n\r\n\n    Bob   27 \t 5\n   Carol\u00a0\u2003"
    ),
    Prompt("sky", "Why is the sky blue?", chat=True),
    Prompt("cache", "Explain in one sentence what a key-value cache is.", chat=True),
    Prompt("reverse", "Write a Python function that reverses a string.", chat=True),
    Prompt("mistake", LONG_CODE, chat=True),
    Prompt("sql", "What does this do?\n\nSELECT name FROM users WHERE age >= 18;", chat=True),
    Prompt("spanish", "¿Cuál es la capital de España? ¡Contesta en español, por favor!", chat=True),
    Prompt("translate", "Translate into English: « Où est la bibliothèque ? »", chat=True),
    Prompt("swedish", "Översätt till engelska: Jag åker båt på sjön i maj.", chat=True),
    Prompt("chinese question", "请用一句话介绍北京。", chat=True),
    Prompt("japanese question", "日本で一番高い山は何ですか?", chat=True),
    Prompt("korean question", "서울은 어느 나라의 수도입니까?", chat=True),
    Prompt("emoji question", "What do these emoji mean? 🐍➡️🦀 👨‍👩‍👧 ❤️‍🔥🚀", chat=True),
    Prompt("sum", "What is 17 + 25? And what is 1234567890 * 2?", chat=True),
    Prompt("untidy", "  Please tidy\tup \n\n\nthis :  a ,b ;c   12  \r\n  ", chat=True),
    Prompt("letter", "Write a short letter that thanks a neighbour for a cake.", chat=True),
)
