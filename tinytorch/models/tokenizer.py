"""Text to token ids and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.decoders import DecodeStream

CONTROL_TOKEN = 3
"""The type that GGUF gives to tokens which no ordinary text produces."""


def build_bpe(
    tokens: Sequence[str], token_types: Sequence[int], merges: Sequence[str]
) -> Tokenizer:
    """Build a byte-level BPE tokenizer of the SmolLM kind from a vocabulary and its merges.

    Digits stand alone; other text is split as GPT-2 does, then merged byte by byte.

    Parameters
    ----------
    tokens : sequence of str
        Token i, in the byte-to-character alphabet of GPT-2.
    token_types : sequence of int
        As in GGUF: 3 marks a control token.
    merges : sequence of str
        Pairs to join, ``"left right"``, the most frequent first.

    Returns
    -------
    tokenizers.Tokenizer
    """
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in merges])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, token_type in zip(tokens, token_types, strict=True)
            if token_type == CONTROL_TOKEN
        ]
    )
    return tokenizer


class ChatTokenizer:
    """A byte-level BPE tokenizer with the chat template of its model.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    chat_template : str
        A Jinja template, as Hugging Face tokenizers carry it.
    stop_tokens : iterable of str
        Control tokens that end an answer.

    Raises
    ------
    ValueError
        If the vocabulary has no such stop token.

    Attributes
    ----------
    vocab_size : int
    stop_tokens : tuple of int
        For `tinytorch.generate`.
    """

    def __init__(self, tokenizer: Tokenizer, chat_template: str, stop_tokens: Iterable[str]):
        self._tokenizer = tokenizer
        self._template = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True
        ).from_string(chat_template)
        self.vocab_size = tokenizer.get_vocab_size()
        self.stop_tokens = tuple(self._token_id(token) for token in stop_tokens)
        alphabet = _byte_alphabet()
        self._unknown_bytes = bytes(
            byte for byte in range(256) if tokenizer.token_to_id(alphabet[byte]) is None
        )

    def _token_id(self, token: str) -> int:
        token_id = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise ValueError(f"the vocabulary has no token {token!r}")
        return token_id

    @classmethod
    def from_files(cls, folder: Path, stop_tokens: Iterable[str]) -> ChatTokenizer:
        """Read ``tokenizer.json`` and ``chat_template.jinja`` from a folder."""
        return cls(
            Tokenizer.from_file(str(folder / "tokenizer.json")),
            (folder / "chat_template.jinja").read_text(encoding="utf-8"),
            stop_tokens,
        )

    def encode(self, text: str) -> np.ndarray:
        """Turn text into token ids.

        Control tokens written out in the text, such as ``<|im_start|>``, become that token.

        Parameters
        ----------
        text : str

        Returns
        -------
        ndarray of shape (T,), int64
            ``decode`` gives the same text back, byte for byte.

        Raises
        ------
        ValueError
            If the text has a byte that the vocabulary has no token for (some control
            characters, and planes of Unicode that hold no characters yet).
        """
        data = text.encode()
        if len(data.translate(None, self._unknown_bytes)) != len(data):
            unknown = sorted({f"0x{byte:02x}" for byte in data if byte in self._unknown_bytes})
            raise ValueError(f"the vocabulary has no token for these bytes of the text: {unknown}")
        return np.array(self._tokenizer.encode(text).ids, dtype=np.int64)

    def decode(self, tokens: Iterable[int], *, skip_control_tokens: bool = False) -> str:
        """Turn token ids into text.

        Parameters
        ----------
        tokens : iterable of int
        skip_control_tokens : bool
            Leave out ``<|im_end|>`` and the like.

        Returns
        -------
        str
            Bytes that are no UTF-8, as half of a character, become U+FFFD.

        Raises
        ------
        ValueError
            If a token is not in the vocabulary.
        """
        ids = [int(token) for token in tokens]
        outside = sorted(token for token in set(ids) if not 0 <= token < self.vocab_size)
        if outside:
            raise ValueError(f"tokens must be from 0 to {self.vocab_size - 1}, got {outside}")
        return self._tokenizer.decode(ids, skip_special_tokens=skip_control_tokens)

    def decode_stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yield the text of each token, as soon as its characters are complete.

        Parameters
        ----------
        tokens : iterable of int

        Yields
        ------
        str
            One piece for each token, empty while a character is incomplete; control tokens are
            left out. A character that is still incomplete after the last token is left out too.
        """
        pieces = DecodeStream(skip_special_tokens=True)
        for token in tokens:
            yield pieces.step(self._tokenizer, int(token)) or ""

    def render_chat(self, messages: Sequence[dict[str, str]]) -> str:
        """Write a conversation in the form that the model was trained on.

        Parameters
        ----------
        messages : sequence of dict
            Each with ``role`` ("system", "user" or "assistant") and ``content``.

        Returns
        -------
        str
            It ends where the assistant's next answer begins.
        """
        return self._template.render(messages=messages, add_generation_prompt=True)

    def encode_chat(self, messages: Sequence[dict[str, str]] | str) -> np.ndarray:
        """Turn a conversation, or one question, into token ids of shape (T,), int64."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return self.encode(self.render_chat(messages))


def _byte_alphabet() -> list[str]:
    """Character i stands for byte i in a byte-level vocabulary (GPT-2's ``bytes_to_unicode``)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable}
    characters.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [characters[byte] for byte in range(256)]
