"""What the users of `benchmarks.serving` ask: the same requests for every engine, from one seed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.prompts import LONG_STORY
from tinytorch.models import ChatTokenizer
from tinytorch.serving.workloads import SeededRandom

SEED = 1
LONG_EVERY = 8
"""One request of so many asks for a long answer."""

PROMPT_TOKENS, SHORT_ANSWER, LONG_ANSWER = (6, 24), (4, 8), (88, 104)
SYSTEM_TOKENS, QUESTION_TOKENS, PREFIX_ANSWER = 500, 12, 8
MOST_TOKENS = 16
"""The longest answer where all ask at once."""

Request = dict[str, object]
"""``prompt``: token ids; ``text``: the same as a text; ``count``: how many tokens to write."""


def mixed_requests(tokenizer: ChatTokenizer, count: int) -> list[Request]:
    """Draw requests that begin differently, with short answers and a few long ones.

    Parameters
    ----------
    tokenizer : ChatTokenizer
    count : int
        How many. Fewer are the beginning of more.

    Returns
    -------
    list of dict
    """
    random = SeededRandom(SEED)
    requests = []
    for index in range(count):
        length = random.integer(*PROMPT_TOKENS)
        is_long = index % LONG_EVERY == LONG_EVERY // 2
        answer = random.integer(*(LONG_ANSWER if is_long else SHORT_ANSWER))
        requests.append(_request(tokenizer, _story_from(17 * index), length, answer))
    return requests


def prefix_requests(tokenizer: ChatTokenizer, count: int) -> list[Request]:
    """Make questions that all stand behind the same system prompt of 500 tokens."""
    system = tokenizer.encode(LONG_STORY * 5)[:SYSTEM_TOKENS].tolist()
    requests = []
    for index in range(count):
        question = tokenizer.encode(f"\n\n{_story_from(17 * index)}")[:QUESTION_TOKENS].tolist()
        requests.append(_checked(tokenizer, [*system, *question], PREFIX_ANSWER))
    return requests


def _story_from(place: int) -> str:
    """Return the story, begun at another word."""
    words = LONG_STORY.split()
    place %= len(words)
    return " ".join(words[place:] + words[:place])


def _request(tokenizer: ChatTokenizer, text: str, length: int, count: int) -> Request:
    return _checked(tokenizer, tokenizer.encode(text)[:length].tolist(), count)


def _checked(tokenizer: ChatTokenizer, ids: Sequence[int], count: int) -> Request:
    """Make sure that an engine that is given the text sees the same tokens."""
    text = tokenizer.decode(ids)
    if tokenizer.encode(text).tolist() != list(ids):
        raise RuntimeError(f"these {len(ids)} tokens are not those of their own text: {text!r}")
    return {"prompt": list(ids), "text": text, "count": count}
