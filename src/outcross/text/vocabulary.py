"""A byte-level BPE vocabulary that is learned from human text, with encoding and decoding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from outcross.text.tokens import TokenBytes

START_TEXT = "<|start|>"
START = 0
"""The token before every sequence. It is never sampled, scored or produced by `encode`."""

SMALLEST = 257  # the start token and the 256 bytes


class Vocabulary(TokenBytes):
    """A byte-level BPE vocabulary (Sennrich et al., ACL 2016; bytes as in GPT-2).

    Every text has an encoding, and `decode` restores it exactly. Text that spells the start token is ordinary text.
    """

    start = START

    def __init__(self, tokenizer_json: str):
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.encode_special_tokens = True  # This setting is not stored in the JSON.

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Self:
        """Learn `size` tokens from human texts, or fewer if the texts have too few pairs to merge.

        The same texts give the same vocabulary, byte for byte, in any process.
        """
        if size < SMALLEST:
            raise ValueError(f"size must be at least {SMALLEST} (the start token and 256 bytes), got {size}")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[START_TEXT],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer.to_str())

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Return the token numbers of each text, (tokens,) each."""
        return numbers_of(self._tokenizer, texts)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes that each token represents; none for the start token."""
        return [b"", *(bytes_of(self._tokenizer.id_to_token(token)) for token in range(1, self.size))]

    @property
    def size(self) -> int:
        """Number of tokens, including the start token."""
        return self._tokenizer.get_vocab_size()

    def to_json(self) -> str:
        return json.dumps(json.loads(self._tokenizer.to_str()), ensure_ascii=True, indent=0) + "\n"

    def save(self, path: Path) -> None:
        """Write one JSON file; the same vocabulary gives the same bytes."""
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(path.read_text(encoding="utf-8"))


def numbers_of(tokenizer: Tokenizer, texts: Sequence[str]) -> list[NDArray[np.int32]]:
    """Return the token numbers of each text, (tokens,) each, without special tokens."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]


def bytes_of(token: str | None) -> bytes:
    """Return the bytes of a token of a byte-level BPE in the spelling of GPT-2. If a token is spelt differently, return the bytes of its text."""
    assert token is not None, "token numbers of a BPE have no gaps"
    if not _BYTE_OF.keys() >= set(token):
        return token.encode()
    return bytes(_BYTE_OF[character] for character in token)


def _byte_alphabet() -> dict[str, int]:
    """Return GPT-2's printable character for each byte: the byte itself if it is printable, otherwise the next code point from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(hidden)}


_BYTE_OF = _byte_alphabet()
